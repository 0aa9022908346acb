"""What a stream has shown, and from where it goes on after a break."""

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from google.protobuf.message import Message

from .errors import RpcError
from .method import Method, StreamMode
from .stream import Incoming
from .v1.wire_pb2 import ResumePoint

Value = TypeVar("Value", bound=Message)


@dataclass(frozen=True, slots=True)
class Event(Generic[Value]):
    """A value of a stream, or the news that one is gone."""

    #: None: the key is gone, and its last value is not told.
    message: Value | None
    #: Of a LATEST stream.
    key: str
    #: Its position in the source's history; 0: the source keeps none.
    seq: int
    #: The key no longer belongs to what the stream shows.
    removed: bool = False
    #: Older values of the key were skipped.
    conflated: bool = False


class Follower(Protocol[Value]):
    """What a stream shows and where it stands, whatever its mode."""

    @property
    def place(self) -> ResumePoint | None: ...
    @property
    def may_go_on(self) -> bool:
        """Whether opening the stream again neither loses nor repeats anything."""
    def begins(self) -> None: ...
    def take(self, incoming: Incoming) -> list[Event[Value]]: ...
    def ended(self, error: RpcError | None) -> None: ...


def follower(method: Method[Any, Value], after: ResumePoint | None) -> Follower[Value]:
    if method.stream is StreamMode.LATEST:
        return LatestFollower(method.response, method.key_field, after)
    return QueueFollower(method.response, after)


class QueueFollower(Generic[Value]):
    """Of a QUEUE or BLOCK stream: every message once, in its order."""

    def __init__(self, kind: type[Value], after: ResumePoint | None = None) -> None:
        self._kind = kind
        self._epoch = after.epoch if after else None
        self._seq = after.after_seq if after else None
        self._has_shown = False

    @property
    def place(self) -> ResumePoint | None:
        """From where another stream goes on without a gap; None: from the beginning."""
        if self._epoch is None or self._seq is None:
            return None
        return ResumePoint(epoch=self._epoch, after_seq=self._seq)

    @property
    def may_go_on(self) -> bool:
        return self.place is not None or not self._has_shown

    def begins(self) -> None:
        """A stream was opened at `place`."""

    def ended(self, error: RpcError | None) -> None:
        """A stream has ended; what it says of its place is no news: every message was shown."""

    def take(self, incoming: Incoming) -> list[Event[Value]]:
        meta = incoming.meta
        if meta.HasField("epoch") and meta.epoch != self._epoch:
            self._epoch, self._seq = meta.epoch, None
        if incoming.body is None:
            if meta.HasField("safe_seq"):
                self._seq = max(self._seq or 0, meta.safe_seq)
            return []
        if meta.HasField("seq"):
            if self._seq is not None and meta.seq <= self._seq:
                return []
            self._seq = meta.seq
        self._has_shown = True
        return [Event(self._kind.FromString(incoming.body), "", meta.seq)]


class LatestFollower(Generic[Value]):
    """Keeps a stream's place across connections: values come once and in order, and none that matters is left out."""

    def __init__(self, kind: type[Value], key_field: str, after: ResumePoint | None = None) -> None:
        self._kind = kind
        self._key_field = key_field
        self._known: dict[str, int] = {}
        #: Keys seen in the snapshot under way; None: there is none.
        self._snapshot: set[str] | None = None
        self._epoch = after.epoch if after else None
        self._safe_seq = after.after_seq if after else None
        self._is_first = True

    @property
    def place(self) -> ResumePoint | None:
        """From where another stream goes on without a gap; None: from the beginning."""
        if self._epoch is None or self._safe_seq is None:
            return None
        return ResumePoint(epoch=self._epoch, after_seq=self._safe_seq)

    @property
    def may_go_on(self) -> bool:
        return True

    def begins(self) -> None:
        """A stream was opened at `place`."""
        self._is_first = True
        self._snapshot = None

    def ended(self, error: RpcError | None) -> None:
        """A stream has ended; it may say from where to go on."""
        if error is not None and error.resume_seq is not None:
            self._is_safe(error.resume_seq)

    def take(self, incoming: Incoming) -> list[Event[Value]]:
        """What a message means to whoever watches: nothing, a value, or the end of a snapshot that lacks some."""
        meta = incoming.meta
        if self._is_first:
            self._is_first = False
            if meta.HasField("epoch") and meta.epoch != self._epoch:
                # Numbers of another epoch have nothing to do with these.
                self._epoch, self._safe_seq = meta.epoch, None
                self._known = dict.fromkeys(self._known, -1)
            if meta.snapshot:
                self._snapshot = set()
        if incoming.body is None:
            events = self._bookmark() if meta.HasField("safe_seq") else []
            if meta.HasField("safe_seq"):
                self._is_safe(meta.safe_seq)
            return events
        message = self._kind.FromString(incoming.body)
        key = str(getattr(message, self._key_field)) if self._key_field else ""
        if self._snapshot is None:
            self._is_safe(meta.safe_seq if meta.HasField("safe_seq") else meta.seq)
        else:
            self._snapshot.add(key)
        if meta.seq <= self._known.get(key, -1):
            return []
        self._known[key] = meta.seq
        return [Event(message, key, meta.seq, meta.removed, incoming.conflated)]

    def _bookmark(self) -> list[Event[Value]]:
        if self._snapshot is None:
            return []
        gone = [key for key in self._known if key not in self._snapshot]
        self._snapshot = None
        return [Event(None, key, self._known.pop(key), removed=True) for key in gone]

    def _is_safe(self, seq: int) -> None:
        if self._safe_seq is None or seq > self._safe_seq:
            self._safe_seq = seq
