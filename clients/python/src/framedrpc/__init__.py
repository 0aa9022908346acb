"""FramedRPC/1 clients: `Channel` blocks, `AsyncChannel` is for asyncio. Stubs generated from a schema call through them."""

from .aio import AsyncChannel, AsyncLatestStream
from .calls import Metadata
from .channel import Channel, LatestStream
from .errors import RpcError, StatusCode
from .follow import Event
from .method import Idempotency, Method
from .tls import Credentials
from .v1.wire_pb2 import ResumePoint

__all__ = [
    "AsyncChannel", "AsyncLatestStream", "Channel", "Credentials", "Event", "Idempotency", "LatestStream", "Metadata", "Method", "ResumePoint",
    "RpcError", "StatusCode",
]  # fmt: skip
