"""The asyncio client: a channel to one server, for the tasks of one event loop."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Any, Generic

from google.protobuf.message import DecodeError

from .calls import Heads, Metadata, deadline_exceeded, deadline_of, undecodable
from .connection import unreachable
from .core import ClientCore
from .errors import RpcError, StatusCode
from .follow import Event, Follower, Value, follower
from .method import Method, Request, Response
from .policy import DEFAULT_SILENCE, GOOD_LIFE, SILENCES, Backoff, Retry, RetryBudget, may_resume
from .stream import Stream as CoreStream
from .tls import Credentials, check_protocol
from .v1.wire_pb2 import ResumePoint
from .wire import CANCEL_CALLER, CANCEL_DEADLINE

_CANCEL_DELAY = 1.0


class _Connection(asyncio.Protocol):
    """The core between asyncio's TLS transport and futures: a stream's attachment is the future of whoever waits for it."""

    def __init__(self, max_message: int) -> None:
        self.core = ClientCore(max_message=max_message, answers_pings=True, on_change=self._changed)
        #: When the last byte came, of time.monotonic().
        self.last_received = time.monotonic()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def start(self) -> None:
        """Raises ConnectionError where the server speaks something else."""
        assert self._transport is not None
        check_protocol(self._transport.get_extra_info("ssl_object").selected_alpn_protocol())
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.last_received = time.monotonic()
        self.core.receive(data)
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.core.lost(f"the connection was lost: {error}" if error else "the server closed the connection")

    def flush(self) -> None:
        out = self.core.take_output()
        if self._transport is not None:
            if out:
                self._transport.write(out)
            if self.core.is_closing:
                self._transport.close()

    @staticmethod
    def _changed(stream: CoreStream) -> None:
        future: asyncio.Future[None] | None = stream.attachment
        if future is not None and not future.done():
            future.set_result(None)

    def call(self, head: bytes, request: bytes, is_unary: bool) -> CoreStream:
        stream = self.core.call(head, request, is_unary)
        self.flush()
        return stream

    async def wait(self, stream: CoreStream, deadline: float | None) -> bool:
        """Waits until the stream has a message or has ended. False: the deadline passed before."""
        while not stream.ended and not stream.inbox:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            stream.attachment = asyncio.get_running_loop().create_future()
            timer = None
            if left is not None:
                timer = asyncio.get_running_loop().call_later(left, self._changed, stream)
            try:
                await stream.attachment
            finally:
                stream.attachment = None
                if timer is not None:
                    timer.cancel()
        return True

    def cancel(self, stream: CoreStream, reason: int, error: RpcError) -> None:
        self.core.cancel(stream, reason, error)
        self.flush()

    def leave(self, stream: CoreStream, error: RpcError) -> None:
        """The stream's deadline has passed: the server knows it, too, and is told only where no END comes."""
        self.core.leave(stream, error)

        def tell() -> None:
            self.core.tell_cancelled(stream, CANCEL_DEADLINE)
            self.flush()

        asyncio.get_running_loop().call_later(_CANCEL_DELAY, tell)

    def taken(self, stream: CoreStream) -> None:
        self.core.taken(stream, stream.inbox.popleft())
        self.flush()

    def abandon(self, reason: str) -> None:
        """The connection is dead, though nobody was told."""
        self.core.lost(reason)
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        self.core.close()
        self.flush()
        # One turn of the loop, in which the goodbye leaves.
        await asyncio.sleep(0)


class AsyncChannel:
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
        self._lock = asyncio.Lock()
        self._connection: _Connection | None = None
        self._is_closed = False

    async def unary(
        self, method: Method[Request, Response], request: Request, *, timeout: float | None = None, metadata: Metadata | None = None,
        request_id: bytes | None = None, traceparent: str | None = None,
    ) -> Response:  # fmt: skip
        """Calls a method with one answer. Cancelling the task cancels the call.

        `timeout`: seconds for all attempts; else the method's own. `request_id`: 16 bytes that name the request, for one that
        another process may repeat. Raises RpcError.
        """
        deadline = deadline_of(method, timeout)
        heads = Heads(method, metadata, request_id, traceparent, self._credentials)
        body = request.SerializeToString()
        retry = Retry(method, self._budget)
        while True:
            try:
                answer = await self._attempt(method, heads.head(retry.attempts, deadline), body, deadline, retry)
            except RpcError as error:
                wait = retry.after(error)
                if wait is None or (deadline is not None and time.monotonic() + wait >= deadline):
                    raise
                await asyncio.sleep(wait)
            else:
                self._budget.succeeded()
                try:
                    return method.response.FromString(answer)
                except DecodeError as error:
                    raise undecodable(method, error) from None

    async def _attempt(self, method: Method[Request, Response], head: bytes, body: bytes, deadline: float | None, retry: Retry) -> bytes:
        connection = await self.connection()
        retry.attempts += 1
        stream = connection.call(head, body, is_unary=True)
        try:
            in_time = await connection.wait(stream, deadline)
        except BaseException:
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
    ) -> "AsyncEventStream[Value]":  # fmt: skip
        """Calls a method that answers with a stream. `timeout`: seconds for the whole stream, breaks included.
        `after`: a place of an earlier stream, to go on from it."""
        heads = Heads(method, metadata, None, traceparent, self._credentials)
        return AsyncEventStream(self, method, heads, request.SerializeToString(), timeout, after)

    async def connection(self) -> _Connection:
        """A connection that takes calls. Raises RpcError (refused) where there is none to be had."""
        if self._connection is not None and self._connection.core.is_usable:
            return self._connection
        async with self._lock:
            if self._is_closed:
                raise RpcError(StatusCode.CANCELLED, "the channel is closed")
            if self._connection is not None and self._connection.core.is_usable:
                return self._connection
            try:
                opening = asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self._max_message), self.host, self.port, ssl=self._credentials.context(),
                    server_hostname=self.host,
                )  # fmt: skip
                _, connection = await asyncio.wait_for(opening, self._connect_timeout)
                connection.start()
            except TimeoutError:
                late = TimeoutError(f"no connection within {self._connect_timeout:g} s")
                raise unreachable(self.host, self.port, late) from None
            except OSError as error:
                raise unreachable(self.host, self.port, error) from error
            self._connection = connection
            return connection

    async def close(self) -> None:
        """Cancels what is under way and closes the connection."""
        self._is_closed = True
        if self._connection is not None:
            await self._connection.close()

    async def __aenter__(self) -> "AsyncChannel":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


