"""What a call may come to other than its answer."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from .v1.wire_pb2 import EndMeta

Detail = TypeVar("Detail", bound=Message)


class StatusCode(enum.IntEnum):
    """gRPC's status codes, with gRPC's meanings."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@dataclass(eq=False)
class RpcError(Exception):
    """A call that did not end with OK.

    `refused`: the server did not execute it, so that repeating it is safe. `retry_after`: seconds to wait before
    repeating it, as the server asks; negative: do not. `resume_seq`: from where a stream may be resumed without loss.
    """

    code: StatusCode
    message: str
    details: Sequence[tuple[str, bytes]] = ()
    trailers: Sequence[tuple[str, bytes]] = ()
    refused: bool = False
    retry_after: float | None = None
    resume_seq: int | None = None
    #: How many times the call was sent, this one included.
    attempts: int = field(default=1, compare=False)

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}" if self.message else self.code.name

    def detail(self, kind: type[Detail]) -> Detail | None:
        """The first detail of a message type, such as `terrane.v1.problem_pb2.Problem`."""
        name = kind.DESCRIPTOR.full_name
        for url, value in self.details:
            if url.rpartition("/")[2] == name:
                try:
                    return kind.FromString(value)
                except DecodeError:
                    return None
        return None


def error_of(meta: EndMeta, refused: bool) -> RpcError | None:
    """What END says; None: OK."""
    if meta.code == 0:
        return None
    # A code this version does not know is not a success.
    code = StatusCode(meta.code) if meta.code <= StatusCode.UNAUTHENTICATED else StatusCode.UNKNOWN
    return RpcError(
        code,
        meta.message,
        details=[(detail.type_url, detail.value) for detail in meta.details],
        trailers=[(header.key, header.value) for header in meta.trailers],
        refused=refused,
        retry_after=meta.retry_after_ms / 1000 if meta.HasField("retry_after_ms") else None,
        resume_seq=meta.resume_seq if meta.HasField("resume_seq") else None,
    )
