from framedrpc.v1 import options_pb2 as _options_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConnectionInfo(_message.Message):
    __slots__ = ["age_ms", "agent", "draining", "held_bytes", "open_streams", "peer", "principal", "silent_ms", "streams"]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    HELD_BYTES_FIELD_NUMBER: _ClassVar[int]
    OPEN_STREAMS_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    SILENT_MS_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    agent: str
    draining: bool
    held_bytes: int
    open_streams: int
    peer: str
    principal: str
    silent_ms: int
    streams: _containers.RepeatedCompositeFieldContainer[StreamInfo]
    def __init__(self, peer: _Optional[str] = ..., principal: _Optional[str] = ..., agent: _Optional[str] = ..., age_ms: _Optional[int] = ..., silent_ms: _Optional[int] = ..., open_streams: _Optional[int] = ..., held_bytes: _Optional[int] = ..., draining: bool = ..., streams: _Optional[_Iterable[_Union[StreamInfo, _Mapping]]] = ...) -> None: ...

class GetMetricsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetMetricsResponse(_message.Message):
    __slots__ = ["text"]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class ListConnectionsRequest(_message.Message):
    __slots__ = ["streams"]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    streams: int
    def __init__(self, streams: _Optional[int] = ...) -> None: ...

class ListConnectionsResponse(_message.Message):
    __slots__ = ["connections", "count"]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    connections: _containers.RepeatedCompositeFieldContainer[ConnectionInfo]
    count: int
    def __init__(self, connections: _Optional[_Iterable[_Union[ConnectionInfo, _Mapping]]] = ..., count: _Optional[int] = ...) -> None: ...

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

class StreamInfo(_message.Message):
    __slots__ = ["age_ms", "blocked_ms", "held_bytes", "id", "method", "principal", "state", "waiting"]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_MS_FIELD_NUMBER: _ClassVar[int]
    HELD_BYTES_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    blocked_ms: int
    held_bytes: int
    id: int
    method: str
    principal: str
    state: str
    waiting: int
    def __init__(self, id: _Optional[int] = ..., method: _Optional[str] = ..., principal: _Optional[str] = ..., state: _Optional[str] = ..., age_ms: _Optional[int] = ..., held_bytes: _Optional[int] = ..., waiting: _Optional[int] = ..., blocked_ms: _Optional[int] = ...) -> None: ...
