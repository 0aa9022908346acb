"""What the schema says of a method; generated stubs are made of these."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


class Idempotency(enum.Enum):
    UNSPECIFIED = 0
    #: A call may be repeated.
    IDEMPOTENT = 1
    #: A call may be repeated with the same request id; the client gives each call one.
    REQUEST_ID = 2


class StreamMode(enum.Enum):
    """How a method's answers come."""

    #: One answer: a unary method.
    NONE = 0
    #: The newest value of every key.
    LATEST = 1
    #: Every message, from a bounded queue.
    QUEUE = 2
    #: Every message; the server waits.
    BLOCK = 3


@dataclass(frozen=True)
class Method(Generic[Request, Response]):
    """A method of a service: `package.Service/Method` and how it behaves."""

    name: str
    request: type[Request]
    response: type[Response]
    idempotency: Idempotency = Idempotency.UNSPECIFIED
    stream: StreamMode = StreamMode.NONE
    #: Of a LATEST stream: the field of the response that names the key; empty: one value in all.
    key_field: str = ""
    #: Seconds, of a unary call that states none.
    default_timeout: float | None = None
    #: Reasons of errors that this method gives, beyond the general ones.
    reasons: Sequence[str] = ()
