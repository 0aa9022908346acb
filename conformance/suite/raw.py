"""A client made of a socket: it says exactly what a case tells it to, and keeps every frame it is sent."""

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from conformance.v1.conformance_pb2 import Instruction, Report
from framedrpc.v1.wire_pb2 import CallMeta, DataMeta, EndMeta, Hello
from framedrpc.wire import (
    CALL, CANCEL, CREDIT, DATA, END, GOAWAY, HEADER, HEADER_SIZE, HELLO, LAST, MORE, NO_MESSAGE, PING, PREFACE, PROTOCOL, REFUSED, frame,
)  # fmt: skip

from .credentials import Authority, Identity

SERVICE = "conformance.v1.ConformanceService/"
SECONDS = 20.0


@dataclass(frozen=True)
class Frame:
    kind: int
    flags: int
    aux: int
    stream: int
    payload: bytes

    @property
    def head(self) -> bytes:
        return self.payload[: self.aux] if self.kind in (DATA, END) else b""

    @property
    def body(self) -> bytes:
        return self.payload[self.aux :] if self.kind in (DATA, END) else self.payload

    @property
    def data(self) -> DataMeta:
        return DataMeta.FromString(self.head)

    @property
    def end(self) -> EndMeta:
        return EndMeta.FromString(self.head)

    @property
    def refused(self) -> bool:
        return bool(self.flags & REFUSED)

    @property
    def reasons(self) -> list[str]:
        """Of each ErrorInfo: its first field, a string."""
        details = [detail.value for detail in self.end.details if detail.type_url.endswith("google.rpc.ErrorInfo")]
        return [value[2 : 2 + value[1]].decode() for value in details if value[:1] == b"\x0a"]


