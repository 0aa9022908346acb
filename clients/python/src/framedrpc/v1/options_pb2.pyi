from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
METHOD_FIELD_NUMBER: _ClassVar[int]
method: _descriptor.FieldDescriptor

class MethodOptions(_message.Message):
    __slots__ = ["default_timeout_ms", "idempotency", "key", "queue_size", "reasons", "role", "stream"]
    class Idempotency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    class StreamMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    BLOCK: MethodOptions.StreamMode
    DEFAULT_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENT: MethodOptions.Idempotency
    KEY_FIELD_NUMBER: _ClassVar[int]
    LATEST: MethodOptions.StreamMode
    NONE: MethodOptions.StreamMode
    QUEUE: MethodOptions.StreamMode
    QUEUE_SIZE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID: MethodOptions.Idempotency
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    UNSPECIFIED: MethodOptions.Idempotency
    default_timeout_ms: int
    idempotency: MethodOptions.Idempotency
    key: str
    queue_size: int
    reasons: _containers.RepeatedScalarFieldContainer[str]
    role: str
    stream: MethodOptions.StreamMode
    def __init__(self, stream: _Optional[_Union[MethodOptions.StreamMode, str]] = ..., key: _Optional[str] = ..., idempotency: _Optional[_Union[MethodOptions.Idempotency, str]] = ..., role: _Optional[str] = ..., default_timeout_ms: _Optional[int] = ..., reasons: _Optional[_Iterable[str]] = ..., queue_size: _Optional[int] = ...) -> None: ...
