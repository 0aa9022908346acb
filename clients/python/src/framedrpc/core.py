"""The client's side of a connection, without sockets, threads, clocks or TLS: bytes in, bytes and ended calls out.

A driver hands over what arrived with `receive`, sends what `take_output` returns, and looks at its streams. Not safe for
more than one thread at a time.
"""

from collections import deque
from collections.abc import Callable

from google.protobuf.message import DecodeError

from .errors import RpcError, StatusCode, error_of
from .stream import Incoming, Stream
from .v1.wire_pb2 import CallMeta, DataMeta, EndMeta, Hello
from .wire import (
    ACK, CALL, CANCEL, CANCEL_SHUTDOWN, CANCEL_UNSPECIFIED, COMPRESSED, CONFLATED, CREDIT, DATA, END, FLOOR_CREDIT, FLOOR_FRAME,
    FLOOR_MESSAGE, FLOOR_STREAMS, GOAWAY, GOAWAY_DRAIN, GOAWAY_FLOW_CONTROL, GOAWAY_FRAME_SIZE, GOAWAY_PROTOCOL, HEADER, HEADER_SIZE,
    HELLO, IGNORABLE, LAST, MAX_REASON, MAX_STREAM, MAX_WINDOW, MINOR_VERSION, MORE, NO_MESSAGE, PING, PREFACE, REFUSED, Violation,
    frame,
)  # fmt: skip

_EMPTY = DataMeta()
_ROOM = FLOOR_FRAME - HEADER_SIZE


