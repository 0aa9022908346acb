"""One blocking connection: a socket, TLS, and the protocol core under one lock.

No thread of its own: of the threads that wait for answers, one reads for all; when its own answer has come it hands the
reading on. A program with one thread thus never switches between threads for a call.
"""

import contextlib
import select
import socket
import ssl
import threading
import time

from .core import ClientCore
from .errors import RpcError, StatusCode
from .stream import Stream
from .tls import Credentials, check_protocol
from .wire import CANCEL_DEADLINE

_READ = 65_536
#: Seconds from a deadline to the CANCEL that tells the server of it.
_CANCEL_DELAY = 1.0


class Connection:
    """Opens a connection. Raises OSError (ssl.SSLError among them) where that fails."""

    def __init__(self, host: str, port: int, credentials: Credentials, timeout: float, max_message: int) -> None:
        deadline = time.monotonic() + timeout
        self._socket = socket.create_connection((host, port), timeout)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = credentials.context().wrap_bio(self._incoming, self._outgoing, server_hostname=host)
            self._handshake(deadline)
            self._socket.setblocking(False)
            # Wakes the thread that reads, for what another wants to send and the socket would not take.
            self._wake, self._woken = socket.socketpair()
        except BaseException:
            self._socket.close()
            raise
        self.lock = threading.Lock()
        self._arrived = threading.Condition(self.lock)
        #: When the last byte came, of time.monotonic().
        self.last_received = time.monotonic()
        self._is_read = False
        self._is_woken = False
        self._unsent = b""
        #: Calls that passed their deadline, and when the server is told.
        self._overdue: list[tuple[float, Stream]] = []
        self.core = ClientCore(max_message=max_message)
        self._poll = select.poll()
        self._events = select.POLLIN
        self._poll.register(self._socket, self._events)
        self._poll.register(self._woken, select.POLLIN)
        with self.lock:
            self._flush()

    def _handshake(self, deadline: float) -> None:
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._send_all(self._outgoing.read())
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                data = self._socket.recv(_READ)
                if not data:
                    raise ConnectionError("the server closed the connection in the TLS handshake") from None
                self._incoming.write(data)
            except ssl.SSLError:
                # The alert that says why still leaves.
                with contextlib.suppress(OSError):
                    self._send_all(self._outgoing.read())
                raise
        self._send_all(self._outgoing.read())
        check_protocol(self._tls.selected_alpn_protocol())

    def _send_all(self, data: bytes) -> None:
        if data:
            self._socket.sendall(data)

    # ------------------------------------------------------------------------------------------------------- calls

    @property
    def is_usable(self) -> bool:
        """Looks at what has arrived first: it may be the server's goodbye."""
        with self.lock:
            if not self._is_read and self._poll.poll(0):
                self._read()
            self._tell_overdue()
            return self.core.is_usable

    def call(self, head: bytes, request: bytes, is_unary: bool, credit: int | None = None) -> Stream:
        with self.lock:
            stream = self.core.call(head, request, is_unary, credit)
            self._flush()
            return stream

    def wait(self, stream: Stream, deadline: float | None) -> bool:
        """Waits until the stream has a message or has ended. False: the deadline passed before."""
        with self.lock:
            while not stream.ended and not stream.inbox:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                if self._is_read:
                    self._arrived.wait(left)
                    continue
                self._is_read = True
                try:
                    self._wait_for_socket(left)
                    self._read()
                finally:
                    self._is_read = False
                    # Whoever got something, and the one who reads next.
                    self._arrived.notify_all()
            return True

    def cancel(self, stream: Stream, reason: int, error: RpcError) -> None:
        with self.lock:
            self.core.cancel(stream, reason, error)
            self._flush()
            self._nudge()

    def leave(self, stream: Stream, error: RpcError) -> None:
        """The stream's deadline has passed: the server knows it, too, and is told only where no END comes."""
        with self.lock:
            self.core.leave(stream, error)
            self._overdue.append((time.monotonic() + _CANCEL_DELAY, stream))

    def taken(self, stream: Stream) -> None:
        """The oldest message of a stream was used: the server may send more."""
        with self.lock:
            self.core.taken(stream, stream.inbox.popleft())
            self._flush()

    def abandon(self, reason: str) -> None:
        """The connection is dead, though nobody was told."""
        with self.lock:
            self._end(reason)

    def close(self) -> None:
        with self.lock:
            self.core.close()
            self._flush()
            self._end("the channel was closed")

    def _tell_overdue(self) -> None:
        if self._overdue and self._overdue[0][0] <= time.monotonic():
            now = time.monotonic()
            for _, stream in [entry for entry in self._overdue if entry[0] <= now]:
                self.core.tell_cancelled(stream, CANCEL_DEADLINE)
            self._overdue = [entry for entry in self._overdue if entry[0] > now]
            self._flush()

    # ------------------------------------------------------------------------------------- the socket, under the lock

    def _wait_for_socket(self, seconds: float | None) -> None:
        """Without the lock, so that others may send meanwhile."""
        events = select.POLLIN | (select.POLLOUT if self._unsent else 0)
        if events != self._events:
            self._events = events
            self._poll.modify(self._socket, events)
        self.lock.release()
        try:
            # Rounded up: rounded down it would spin through the last millisecond.
            self._poll.poll(None if seconds is None else int(seconds * 1000) + 1)
        finally:
            self.lock.acquire()

    def _read(self) -> None:
        """Takes what has arrived, and answers what the protocol answers by itself."""
        if self._is_woken:
            self._is_woken = False
            if self._woken.fileno() >= 0:
                self._woken.recv(64)
        try:
            while True:
                data = self._socket.recv(_READ)
                if not data:
                    return self._end("the server closed the connection")
                self.last_received = time.monotonic()
                self._incoming.write(data)
                self._decrypt()
                if len(data) < _READ:
                    break
        except BlockingIOError:
            pass
        except OSError as error:
            return self._end(f"the connection was lost: {error}")
        self._flush()

    def _decrypt(self) -> None:
        try:
            while data := self._tls.read(_READ):
                self.core.receive(data)
        except ssl.SSLWantReadError:
            return
        except ssl.SSLZeroReturnError:
            pass
        self._end("the server closed the connection")

    def _flush(self) -> None:
        out = self.core.take_output()
        try:
            if out:
                self._tls.write(out)
            data = self._unsent + self._outgoing.read()
            while data:
                data = data[self._socket.send(data) :]
            self._unsent = b""
        except BlockingIOError:
            self._unsent = data
            self._nudge()
        except OSError as error:
            self._end(f"the connection was lost: {error}")
            return
        if self.core.is_closing and not self._unsent:
            self._end(self.core.going_away or "the connection was closed")

    def _nudge(self) -> None:
        """Lets every thread that waits look again: those that wait for the reader, and the reader itself."""
        self._arrived.notify_all()
        if self._is_read and not self._is_woken and self._wake.fileno() >= 0:
            self._is_woken = True
            self._wake.send(b"!")

    def _end(self, reason: str) -> None:
        self.core.lost(reason)
        self._nudge()
        if self._socket.fileno() >= 0:
            with contextlib.suppress(OSError):
                # Closing alone would not wake a thread that polls it.
                self._socket.shutdown(socket.SHUT_RDWR)
            for end in (self._socket, self._wake, self._woken):
                with contextlib.suppress(KeyError, ValueError, OSError):
                    self._poll.unregister(end)
                end.close()


def unreachable(host: str, port: int, error: OSError) -> RpcError:
    """A connection that could not be opened: nothing was sent."""
    return RpcError(StatusCode.UNAVAILABLE, f"{host}:{port}: {error}", refused=True)
