"""The blocking client: a channel to one server, for any number of threads."""

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Generic

from google.protobuf.message import DecodeError

from .calls import Heads, Metadata, deadline_exceeded, deadline_of, undecodable
from .connection import Connection, unreachable
from .errors import RpcError, StatusCode
from .follow import Event, Follower, Value, follower
from .method import Method, Request, Response
from .policy import DEFAULT_SILENCE, GOOD_LIFE, SILENCES, Backoff, Retry, RetryBudget, may_resume
from .stream import Stream as CoreStream
from .tls import Credentials
from .v1.wire_pb2 import ResumePoint
from .wire import CANCEL_CALLER


class Channel:
    """Calls methods of one server. Connects when first needed, and again when the connection is lost.

    `connect_timeout`: seconds to open a connection, TLS included. `max_message`: bytes of the largest answer accepted.
    """

    def __init__(
        self, host: str, port: int, credentials: Credentials, *, connect_timeout: float = 10.0, max_message: int = 4 << 20
    ) -> None:
        self.host, self.port = host, port
        self._credentials = credentials
        self._connect_timeout = connect_timeout
        self._max_message = max_message
        self._budget = RetryBudget()
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._is_closed = False

    def unary(
        self, method: Method[Request, Response], request: Request, *, timeout: float | None = None, metadata: Metadata | None = None,
        request_id: bytes | None = None, traceparent: str | None = None,
    ) -> Response:  # fmt: skip
        """Calls a method with one answer.

        `timeout`: seconds for all attempts; else the method's own. `request_id`: 16 bytes that name the request, for one that
        another process may repeat. Raises RpcError.
        """
        deadline = deadline_of(method, timeout)
        heads = Heads(method, metadata, request_id, traceparent, self._credentials)
        body = request.SerializeToString()
        retry = Retry(method, self._budget)
        while True:
            try:
                answer = self._attempt(method, heads.head(retry.attempts, deadline), body, deadline, retry)
            except RpcError as error:
                wait = retry.after(error)
                if wait is None or (deadline is not None and time.monotonic() + wait >= deadline):
                    raise
                time.sleep(wait)
            else:
                self._budget.succeeded()
                try:
                    return method.response.FromString(answer)
                except DecodeError as error:
                    raise undecodable(method, error) from None

    def _attempt(self, method: Method[Request, Response], head: bytes, body: bytes, deadline: float | None, retry: Retry) -> bytes:
        connection = self.connection()
        retry.attempts += 1
        stream = connection.call(head, body, is_unary=True)
        try:
            in_time = connection.wait(stream, deadline)
        except BaseException:
            # Ctrl-C: the server need not go on for nobody.
            connection.cancel(stream, CANCEL_CALLER, RpcError(StatusCode.CANCELLED, "cancelled"))
            raise
        if not in_time:
            connection.leave(stream, error := deadline_exceeded(method))
            raise error
        if stream.error is not None:
            raise stream.error
        return stream.answer or b""

    def stream(
        self, method: Method[Request, Value], request: Request, *, timeout: float | None = None, metadata: Metadata | None = None,
        after: ResumePoint | None = None, traceparent: str | None = None,
    ) -> "EventStream[Value]":  # fmt: skip
        """Calls a method that answers with a stream. `timeout`: seconds for the whole stream, breaks included.
        `after`: a place of an earlier stream, to go on from it."""
        heads = Heads(method, metadata, None, traceparent, self._credentials)
        return EventStream(self, method, heads, request.SerializeToString(), timeout, after)

    def connection(self) -> Connection:
        """A connection that takes calls. Raises RpcError (refused) where there is none to be had."""
        with self._lock:
            if self._is_closed:
                raise RpcError(StatusCode.CANCELLED, "the channel is closed")
            if self._connection is not None and self._connection.is_usable:
                return self._connection
            try:
                self._connection = Connection(
                    self.host, self.port, self._credentials, self._connect_timeout, self._max_message
                )  # fmt: skip
            except OSError as error:
                raise unreachable(self.host, self.port, error) from error
            return self._connection

    def close(self) -> None:
        """Cancels what is under way and closes the connection."""
        with self._lock:
            self._is_closed = True
            if self._connection is not None:
                self._connection.close()

    def __enter__(self) -> "Channel":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class EventStream(Generic[Value]):
    """What a stream says, as it comes: iterate over it. Survives the loss of its connection and a restart of the server;
    leaving the loop, `close` or `with` ends it.

    A consumer that is slower than the changes skips values of a key (LATEST), never its newest, makes the server wait (BLOCK), or
    loses the stream (QUEUE). Without places to resume from, a QUEUE or BLOCK stream that breaks is not opened again.
    """

    def __init__(
        self, channel: Channel, method: Method[Any, Value], heads: Heads, body: bytes, timeout: float | None, after: ResumePoint | None
    ) -> None:
        self._channel, self._method, self._heads, self._body = channel, method, heads, body
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._follower: Follower[Value] = follower(method, after)
        self._backoff = Backoff()
        self._began = 0.0
        self._open: tuple[Connection, CoreStream] | None = None
        self._silence = DEFAULT_SILENCE
        self._attempts = self._failures = 0
        self._answered = self._token_failed = False
        self._is_closed = False

    @property
    def place(self) -> ResumePoint | None:
        """From where a later stream goes on without a gap."""
        return self._follower.place

    def __iter__(self) -> Iterator[Event[Value]]:
        try:
            while True:
                try:
                    yield from self._events()
                    return
                except RpcError as error:
                    self._pause(error)
        finally:
            self.close()

    def _events(self) -> Iterator[Event[Value]]:
        """Of one connection. Raises what ended it."""
        connection = self._channel.connection()
        head = self._heads.head(self._attempts, self._deadline, self._follower.place)
        self._attempts += 1
        self._follower.begins()
        self._began = time.monotonic()
        self._silence = DEFAULT_SILENCE
        stream = connection.call(head, self._body, is_unary=False)
        self._open = (connection, stream)
        while True:
            if not connection.wait(stream, self._until()):
                return self._gone_silent(connection, stream)
            if stream.inbox:
                message = stream.inbox[0]
                self._answered, self._token_failed = True, False
                if message.meta.HasField("silence_ms"):
                    self._silence = message.meta.silence_ms / 1000
                try:
                    events = self._follower.take(message)
                except DecodeError as error:
                    raise undecodable(self._method, error) from None
                yield from events
                # Only now: what has not been used counts against the stream's credit.
                if stream.inbox:
                    connection.taken(stream)
            elif stream.ended:
                self._open = None
                self._follower.ended(stream.error)
                if stream.error is not None:
                    raise stream.error
                return

    def _until(self) -> float:
        silent = time.monotonic() + SILENCES * self._silence
        return silent if self._deadline is None else min(silent, self._deadline)

    def _gone_silent(self, connection: Connection, stream: CoreStream) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            error = deadline_exceeded(self._method)
        else:
            error = RpcError(StatusCode.UNAVAILABLE, "the stream went silent")
            if time.monotonic() - connection.last_received >= SILENCES * self._silence:
                # Not the stream alone: nothing came at all, and the next attempt needs another connection.
                connection.abandon(error.message)
        connection.cancel(stream, CANCEL_CALLER, error)
        raise error

    def _pause(self, error: RpcError) -> None:
        """Waits for the next attempt, or raises the error where there is none."""
        error.attempts = self._attempts
        self._failures += 1
        if error.code is StatusCode.UNAUTHENTICATED and error.resume_seq is not None and self._answered and not self._token_failed:
            # What let the call in has run out: once with what there is now.
            self._token_failed = True
            return
        if self._is_closed or not self._follower.may_go_on or not may_resume(error, self._answered, self._failures):
            raise error
        if time.monotonic() - self._began > GOOD_LIFE:
            self._backoff.reset()
        wait = self._backoff.next() if error.retry_after is None else error.retry_after
        if self._deadline is not None and time.monotonic() + wait >= self._deadline:
            raise deadline_exceeded(self._method) from error
        time.sleep(wait)

    def close(self) -> None:
        """Ends the stream; a loop over it in another thread ends with CANCELLED."""
        self._is_closed = True
        if self._open is not None:
            connection, stream = self._open
            self._open = None
            connection.cancel(stream, CANCEL_CALLER, RpcError(StatusCode.CANCELLED, "the stream was closed"))

    def __enter__(self) -> "EventStream[Value]":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
