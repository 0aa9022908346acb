from framedrpc.v1 import options_pb2 as _options_pb2
from terrane.v1 import dataset_pb2 as _dataset_pb2
from terrane.v1 import problem_pb2 as _problem_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Artifact(_message.Message):
    __slots__ = ["bytes", "identifier", "kind"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    identifier: str
    kind: str
    def __init__(self, kind: _Optional[str] = ..., identifier: _Optional[str] = ..., bytes: _Optional[int] = ...) -> None: ...

class CancelDatasetRequest(_message.Message):
    __slots__ = ["dataset"]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: DatasetRef
    def __init__(self, dataset: _Optional[_Union[DatasetRef, _Mapping]] = ...) -> None: ...

class CreateDatasetRequest(_message.Message):
    __slots__ = ["name", "spec"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    name: _dataset_pb2.DatasetName
    spec: _dataset_pb2.DatasetSpec
    def __init__(self, name: _Optional[_Union[_dataset_pb2.DatasetName, _Mapping]] = ..., spec: _Optional[_Union[_dataset_pb2.DatasetSpec, _Mapping]] = ...) -> None: ...

class CreateDatasetResponse(_message.Message):
    __slots__ = ["created", "dataset", "notices"]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    created: bool
    dataset: _dataset_pb2.Dataset
    notices: _containers.RepeatedCompositeFieldContainer[_problem_pb2.Notice]
    def __init__(self, dataset: _Optional[_Union[_dataset_pb2.Dataset, _Mapping]] = ..., created: bool = ..., notices: _Optional[_Iterable[_Union[_problem_pb2.Notice, _Mapping]]] = ...) -> None: ...

class DatasetRef(_message.Message):
    __slots__ = ["dataset_key", "name"]
    DATASET_KEY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    dataset_key: str
    name: _dataset_pb2.DatasetName
    def __init__(self, dataset_key: _Optional[str] = ..., name: _Optional[_Union[_dataset_pb2.DatasetName, _Mapping]] = ...) -> None: ...

class DeleteDatasetRequest(_message.Message):
    __slots__ = ["dataset", "force", "validate_only"]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    dataset: DatasetRef
    force: bool
    validate_only: bool
    def __init__(self, dataset: _Optional[_Union[DatasetRef, _Mapping]] = ..., validate_only: bool = ..., force: bool = ...) -> None: ...

class DeleteDatasetResponse(_message.Message):
    __slots__ = ["artifacts", "dataset", "dependents"]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    DEPENDENTS_FIELD_NUMBER: _ClassVar[int]
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    dataset: _dataset_pb2.Dataset
    dependents: _containers.RepeatedCompositeFieldContainer[_dataset_pb2.DatasetName]
    def __init__(self, dataset: _Optional[_Union[_dataset_pb2.Dataset, _Mapping]] = ..., artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ..., dependents: _Optional[_Iterable[_Union[_dataset_pb2.DatasetName, _Mapping]]] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ["dataset", "min_seq", "show_deleted"]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    MIN_SEQ_FIELD_NUMBER: _ClassVar[int]
    SHOW_DELETED_FIELD_NUMBER: _ClassVar[int]
    dataset: DatasetRef
    min_seq: int
    show_deleted: bool
    def __init__(self, dataset: _Optional[_Union[DatasetRef, _Mapping]] = ..., min_seq: _Optional[int] = ..., show_deleted: bool = ...) -> None: ...

class GetLogRequest(_message.Message):
    __slots__ = ["dataset", "reason"]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    dataset: DatasetRef
    reason: str
    def __init__(self, dataset: _Optional[_Union[DatasetRef, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class GetLogResponse(_message.Message):
    __slots__ = ["entries"]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[LogEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[LogEntry, _Mapping]]] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ["dataset_id", "namespace", "page_size", "page_token", "show_deleted", "statuses"]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SHOW_DELETED_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    namespace: str
    page_size: int
    page_token: str
    show_deleted: bool
    statuses: _containers.RepeatedScalarFieldContainer[_dataset_pb2.Status]
    def __init__(self, namespace: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., statuses: _Optional[_Iterable[_Union[_dataset_pb2.Status, str]]] = ..., dataset_id: _Optional[str] = ..., show_deleted: bool = ...) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ["datasets", "next_page_token"]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[_dataset_pb2.Dataset]
    next_page_token: str
    def __init__(self, datasets: _Optional[_Iterable[_Union[_dataset_pb2.Dataset, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class LogEntry(_message.Message):
    __slots__ = ["count", "message", "places", "reason", "step"]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    count: int
    message: str
    places: _containers.RepeatedCompositeFieldContainer[LogPlace]
    reason: str
    step: str
    def __init__(self, reason: _Optional[str] = ..., count: _Optional[int] = ..., message: _Optional[str] = ..., step: _Optional[str] = ..., places: _Optional[_Iterable[_Union[LogPlace, _Mapping]]] = ...) -> None: ...

class LogPlace(_message.Message):
    __slots__ = ["detail", "feature", "layer"]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    detail: str
    feature: int
    layer: str
    def __init__(self, layer: _Optional[str] = ..., feature: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...

class PurgeDatasetRequest(_message.Message):
    __slots__ = ["dataset"]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: DatasetRef
    def __init__(self, dataset: _Optional[_Union[DatasetRef, _Mapping]] = ...) -> None: ...

class ReprocessDatasetRequest(_message.Message):
    __slots__ = ["dataset"]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: DatasetRef
    def __init__(self, dataset: _Optional[_Union[DatasetRef, _Mapping]] = ...) -> None: ...

class RetryDatasetRequest(_message.Message):
    __slots__ = ["dataset"]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: DatasetRef
    def __init__(self, dataset: _Optional[_Union[DatasetRef, _Mapping]] = ...) -> None: ...

class UndeleteDatasetRequest(_message.Message):
    __slots__ = ["dataset"]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: DatasetRef
    def __init__(self, dataset: _Optional[_Union[DatasetRef, _Mapping]] = ...) -> None: ...

class WatchStatusRequest(_message.Message):
    __slots__ = ["dataset", "follow"]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    dataset: DatasetRef
    follow: bool
    def __init__(self, dataset: _Optional[_Union[DatasetRef, _Mapping]] = ..., follow: bool = ...) -> None: ...
