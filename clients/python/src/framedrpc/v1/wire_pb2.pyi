from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CallMeta(_message.Message):
    __slots__ = ["attempt", "initial_credit", "max_silence_ms", "message_bytes", "metadata", "method", "request_id", "resume", "timeout_ms", "traceparent", "tracestate"]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    INITIAL_CREDIT_FIELD_NUMBER: _ClassVar[int]
    MAX_SILENCE_MS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    initial_credit: int
    max_silence_ms: int
    message_bytes: int
    metadata: _containers.RepeatedCompositeFieldContainer[Header]
    method: str
    request_id: bytes
    resume: ResumePoint
    timeout_ms: int
    traceparent: str
    tracestate: str
    def __init__(self, method: _Optional[str] = ..., timeout_ms: _Optional[int] = ..., metadata: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., request_id: _Optional[bytes] = ..., resume: _Optional[_Union[ResumePoint, _Mapping]] = ..., initial_credit: _Optional[int] = ..., max_silence_ms: _Optional[int] = ..., message_bytes: _Optional[int] = ..., traceparent: _Optional[str] = ..., tracestate: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class DataMeta(_message.Message):
    __slots__ = ["epoch", "headers", "message_bytes", "removed", "safe_seq", "seq", "silence_ms", "snapshot"]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    SAFE_SEQ_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SILENCE_MS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    message_bytes: int
    removed: bool
    safe_seq: int
    seq: int
    silence_ms: int
    snapshot: bool
    def __init__(self, seq: _Optional[int] = ..., safe_seq: _Optional[int] = ..., removed: bool = ..., message_bytes: _Optional[int] = ..., epoch: _Optional[int] = ..., silence_ms: _Optional[int] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., snapshot: bool = ...) -> None: ...

class Detail(_message.Message):
    __slots__ = ["type_url", "value"]
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    value: bytes
    def __init__(self, type_url: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class EndMeta(_message.Message):
    __slots__ = ["code", "details", "message", "resume_seq", "retry_after_ms", "trailers"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RESUME_SEQ_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    TRAILERS_FIELD_NUMBER: _ClassVar[int]
    code: int
    details: _containers.RepeatedCompositeFieldContainer[Detail]
    message: str
    resume_seq: int
    retry_after_ms: int
    trailers: _containers.RepeatedCompositeFieldContainer[Header]
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., details: _Optional[_Iterable[_Union[Detail, _Mapping]]] = ..., trailers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., retry_after_ms: _Optional[int] = ..., resume_seq: _Optional[int] = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ["key", "value"]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: bytes
    def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ["agent", "compression", "drain_grace_ms", "features", "idle_close_ms", "initial_credit", "max_frame", "max_message", "max_streams", "min_ping_ms"]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    DRAIN_GRACE_MS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    IDLE_CLOSE_MS_FIELD_NUMBER: _ClassVar[int]
    INITIAL_CREDIT_FIELD_NUMBER: _ClassVar[int]
    MAX_FRAME_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MIN_PING_MS_FIELD_NUMBER: _ClassVar[int]
    agent: str
    compression: _containers.RepeatedScalarFieldContainer[str]
    drain_grace_ms: int
    features: _containers.RepeatedScalarFieldContainer[str]
    idle_close_ms: int
    initial_credit: int
    max_frame: int
    max_message: int
    max_streams: int
    min_ping_ms: int
    def __init__(self, max_frame: _Optional[int] = ..., max_message: _Optional[int] = ..., max_streams: _Optional[int] = ..., initial_credit: _Optional[int] = ..., min_ping_ms: _Optional[int] = ..., idle_close_ms: _Optional[int] = ..., drain_grace_ms: _Optional[int] = ..., features: _Optional[_Iterable[str]] = ..., compression: _Optional[_Iterable[str]] = ..., agent: _Optional[str] = ...) -> None: ...

class ResumePoint(_message.Message):
    __slots__ = ["after_seq", "epoch"]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    after_seq: int
    epoch: int
    def __init__(self, epoch: _Optional[int] = ..., after_seq: _Optional[int] = ...) -> None: ...
