from framedrpc.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class GetSchemaRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetSchemaResponse(_message.Message):
    __slots__ = ["file_descriptor_set", "services"]
    FILE_DESCRIPTOR_SET_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    file_descriptor_set: bytes
    services: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, services: _Optional[_Iterable[str]] = ..., file_descriptor_set: _Optional[bytes] = ...) -> None: ...
