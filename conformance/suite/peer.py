"""A server made of a socket and a script: it says exactly what a test tells it to."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from framedrpc import Credentials
from framedrpc.v1.wire_pb2 import CallMeta, DataMeta, EndMeta, Hello
from framedrpc.wire import (
    CALL, CANCEL, CREDIT, DATA, END, FLOOR_CREDIT, GOAWAY, HEADER, HEADER_SIZE, HELLO, LAST, MORE, NO_MESSAGE, PREFACE, PROTOCOL, REFUSED,
    frame,
)  # fmt: skip


def make_credentials(folder: Path) -> Credentials:
    """An authority, and one certificate for both sides: of 127.0.0.1."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder, timeout=60)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem",
            "-addext", "basicConstraints=critical,CA:TRUE")  # fmt: skip
    openssl(*new, "-subj", "/CN=peer", "-keyout", "client.key", "-out", "peer.csr")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "peer.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-out", "client.pem",
            "-extfile", "extensions")  # fmt: skip
    return Credentials.of_folder(folder)


#: Seconds a script waits for a frame.
PATIENCE = 20.0


class Call:
    """A call as it arrived."""

    def __init__(self, stream: int, meta: CallMeta, body: bytes) -> None:
        self.stream, self.meta, self.body = stream, meta, body


class PeerConnection:
    """One connection of a scripted server."""

    def __init__(self, tls: ssl.SSLSocket) -> None:
        self._tls = tls
        self._in = b""
        #: What the client's HELLO said.
        self.client = Hello()

    def send(self, data: bytes) -> None:
        self._tls.sendall(data)

    def hello(self, **fields: int) -> None:
        """The preface and HELLO, and what the client's were."""
        self.send(PREFACE + frame(HELLO, 0, 0, 0, Hello(**fields).SerializeToString()))
        self.read_hello()

    def read_hello(self) -> None:
        self._read_exactly(len(PREFACE))
        self.client = Hello.FromString(self.frame()[4])

    @property
    def client_window(self) -> int:
        return self.client.initial_credit or FLOOR_CREDIT

    def _read_exactly(self, count: int) -> bytes:
        while len(self._in) < count:
            data = self._tls.recv(65_536)
            if not data:
                raise EOFError
            self._in += data
        data, self._in = self._in[:count], self._in[count:]
        return data

    def frame(self) -> tuple[int, int, int, int, bytes]:
        """type, flags, aux, stream, payload. Raises EOFError."""
        length, kind, flags, aux, stream = HEADER.unpack(self._read_exactly(HEADER_SIZE))
        return kind, flags, aux, stream, self._read_exactly(length)

    def call(self, credit: int | None = None) -> Call:
        """The next call, put together from its fragments; other frames on the way are passed over. `credit`: what the client
        may send; it is granted anew as it comes, and an overdraft is an AssertionError."""
        body, meta, number, left = b"", CallMeta(), 0, credit
        while True:
            kind, flags, aux, stream, payload = self.frame()
            if left is not None and kind in (CALL, DATA):
                left -= len(payload) - aux
                assert left >= 0, f"the client sent {-left} bytes more than it may"
                if not flags & LAST and left < (credit or 0) // 2:
                    left += (grant := (credit or 0) - left)
                    self.send(frame(CREDIT, 0, 0, stream, grant.to_bytes(4, "big")))
            if kind == CALL:
                meta, body, number = CallMeta.FromString(payload[:aux]), payload[aux:], stream
            elif kind == DATA and stream == number:
                body += payload[aux:]
            if number and flags & LAST and kind in (CALL, DATA):
                return Call(number, meta, body)

    def quiet(self, *kinds: int, seconds: float) -> list[int]:
        """Sizes of the bodies of frames of these types that come within so long."""
        found = []
        deadline = time.monotonic() + seconds
        try:
            while (wait := deadline - time.monotonic()) > 0:
                self._tls.settimeout(wait)
                kind, _, aux, _, payload = self.frame()
                if kind in kinds:
                    found.append(len(payload) - aux)
        except TimeoutError:
            pass
        finally:
            self._tls.settimeout(PATIENCE)
        return found

    def rest_of_call(self, seen: int, least: int) -> None:
        """Reads a call to its end, of which so many bytes have come."""
        while True:
            kind, flags, aux, _, payload = self.frame()
            if kind in (CALL, DATA):
                seen += len(payload) - aux
                if flags & LAST:
                    assert seen >= least, f"a request of {seen} bytes"
                    return

    def until(self, *kinds: int) -> tuple[int, int, int, int, bytes]:
        """Reads until each of these types has come, in any order; returns the last frame."""
        missing = set(kinds)
        while True:
            found = self.frame()
            missing.discard(found[0])
            if not missing:
                return found

    def answer(self, call: Call, body: bytes) -> None:
        self.send(frame(END, 0, 0, call.stream, body))

    def end(self, call: Call, code: int = 0, *, refused: bool = False, **fields) -> None:
        head = EndMeta(code=code, **fields).SerializeToString()
        self.send(frame(END, NO_MESSAGE | (REFUSED if refused else 0), len(head), call.stream, head))

    def data(self, call: Call, body: bytes | None, flags: int = 0, **fields) -> None:
        """A message of a stream; None: a bookmark."""
        head = DataMeta(**fields).SerializeToString()
        flags |= NO_MESSAGE if body is None else 0
        self.send(frame(DATA, flags, len(head), call.stream, head + (body or b"")))

    def message(self, call: Call, body: bytes, size: int = 16_000, **fields) -> None:
        """A message of a stream, in fragments where it must be."""
        for at in range(0, max(len(body), 1), size):
            more = MORE if at + size < len(body) else 0
            if at == 0:
                self.data(call, body[:size], more, **({"message_bytes": len(body)} if more else {}), **fields)
            else:
                self.send(frame(DATA, more, 0, call.stream, body[at : at + size]))

    def goaway(self, last_stream: int, code: int = 0, reason: bytes = b"") -> None:
        self.send(frame(GOAWAY, 0, code, 0, last_stream.to_bytes(4, "big") + bytes(4) + reason))

    def paced(self, call: Call, body: bytes, size: int = 16_000) -> None:
        """A unary answer in pieces, within the credit the client gives. A client that cancels gets its END."""
        left = call.meta.initial_credit if call.meta.HasField("initial_credit") else self.client_window
        at, is_first = 0, True
        while True:
            part = min(size, left, len(body) - at)
            while part == 0 and at < len(body):
                kind, _, _, stream, payload = self.frame()
                if stream == call.stream and kind == CREDIT:
                    left += int.from_bytes(payload, "big")
                    part = min(size, left, len(body) - at)
                elif stream == call.stream and kind == CANCEL:
                    return self.end(call, 1)
            head = DataMeta(message_bytes=len(body)).SerializeToString() if is_first else b""
            if at + part == len(body) and not is_first:
                return self.send(frame(END, 0, 0, call.stream, body[at:]))
            self.send(frame(DATA, MORE, len(head), call.stream, head + body[at : at + part]))
            at, left, is_first = at + part, left - part, False

    def credits(self, call: Call, seconds: float) -> list[int]:
        """CREDIT of the call that comes within so long."""
        found = []
        deadline = time.monotonic() + seconds
        try:
            while (wait := deadline - time.monotonic()) > 0:
                self._tls.settimeout(wait)
                kind, _, _, stream, payload = self.frame()
                if (kind, stream) == (CREDIT, call.stream):
                    found.append(int.from_bytes(payload, "big"))
        except TimeoutError:
            pass
        finally:
            self._tls.settimeout(PATIENCE)
        return found

    def fragments(self, call: Call, body: bytes, size: int) -> None:
        """A unary answer in pieces."""
        head = DataMeta(message_bytes=len(body)).SerializeToString()
        parts = [body[at : at + size] for at in range(0, len(body), size)]
        for index, part in enumerate(parts[:-1]):
            meta = head if index == 0 else b""
            self.send(frame(DATA, MORE, len(meta), call.stream, meta + part))
        self.send(frame(END, 0, 0, call.stream, parts[-1]))