class ClientCore:
    """One connection. `max_message`: bytes of the largest message accepted. `answers_pings`: the driver reads also while
    no call waits, so that the server may ask whether it lives."""

    def __init__(
        self, *, max_message: int = 4 << 20, initial_credit: int = 262_144, answers_pings: bool = False,
        agent: str = "framedrpc-python", first_stream: int = 1, on_change: Callable[[Stream], None] | None = None,
    ) -> None:  # fmt: skip
        self.max_message = max_message
        self.initial_credit = initial_credit
        #: Called with a stream that got a message or ended.
        self.on_change = on_change or (lambda stream: None)
        self.streams: dict[int, Stream] = {}
        #: Calls without a stream yet, oldest first.
        self.waiting: deque[Stream] = deque()
        #: Why the connection takes no more calls; None: it does.
        self.going_away: str | None = None
        #: Everything is said: send the output, then close.
        self.is_closing = False
        self._next = first_stream
        self._in = bytearray()
        self._saw_preface = self._saw_hello = False
        self._max_streams = FLOOR_STREAMS
        self._peer_message = FLOOR_MESSAGE
        self._peer_credit = FLOOR_CREDIT
        self._sending: deque[Stream] = deque()
        hello = Hello(
            max_frame=FLOOR_FRAME, max_message=max_message, initial_credit=initial_credit, agent=agent,
            features=["ping-ack"] if answers_pings else [],
        )  # fmt: skip
        self._out = bytearray(PREFACE + frame(HELLO, 0, MINOR_VERSION, 0, hello.SerializeToString()))

    @property
    def is_usable(self) -> bool:
        """Whether a call made now could go out."""
        return self.going_away is None and not self.is_closing and self._next <= MAX_STREAM

    def take_output(self) -> bytes:
        """What is to be sent, in its order."""
        if self._sending:
            self._fill()
        out, self._out = self._out, bytearray()
        return bytes(out)

    # ------------------------------------------------------------------------------------------------------- calls

    def call(self, head: bytes, request: bytes, is_unary: bool, credit: int | None = None) -> Stream:
        """A new call. `head` is its CallMeta, serialized. It waits here while the server's streams are all taken."""
        stream = Stream(head, request, is_unary, self.initial_credit if credit is None else credit)
        if not self.is_usable:
            reason = self.going_away or "the connection takes no more calls"
            self._answer(stream, RpcError(StatusCode.UNAVAILABLE, reason, refused=True))
        elif len(request) > self._peer_message:
            text = f"the request has {len(request)} bytes, and the server takes {self._peer_message}"
            self._answer(stream, RpcError(StatusCode.RESOURCE_EXHAUSTED, text, refused=True))
        else:
            self.waiting.append(stream)
            self._admit()
        return stream

    def cancel(self, stream: Stream, reason: int, error: RpcError) -> None:
        """The caller gave up: it has `error` now, and the server is told."""
        if not stream.ended:
            self._cancel_on_wire(stream, reason)
            self._answer(stream, error)

    def tell_cancelled(self, stream: Stream, reason: int) -> None:
        """The server is told of a call that its caller has left before, if it has not ended since."""
        self._cancel_on_wire(stream, reason)

    def leave(self, stream: Stream, error: RpcError) -> None:
        """The caller gave up, and the server need not be told (a deadline, which it knows)."""
        self._answer(stream, error)

    def taken(self, stream: Stream, message: Incoming) -> None:
        """The application took the oldest message of a stream."""
        if stream.id in self.streams and not stream.ended:
            owed = message.unowed
            if not stream.inbox:
                owed += stream.unowed
                stream.unowed = 0
            self._grant(stream, owed)

    def close(self) -> None:
        """No more calls: open ones are cancelled, then the connection closes."""
        if self.is_closing:
            return
        closed = RpcError(StatusCode.CANCELLED, "the channel was closed")
        for stream in list(self.streams.values()):
            self.cancel(stream, CANCEL_SHUTDOWN, closed)
        self._answer_all(closed)
        self._out += frame(GOAWAY, 0, GOAWAY_DRAIN, 0, bytes(8))
        self.is_closing = True

    def lost(self, reason: str) -> None:
        """The socket is gone: a call without END is never a success."""
        self.is_closing = True
        self._answer_all(RpcError(StatusCode.UNAVAILABLE, reason))

    # ------------------------------------------------------------------------------------------------------- input

    def receive(self, data: bytes) -> None:
        if self.is_closing:
            return
        self._in += data
        try:
            self._read()
        except Violation as violation:
            self._fail(violation)
        except DecodeError:
            self._fail(Violation(GOAWAY_PROTOCOL, "metadata is not protobuf"))

    def _read(self) -> None:
        data = self._in
        at = 0
        if not self._saw_preface:
            if data[: len(PREFACE)] != PREFACE[: len(data)]:
                self.lost("the peer does not speak FramedRPC")
                return
            if len(data) < len(PREFACE):
                return
            self._saw_preface = True
            at = len(PREFACE)
        try:
            while len(data) - at >= HEADER_SIZE and not self.is_closing:
                length, kind, flags, aux, number = HEADER.unpack_from(data, at)
                if length > _ROOM:
                    raise Violation(GOAWAY_FRAME_SIZE, f"a frame of {length} bytes, at most {_ROOM}")
                if DATA <= kind <= END and aux > length:
                    raise Violation(GOAWAY_PROTOCOL, "more metadata than frame")
                end = at + HEADER_SIZE + length
                if end > len(data):
                    break
                self._handle(kind, flags, aux, number, bytes(data[at + HEADER_SIZE : end]))
                at = end
        finally:
            del data[:at]

    def _handle(self, kind: int, flags: int, aux: int, number: int, payload: bytes) -> None:
        if not self._saw_hello:
            if kind == HELLO:
                return self._hello(payload)
            if flags & IGNORABLE:
                return
            raise Violation(GOAWAY_PROTOCOL, "no HELLO")
        if kind == END:
            self._end(number, flags, payload[:aux], payload[aux:])
        elif kind == DATA:
            self._data(number, flags, payload[:aux], payload[aux:])
        elif kind == CREDIT:
            self._credit(number, payload)
        elif kind == PING:
            if len(payload) != 8:
                raise Violation(GOAWAY_FRAME_SIZE, "PING is 8 bytes")
            if not flags & ACK:
                self._out += frame(PING, ACK, 0, 0, payload)
        elif kind == GOAWAY:
            self._goaway(aux, payload)
        elif kind == HELLO:
            raise Violation(GOAWAY_PROTOCOL, "a second HELLO")
        elif not flags & IGNORABLE:
            raise Violation(GOAWAY_PROTOCOL, f"a frame of type {kind} from a server")

    def _hello(self, payload: bytes) -> None:
        hello = Hello.FromString(payload)
        tight = [
            (hello.max_frame, FLOOR_FRAME), (hello.max_message, FLOOR_MESSAGE), (hello.max_streams, FLOOR_STREAMS),
            (hello.initial_credit, FLOOR_CREDIT),
        ]  # fmt: skip
        if any(0 < value < floor for value, floor in tight):
            raise Violation(GOAWAY_PROTOCOL, "HELLO is tighter than the floor")
        self._saw_hello = True
        self._peer_message = hello.max_message or FLOOR_MESSAGE
        self._max_streams = hello.max_streams or FLOOR_STREAMS
        more = (hello.initial_credit or FLOOR_CREDIT) - FLOOR_CREDIT
        self._peer_credit += more
        # Calls sent before this was read began with the floor.
        for stream in self.streams.values():
            stream.send_window += more
        self._admit()

    def _known(self, number: int) -> Stream | None:
        """The stream of a server's frame; None: it has ended."""
        stream = self.streams.get(number)
        if stream is None and (number >= self._next or not number & 1):
            raise Violation(GOAWAY_PROTOCOL, f"a frame on stream {number}, which was never opened")
        return stream

    def _credit(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Violation(GOAWAY_FRAME_SIZE, "CREDIT is 4 bytes")
        count = int.from_bytes(payload, "big")
        if not count or not number:
            raise Violation(GOAWAY_FLOW_CONTROL, "CREDIT of 0, or of the connection")
        stream = self._known(number)
        if stream is not None:
            stream.send_window += count
            if stream.send_window > MAX_WINDOW:
                raise Violation(GOAWAY_FLOW_CONTROL, "a window above 2^31-1")

    def _goaway(self, code: int, payload: bytes) -> None:
        if len(payload) < 8:
            raise Violation(GOAWAY_FRAME_SIZE, "GOAWAY is 8 bytes and a reason")
        last = int.from_bytes(payload[:4], "big")
        reason = payload[8:].decode("utf-8", "replace")
        self.going_away = f"the server is going away ({code}): {reason}" if reason else "the server is going away"
        refused = RpcError(StatusCode.UNAVAILABLE, self.going_away, refused=True)
        while self.waiting:
            self._answer(self.waiting.popleft(), refused)
        for number in [number for number in self.streams if number > last]:
            self._answer(self.streams.pop(number), refused)
        self._close_if_done()

    def _data(self, number: int, flags: int, head: bytes, body: bytes) -> None:
        stream = self._known(number)
        if stream is None:
            return
        if not stream.window.receive(len(body)):
            raise Violation(GOAWAY_FLOW_CONTROL, f"more bytes than credit on stream {number}")
        if stream.ended:
            return
        if flags & NO_MESSAGE:
            if body or flags & MORE or stream.is_unary:
                return self._breach(stream, "NO_MESSAGE with a message")
            stream.inbox.append(Incoming(DataMeta.FromString(head), None, False, 0))
            return self.on_change(stream)
        if stream.partial is None:
            meta = DataMeta.FromString(head) if head else _EMPTY
            size = meta.message_bytes if meta.HasField("message_bytes") else None
            if flags & COMPRESSED:
                return self._breach(stream, "compressed without a codec")
            if (flags & MORE or stream.is_unary) and size is None:
                return self._breach(stream, "a fragmented message without message_bytes")
            if size is not None and size > self.max_message:
                text = f"a message of {size} bytes, at most {self.max_message}"
                return self._breach(stream, text, StatusCode.RESOURCE_EXHAUSTED)
            stream.partial, stream.partial_size = bytearray(), size
            stream.meta_of_partial, stream.partial_conflated = meta, bool(flags & CONFLATED)
        elif head:
            return self._breach(stream, "metadata on a later fragment")
        stream.partial += body
        if len(stream.partial) > (self.max_message if stream.partial_size is None else stream.partial_size):
            return self._breach(stream, "more than message_bytes")
        stream.unowed += len(body)
        if flags & MORE:
            # While a complete message waits, what comes after it is not granted.
            if not stream.inbox:
                owed, stream.unowed = stream.unowed, 0
                self._grant(stream, owed)
            return None
        if stream.is_unary or len(stream.partial) != (stream.partial_size or len(stream.partial)):
            return self._breach(stream, "wrong message_bytes")
        meta, message = stream.meta_of_partial or _EMPTY, bytes(stream.partial)
        stream.inbox.append(Incoming(meta, message, stream.partial_conflated, stream.unowed))
        stream.partial, stream.unowed = None, 0
        return self.on_change(stream)

    def _end(self, number: int, flags: int, head: bytes, body: bytes) -> None:
        stream = self._known(number)
        if stream is None:
            return
        if not stream.window.receive(len(body)):
            raise Violation(GOAWAY_FLOW_CONTROL, f"more bytes than credit on stream {number}")
        del self.streams[number]
        if not stream.ended:
            error = error_of(EndMeta.FromString(head), bool(flags & REFUSED)) if head else None
            if error is None and stream.is_unary:
                if stream.partial is not None:
                    body = bytes(stream.partial) + body
                    if len(body) != stream.partial_size:
                        error = RpcError(StatusCode.INTERNAL, "the server broke the protocol: wrong message_bytes")
                if flags & NO_MESSAGE:
                    error = RpcError(StatusCode.INTERNAL, "the server broke the protocol: OK without a message")
            elif flags & (MORE | LAST) or (not flags & NO_MESSAGE and body):
                error = error or RpcError(StatusCode.INTERNAL, f"the server broke the protocol: END with flags {flags}")
            stream.answer = body
            self._answer(stream, error)
        if self.waiting:
            self._admit()
        self._close_if_done()

    # ------------------------------------------------------------------------------------------------------ output

    def _admit(self) -> None:
        """Gives free streams to the calls that wait: ids must leave in their order, so CALL goes out here."""
        while self.waiting and len(self.streams) < self._max_streams and self.is_usable:
            stream = self.waiting.popleft()
            if stream.ended:
                continue
            stream.id = self._next
            self._next += 2
            self.streams[stream.id] = stream
            stream.send_window = self._peer_credit
            size = len(stream.request)
            if len(stream.head) + size <= _ROOM and size <= stream.send_window:
                stream.send_window -= size
                stream.offset = size
                self._out += HEADER.pack(len(stream.head) + size, CALL, LAST, len(stream.head), stream.id)
                self._out += stream.head
                self._out += stream.request
            else:
                stream.head += CallMeta(message_bytes=size).SerializeToString()
                first = min(size, _ROOM - len(stream.head), stream.send_window)
                stream.send_window -= first
                stream.offset = first
                self._out += frame(CALL, MORE, len(stream.head), stream.id, stream.head + stream.request[:first])
                self._sending.append(stream)

    def _fill(self) -> None:
        """Fragments of long requests, in turns, as far as credit goes."""
        for _ in range(len(self._sending)):
            stream = self._sending.popleft()
            while stream.id in self.streams and not stream.ended and stream.send_window > 0:
                left = len(stream.request) - stream.offset
                size = min(left, _ROOM, stream.send_window)
                part = stream.request[stream.offset : stream.offset + size]
                self._out += frame(DATA, LAST if size == left else MORE, 0, stream.id, part)
                stream.offset += size
                stream.send_window -= size
                if size == left:
                    break
            if stream.id in self.streams and not stream.ended and stream.offset < len(stream.request):
                self._sending.append(stream)

    def _grant(self, stream: Stream, count: int) -> None:
        credit = stream.window.owe(count) if count else 0
        if credit:
            self._out += frame(CREDIT, 0, 0, stream.id, credit.to_bytes(4, "big"))

    def _cancel_on_wire(self, stream: Stream, reason: int) -> None:
        if stream.id in self.streams and stream.cancel_due is None:
            stream.cancel_due = reason
            self._out += frame(CANCEL, 0, reason, stream.id)

    def _breach(self, stream: Stream, what: str, code: StatusCode = StatusCode.INTERNAL) -> None:
        """The server broke a rule of one stream: it is cancelled and its frames dropped until END."""
        self._cancel_on_wire(stream, CANCEL_UNSPECIFIED)
        self._answer(stream, RpcError(code, what))

    def _fail(self, violation: Violation) -> None:
        if self.is_closing:
            return
        self._out += frame(GOAWAY, 0, violation.code, 0, bytes(8) + str(violation).encode()[:MAX_REASON])
        self.is_closing = True
        self._answer_all(RpcError(StatusCode.UNAVAILABLE, f"the server broke the protocol: {violation}"))

    def _answer(self, stream: Stream, error: RpcError | None) -> None:
        """Tells the caller, once."""
        if not stream.ended:
            stream.ended = True
            stream.error = error
            stream.partial = None
            self.on_change(stream)

    def _answer_all(self, error: RpcError) -> None:
        unsent = RpcError(error.code, error.message, refused=True)
        while self.waiting:
            self._answer(self.waiting.popleft(), unsent)
        streams, self.streams = self.streams, {}
        for stream in streams.values():
            self._answer(stream, error)

    def _close_if_done(self) -> None:
        if self.going_away is not None and not self.streams:
            self.is_closing = True
