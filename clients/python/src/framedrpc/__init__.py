"""FramedRPC/1 clients: `Channel` blocks, `AsyncChannel` is for asyncio. Stubs generated from a schema call through them."""

from .aio import AsyncChannel, AsyncEventStream
from .calls import Metadata
from .channel import Channel, EventStream
from .errors import RpcError, StatusCode
from .follow import Event
from .method import Idempotency, Method, StreamMode
from .tls import Credentials
from .v1.wire_pb2 import ResumePoint

__all__ = [
    "AsyncChannel", "AsyncEventStream", "Channel", "Credentials", "Event", "EventStream", "Idempotency", "Metadata", "Method", "ResumePoint",
    "RpcError", "StatusCode", "StreamMode",
]  # fmt: skip
