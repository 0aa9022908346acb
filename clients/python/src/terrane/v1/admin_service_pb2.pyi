from framedrpc.v1 import options_pb2 as _options_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetMetricsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetMetricsResponse(_message.Message):
    __slots__ = ["text"]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class ScanFinding(_message.Message):
    __slots__ = ["detail", "identifier", "kind"]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    detail: str
    identifier: str
    kind: str
    def __init__(self, kind: _Optional[str] = ..., identifier: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class ScanRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ScanResponse(_message.Message):
    __slots__ = ["ledger_rows", "missing", "scan_time", "things", "unexpected"]
    LEDGER_ROWS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    SCAN_TIME_FIELD_NUMBER: _ClassVar[int]
    THINGS_FIELD_NUMBER: _ClassVar[int]
    UNEXPECTED_FIELD_NUMBER: _ClassVar[int]
    ledger_rows: int
    missing: _containers.RepeatedCompositeFieldContainer[ScanFinding]
    scan_time: _timestamp_pb2.Timestamp
    things: int
    unexpected: _containers.RepeatedCompositeFieldContainer[ScanFinding]
    def __init__(self, unexpected: _Optional[_Iterable[_Union[ScanFinding, _Mapping]]] = ..., missing: _Optional[_Iterable[_Union[ScanFinding, _Mapping]]] = ..., ledger_rows: _Optional[int] = ..., things: _Optional[int] = ..., scan_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
