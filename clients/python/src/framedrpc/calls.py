"""What the blocking and the asyncio channel share: the head of a call, and the errors of deadlines."""

import os
import time
from collections.abc import Mapping
from typing import Any

from .errors import RpcError, StatusCode
from .method import Idempotency, Method
from .tls import Credentials
from .v1.wire_pb2 import CallMeta, Header, ResumePoint

Metadata = Mapping[str, str | bytes]


class Heads:
    """CallMeta of one call's attempts, serialized: what stays the same is serialized once."""

    __slots__ = ("_common", "_credentials")

    def __init__(
        self, method: Method[Any, Any], metadata: Metadata | None, request_id: bytes | None, traceparent: str | None,
        credentials: Credentials,
    ) -> None:  # fmt: skip
        self._credentials = credentials
        if request_id is None and method.idempotency is Idempotency.REQUEST_ID:
            # One for all attempts: whichever takes effect, the others are answered with it.
            request_id = os.urandom(16)
        if request_id is not None and len(request_id) != 16:
            raise ValueError("a request id has 16 bytes")
        meta = CallMeta(method=method.name, request_id=request_id or b"", traceparent=traceparent or "")
        for key, value in (metadata or {}).items():
            meta.metadata.append(Header(key=key, value=value.encode() if isinstance(value, str) else value))
        self._common = meta.SerializeToString()

    def head(self, attempt: int, deadline: float | None, resume: ResumePoint | None = None) -> bytes:
        """`deadline`: of time.monotonic(); the server is told what is left of it."""
        authorization = self._credentials.authorization
        if attempt == 0 and deadline is None and resume is None and authorization is None:
            return self._common
        more = CallMeta(attempt=attempt)
        if authorization is not None:
            more.metadata.append(Header(key="authorization", value=authorization.encode()))
        if deadline is not None:
            more.timeout_ms = max(0, round((deadline - time.monotonic()) * 1000))
        if resume is not None:
            more.resume.CopyFrom(resume)
        # Serialized messages laid end to end are one message.
        return self._common + more.SerializeToString()


def deadline_of(method: Method[Any, Any], timeout: float | None) -> float | None:
    """When a call is over, of time.monotonic()."""
    seconds = timeout if timeout is not None else method.default_timeout
    return None if seconds is None else time.monotonic() + seconds


def deadline_exceeded(method: Method[Any, Any]) -> RpcError:
    return RpcError(StatusCode.DEADLINE_EXCEEDED, f"{method.name} did not end in time")


def undecodable(method: Method[Any, Any], error: Exception) -> RpcError:
    return RpcError(StatusCode.INTERNAL, f"the response of {method.name} is not a {method.response.DESCRIPTOR.full_name}: {error}")