class Raw:
    """One connection. `buffers`: bytes of the socket's own buffers; small ones make a peer that stands still felt."""

    def __init__(
        self, port: int, authority: Authority, *, identity: Identity | None = None, anonymous: bool = False, alpn: str | None = PROTOCOL,
        hello: Hello | None = None, greet: bool = True, buffers: int | None = None,
    ) -> None:  # fmt: skip
        context = ssl.create_default_context(cafile=str(authority.certificate))
        if not anonymous:
            identity = identity or authority.peer
            context.load_cert_chain(identity.certificate, identity.key)
        if alpn:
            context.set_alpn_protocols([alpn])
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")
        self.socket = socket.socket()
        if buffers:
            for name in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                self.socket.setsockopt(socket.SOL_SOCKET, name, buffers)
        self.socket.settimeout(SECONDS)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self._unsent = b""
        self._plain = bytearray()
        self._saw_preface = False
        self.is_closed = False
        #: Frames that no `wait` has taken.
        self.frames: list[Frame] = []
        self._handshake()
        if greet:
            self.send(PREFACE + frame(HELLO, 0, 0, 0, (hello or Hello()).SerializeToString()))

    # ------------------------------------------------------------------------------------------------- the socket

    def _handshake(self) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._step(deadline, decrypt=False)
                assert not self.is_closed, "the server closed the connection in the TLS handshake"
        self._step(time.monotonic(), decrypt=True)

    def _step(self, deadline: float, decrypt: bool = True) -> bool:
        """Sends and reads what can be; waits for either until the deadline. False: neither could be."""
        self._unsent += self._out.read()
        left = max(0.0, deadline - time.monotonic())
        readable, writable, _ = select.select([self.socket], [self.socket] if self._unsent else [], [], left)
        try:
            if writable:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
            if readable:
                data = self.socket.recv(65_536)
                if not data:
                    self.is_closed = True
                self._in.write(data)
        except BlockingIOError:
            return True
        except OSError:
            self.is_closed = True
        if decrypt:
            self._decrypt()
        return bool(readable or writable)

    def _decrypt(self) -> None:
        try:
            while data := self._tls.read(65_536):
                self._plain += data
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.is_closed = True
        self._parse()

    def _parse(self) -> None:
        at = 0
        if not self._saw_preface and len(self._plain) >= len(PREFACE):
            assert self._plain.startswith(PREFACE), "the server's first bytes are not the preface"
            self._saw_preface = True
            at = len(PREFACE)
        while self._saw_preface and len(self._plain) - at >= HEADER_SIZE:
            length, kind, flags, aux, stream = HEADER.unpack_from(self._plain, at)
            if len(self._plain) - at < HEADER_SIZE + length:
                break
            self.frames.append(Frame(kind, flags, aux, stream, bytes(self._plain[at + HEADER_SIZE : at + HEADER_SIZE + length])))
            at += HEADER_SIZE + length
        del self._plain[:at]

    def queue(self, data: bytes) -> None:
        """To be sent with the next `send` or `wait`."""
        self._tls.write(data)

    def send(self, data: bytes = b"") -> None:
        """Sends it all, reading meanwhile."""
        if data:
            self._tls.write(data)
        deadline = time.monotonic() + SECONDS
        self._unsent += self._out.read()
        while self._unsent and not self.is_closed:
            assert time.monotonic() < deadline, "the server reads nothing"
            self._step(deadline)

    def send_plain(self, data: bytes) -> None:
        """Past TLS."""
        self.socket.setblocking(True)
        self.socket.sendall(data)
        self.socket.setblocking(False)

    def settle(self, seconds: float) -> None:
        """Reads for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.is_closed:
            self._step(deadline)

    def wait(self, match: Callable[[Frame], bool], seconds: float = SECONDS) -> Frame:
        """Takes the first frame that matches."""
        deadline = time.monotonic() + seconds
        seen = 0
        while True:
            for index in range(seen, len(self.frames)):
                if match(self.frames[index]):
                    return self.frames.pop(index)
            seen = len(self.frames)
            assert not self.is_closed, f"the server closed the connection; before: {self.frames[-3:]}"
            assert time.monotonic() < deadline, f"nothing of the kind within {seconds:g} s; there was {self.frames[-3:]}"
            self._step(deadline)

    def wait_closed(self, seconds: float = SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not self.is_closed:
            assert time.monotonic() < deadline, f"the connection is still open after {seconds:g} s"
            self._step(deadline)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()
        self.is_closed = True

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --------------------------------------------------------------------------------------------------- frames

    def call(self, stream: int, method: str, request: bytes = b"", flags: int = LAST, *, later: bool = False, **meta: object) -> None:
        """A CALL, in fragments where it must be; `later`: with the next send."""
        if len(request) > 16_000 and flags == LAST:
            self.send(b"".join(self.fragments(stream, method, request, 16_000, **meta)))
            return
        name = method if "/" in method else SERVICE + method
        head = CallMeta(method=name, **meta).SerializeToString()  # type: ignore[arg-type]
        (self.queue if later else self.send)(frame(CALL, flags, len(head), stream, head + request))

    def fragments(self, stream: int, method: str, request: bytes, size: int, **meta: object) -> list[bytes]:
        """Sends the CALL with the first fragment; returns the frames to follow."""
        parts = [request[at : at + size] for at in range(0, len(request), size)]
        self.call(stream, method, parts[0], MORE, message_bytes=len(request), **meta)
        last = len(parts) - 1
        return [frame(DATA, LAST if index == last else MORE, 0, stream, part) for index, part in enumerate(parts) if index]

    def credit(self, stream: int, count: int) -> None:
        self.send(frame(CREDIT, 0, 0, stream, count.to_bytes(4, "big")))

    def cancel(self, stream: int, reason: int = 1) -> None:
        self.send(frame(CANCEL, 0, reason, stream))

    def ping(self, opaque: bytes = b"12345678", flags: int = 0) -> None:
        self.send(frame(PING, flags, 0, 0, opaque))

    def end(self, stream: int, seconds: float = SECONDS) -> Frame:
        return self.wait(lambda found: found.kind == END and found.stream == stream, seconds)

    def data(self, stream: int, seconds: float = SECONDS) -> Frame:
        """The next message or fragment; bookmarks are passed over."""
        return self.wait(lambda found: found.kind == DATA and found.stream == stream and not found.flags & NO_MESSAGE, seconds)

    def bookmark(self, stream: int, seconds: float = SECONDS) -> Frame:
        return self.wait(lambda found: found.kind == DATA and found.stream == stream and bool(found.flags & NO_MESSAGE), seconds)

    def goaway(self, code: int, seconds: float = SECONDS) -> Frame:
        """GOAWAY with this code, and the end of the connection."""
        found = self.wait(lambda found: found.kind == GOAWAY, seconds)
        assert found.aux == code, f"GOAWAY({found.aux}), not {code}: {found.payload[8:].decode(errors='replace')}"
        return found

    def message(self, stream: int, *, grant: bool = True, seconds: float = SECONDS) -> tuple[bytes, Frame]:
        """A whole message of DATA or END, and its first frame."""
        is_part = lambda found: found.stream == stream and found.kind in (DATA, END) and not found.flags & NO_MESSAGE  # noqa: E731
        first = part = self.wait(is_part, seconds)
        body = part.body
        while part.flags & MORE:
            if grant:
                self.credit(stream, max(1, len(part.body)))
            part = self.wait(is_part, seconds)
            body += part.body
        return body, first

    def ok(self, stream: int, seconds: float = SECONDS) -> Report:
        """A unary answer that must be OK."""
        found = self.wait(lambda found: found.stream == stream and found.kind in (DATA, END), seconds)
        if found.kind == DATA:
            self.frames.insert(0, found)
            return Report.FromString(self.message(stream, seconds=seconds)[0])
        assert found.end.code == 0, f"END({found.end.code}): {found.end.message}"
        return Report.FromString(found.body)

    def fails(self, stream: int, code: int, *, refused: bool | None = None, seconds: float = SECONDS) -> Frame:
        found = self.end(stream, seconds)
        assert found.end.code == code, f"END({found.end.code}), not {code}: {found.end.message}"
        assert refused is None or found.refused == refused, f"refused is {found.refused}"
        assert found.flags & NO_MESSAGE, "END with an error carries a message"
        return found

    def lives(self, stream: int) -> None:
        """A call is still answered."""
        self.call(stream, "Unary", instruct(payload=b"still"))
        assert self.ok(stream).payload == b"still"


def instruct(**fields: object) -> bytes:
    return Instruction(**fields).SerializeToString()  # type: ignore[arg-type]


def pattern(count: int) -> bytes:
    """What the service sends: byte i is i mod 251."""
    return (bytes(range(251)) * (count // 251 + 1))[:count]


