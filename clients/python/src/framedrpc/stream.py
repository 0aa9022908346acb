"""One call of a connection, as the protocol core keeps it."""

from collections import deque
from typing import Any

from .errors import RpcError
from .v1.wire_pb2 import DataMeta
from .wire import ReceiveWindow


class Incoming:
    """A message of a stream, or a bookmark (`body` is None)."""

    __slots__ = ("body", "conflated", "meta", "unowed")

    def __init__(self, meta: DataMeta, body: bytes | None, conflated: bool, unowed: int) -> None:
        self.meta = meta
        self.body = body
        self.conflated = conflated
        #: Bytes that are owed to the server once this is taken.
        self.unowed = unowed


class Stream:
    """State of a call; drivers read `ended`, `answer`, `error` and `inbox`, and change nothing."""

    __slots__ = (
        "answer", "attachment", "body", "cancel_due", "ended", "error", "head", "id", "inbox", "is_unary", "meta_of_partial",
        "offset", "partial", "partial_conflated", "partial_size", "request", "send_window", "unowed", "window",
    )  # fmt: skip

    def __init__(self, head: bytes, request: bytes, is_unary: bool, window: int) -> None:
        #: CallMeta, serialized.
        self.head = head
        self.request = request
        self.is_unary = is_unary
        #: 0 while it waits for a free stream.
        self.id = 0
        self.window = ReceiveWindow(window)
        self.send_window = 0
        #: Bytes of the request that were sent.
        self.offset = 0
        self.cancel_due: int | None = None
        #: The caller has its answer; what still comes is dropped until END.
        self.ended = False
        self.answer: bytes | None = None
        self.error: RpcError | None = None
        self.inbox: deque[Incoming] = deque()
        #: The message coming in: None where none has begun.
        self.partial: bytearray | None = None
        self.partial_size: int | None = None
        self.partial_conflated = False
        self.meta_of_partial: DataMeta | None = None
        self.unowed = 0
        #: The driver's own.
        self.attachment: Any = None