Script = Callable[[PeerConnection], None]


class Peer:
    """Serves one script a connection, in order; the last one again for all that come later."""

    def __init__(
        self, credentials: Credentials, *scripts: Script, alpn: str | None = PROTOCOL, buffers: int | None = None
    ) -> None:
        self.connections = 0
        self.errors: list[BaseException] = []
        #: How connections ended that the client left.
        self.ends: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._scripts = scripts
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(str(credentials.certificate), str(credentials.key))
        context.load_verify_locations(str(credentials.authority))
        context.verify_mode = ssl.CERT_REQUIRED
        if alpn:
            context.set_alpn_protocols([alpn])
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        if buffers:
            # Of the connections to come.
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(accepted, script), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, accepted: socket.socket, script: Script) -> None:
        try:
            accepted.settimeout(PATIENCE)
            with self._context.wrap_socket(accepted, server_side=True) as tls:
                script(PeerConnection(tls))
        except (EOFError, OSError) as error:
            self.ends.append(error)
        except BaseException as error:  # noqa: BLE001 # a test looks at it
            self.errors.append(error)

    def join(self) -> None:
        """The client has gone: what the scripts still do is soon done."""
        for thread in self._threads:
            thread.join(PATIENCE)

    def close(self) -> None:
        # A thread that waits in accept would go on: this wakes it.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