class AsyncEventStream(Generic[Value]):
    """What a stream says, as it comes: `async for` over it. Survives the loss of its connection and a restart of the
    server; leaving the loop, cancelling the task, `aclose` or `async with` ends it.

    A consumer that is slower than the changes skips values of a key (LATEST), never its newest, makes the server wait (BLOCK), or
    loses the stream (QUEUE). Without places to resume from, a QUEUE or BLOCK stream that breaks is not opened again.
    """

    def __init__(
        self, channel: AsyncChannel, method: Method[Any, Value], heads: Heads, body: bytes, timeout: float | None, after: ResumePoint | None
    ) -> None:
        self._channel, self._method, self._heads, self._body = channel, method, heads, body
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._follower: Follower[Value] = follower(method, after)
        self._backoff = Backoff()
        self._silence = DEFAULT_SILENCE
        self._began = 0.0
        self._attempts = self._failures = 0
        self._answered = self._token_failed = False
        self._running: AsyncGenerator[Event[Value], None] | None = None

    @property
    def place(self) -> ResumePoint | None:
        """From where a later stream goes on without a gap."""
        return self._follower.place

    def __aiter__(self) -> AsyncIterator[Event[Value]]:
        self._running = self._loop()
        return self._running

    async def _loop(self) -> AsyncGenerator[Event[Value], None]:
        while True:
            try:
                async with contextlib.aclosing(self._events()) as events:
                    async for event in events:
                        yield event
                return
            except RpcError as error:
                await self._pause(error)

    async def _events(self) -> AsyncGenerator[Event[Value], None]:
        """Of one connection. Raises what ended it."""
        connection = await self._channel.connection()
        head = self._heads.head(self._attempts, self._deadline, self._follower.place)
        self._attempts += 1
        self._follower.begins()
        self._began = time.monotonic()
        self._silence = DEFAULT_SILENCE
        stream = connection.call(head, self._body, is_unary=False)
        try:
            while True:
                if not await connection.wait(stream, self._until()):
                    if self._deadline is not None and time.monotonic() >= self._deadline:
                        raise deadline_exceeded(self._method)
                    if time.monotonic() - connection.last_received >= SILENCES * self._silence:
                        # Not the stream alone: nothing came at all, and the next attempt needs another connection.
                        connection.abandon("the connection went silent")
                    raise RpcError(StatusCode.UNAVAILABLE, "the stream went silent")
                if stream.inbox:
                    message = stream.inbox[0]
                    self._answered, self._token_failed = True, False
                    if message.meta.HasField("silence_ms"):
                        self._silence = message.meta.silence_ms / 1000
                    try:
                        events = self._follower.take(message)
                    except DecodeError as error:
                        raise undecodable(self._method, error) from None
                    for event in events:
                        yield event
                    # Only now: what has not been used counts against the stream's credit.
                    connection.taken(stream)
                else:
                    self._follower.ended(stream.error)
                    if stream.error is not None:
                        raise stream.error
                    return
        finally:
            connection.cancel(stream, CANCEL_CALLER, RpcError(StatusCode.CANCELLED, "the stream was closed"))

    def _until(self) -> float:
        silent = time.monotonic() + SILENCES * self._silence
        return silent if self._deadline is None else min(silent, self._deadline)

    async def _pause(self, error: RpcError) -> None:
        """Waits for the next attempt, or raises the error where there is none."""
        error.attempts = self._attempts
        self._failures += 1
        if error.code is StatusCode.UNAUTHENTICATED and error.resume_seq is not None and self._answered and not self._token_failed:
            # What let the call in has run out: once with what there is now.
            self._token_failed = True
            return
        if not self._follower.may_go_on or not may_resume(error, self._answered, self._failures):
            raise error
        if time.monotonic() - self._began > GOOD_LIFE:
            self._backoff.reset()
        wait = self._backoff.next() if error.retry_after is None else error.retry_after
        if self._deadline is not None and time.monotonic() + wait >= self._deadline:
            raise deadline_exceeded(self._method) from error
        await asyncio.sleep(wait)

    async def aclose(self) -> None:
        """Ends the stream."""
        if self._running is not None:
            await self._running.aclose()
            self._running = None

    async def __aenter__(self) -> "AsyncEventStream[Value]":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()
