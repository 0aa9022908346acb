from framedrpc.v1 import options_pb2 as _options_pb2
from framedrpc.v1 import wire_pb2 as _wire_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Instruction(_message.Message):
    __slots__ = ["code", "delay_ms", "details", "ignore_cancel", "message", "payload", "retry_after_ms", "sizes", "tag", "trailers"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    IGNORE_CANCEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    TRAILERS_FIELD_NUMBER: _ClassVar[int]
    code: int
    delay_ms: int
    details: _containers.RepeatedCompositeFieldContainer[_wire_pb2.Detail]
    ignore_cancel: bool
    message: str
    payload: bytes
    retry_after_ms: int
    sizes: _containers.RepeatedScalarFieldContainer[int]
    tag: str
    trailers: _containers.RepeatedCompositeFieldContainer[_wire_pb2.Header]
    def __init__(self, sizes: _Optional[_Iterable[int]] = ..., payload: _Optional[bytes] = ..., code: _Optional[int] = ..., message: _Optional[str] = ..., details: _Optional[_Iterable[_Union[_wire_pb2.Detail, _Mapping]]] = ..., trailers: _Optional[_Iterable[_Union[_wire_pb2.Header, _Mapping]]] = ..., retry_after_ms: _Optional[int] = ..., delay_ms: _Optional[int] = ..., ignore_cancel: bool = ..., tag: _Optional[str] = ...) -> None: ...

class Observation(_message.Message):
    __slots__ = ["cancelled", "most_running", "running", "started"]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    MOST_RUNNING_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    cancelled: int
    most_running: int
    running: int
    started: int
    def __init__(self, running: _Optional[int] = ..., most_running: _Optional[int] = ..., started: _Optional[int] = ..., cancelled: _Optional[int] = ...) -> None: ...

class ObserveRequest(_message.Message):
    __slots__ = ["tag"]
    TAG_FIELD_NUMBER: _ClassVar[int]
    tag: str
    def __init__(self, tag: _Optional[str] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ["finish", "forget_to", "topic", "values"]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    FORGET_TO_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    finish: bool
    forget_to: int
    topic: str
    values: _containers.RepeatedCompositeFieldContainer[Value]
    def __init__(self, topic: _Optional[str] = ..., values: _Optional[_Iterable[_Union[Value, _Mapping]]] = ..., finish: bool = ..., forget_to: _Optional[int] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ["seq", "streams"]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    seq: int
    streams: int
    def __init__(self, seq: _Optional[int] = ..., streams: _Optional[int] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ["attempt", "index", "metadata", "payload", "principal", "request_id", "time_left_ms", "traceparent", "tracestate"]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_LEFT_MS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    index: int
    metadata: _containers.RepeatedCompositeFieldContainer[_wire_pb2.Header]
    payload: bytes
    principal: str
    request_id: bytes
    time_left_ms: int
    traceparent: str
    tracestate: str
    def __init__(self, payload: _Optional[bytes] = ..., index: _Optional[int] = ..., principal: _Optional[str] = ..., metadata: _Optional[_Iterable[_Union[_wire_pb2.Header, _Mapping]]] = ..., traceparent: _Optional[str] = ..., tracestate: _Optional[str] = ..., request_id: _Optional[bytes] = ..., attempt: _Optional[int] = ..., time_left_ms: _Optional[int] = ...) -> None: ...

class TopicRequest(_message.Message):
    __slots__ = ["topic"]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    topic: str
    def __init__(self, topic: _Optional[str] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ["key", "payload", "removed"]
    KEY_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    key: str
    payload: bytes
    removed: bool
    def __init__(self, key: _Optional[str] = ..., payload: _Optional[bytes] = ..., removed: bool = ...) -> None: ...
