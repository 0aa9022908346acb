"""Unary calls of both channels against a scripted server: messages, errors, deadlines, retries, reconnects."""

import asyncio
import threading
import time

import pytest
from both import Connect
from framedrpc import AsyncChannel, Channel, Credentials, RpcError, StatusCode
from framedrpc.v1.wire_pb2 import CallMeta, Detail
from framedrpc.wire import CANCEL, CREDIT, MORE, PING, frame
from methods import IDEMPOTENT, NAMED, UNARY, name
from suite.peer import PeerConnection


def echo(peer: PeerConnection) -> None:
    peer.hello()
    while True:
        call = peer.call()
        peer.answer(call, call.body)


# ------------------------------------------------------------------------------------------------------------- unary


def test_an_answer(serve, connect: Connect) -> None:
    assert connect(serve(echo)).unary(UNARY, name("a")) == name("a")


def test_what_the_server_is_told(serve, connect: Connect) -> None:
    told: list[CallMeta] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        for _ in range(2):
            call = peer.call()
            told.append(call.meta)
            peer.answer(call, call.body)

    client = connect(serve(script))
    client.unary(UNARY, name("a"), timeout=5, metadata={"x-a": "ü", "x-b": b"\0\xff"}, traceparent="00-1-2-03")
    client.unary(NAMED, name("a"))
    assert told[0].method == "test.Service/Unary"
    assert 4000 < told[0].timeout_ms <= 5000
    assert {header.key: header.value for header in told[0].metadata} == {"x-a": "ü".encode(), "x-b": b"\0\xff"}
    assert (told[0].traceparent, told[0].request_id, told[0].attempt) == ("00-1-2-03", b"", 0)
    assert len(told[1].request_id) == 16


@pytest.mark.parametrize("size", [271_828, 900_000])
def test_large_messages_go_in_fragments_within_credit(serve, connect: Connect, size: int) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        # The client may send 65,536 bytes at first: it needs credit for the rest, and gets it at once.
        peer.send(frame(CREDIT, 0, 0, 1, (2 << 20).to_bytes(4, "big")))
        call = peer.call()
        assert call.meta.message_bytes == len(call.body) > size
        peer.fragments(call, call.body, 10_000)
        assert peer.until(CREDIT)[3] == call.stream
        peer.call()

    text = "x" * size
    assert connect(serve(script)).unary(UNARY, name(text)).dataset_id == text


def test_a_request_waits_for_credit(serve, connect: Connect) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        sent = 0
        while sent < 65_536:
            _, _, aux, stream, payload = peer.frame()
            sent += len(payload) - aux
        assert sent == 65_536
        peer.send(frame(CREDIT, 0, 0, stream, (1 << 20).to_bytes(4, "big")))
        while sent < 100_003:
            _, _, aux, stream, payload = peer.frame()
            sent += len(payload) - aux
        peer.send(frame(4, 0, 0, stream, name("done").SerializeToString()))
        peer.call()

    assert connect(serve(script)).unary(UNARY, name("x" * 99_999)) == name("done")


def test_an_answer_that_is_too_large_is_refused_and_the_connection_lives(serve, connect: Connect) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, bytes(10_000), flags=MORE, message_bytes=2_000_000)
        assert peer.until(CANCEL)[3] == call.stream
        peer.end(call, StatusCode.CANCELLED)
        call = peer.call()
        peer.answer(call, call.body)
        peer.call()

    client = connect(serve(script), max_message=1 << 20)
    with pytest.raises(RpcError) as caught:
        client.unary(UNARY, name("a"))
    assert caught.value.code is StatusCode.RESOURCE_EXHAUSTED
    assert client.unary(UNARY, name("b")) == name("b")


@pytest.mark.parametrize("code", [code for code in StatusCode if code])
def test_every_status(serve, connect: Connect, code: StatusCode) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        detail = Detail(type_url="type.googleapis.com/terrane.v1.DatasetName", value=name("detail").SerializeToString())
        peer.end(peer.call(), code, message="\u2603 says no", details=[detail], retry_after_ms=-1)
        peer.call()

    with pytest.raises(RpcError) as caught:
        connect(serve(script)).unary(UNARY, name("a"))
    assert (caught.value.code, caught.value.message, caught.value.retry_after) == (code, "\u2603 says no", -0.001)
    assert caught.value.detail(type(name(""))) == name("detail")


def test_an_unknown_status_is_no_success(serve, connect: Connect) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.end(peer.call(), 99)
        peer.call()

    with pytest.raises(RpcError) as caught:
        connect(serve(script)).unary(UNARY, name("a"))
    assert caught.value.code is StatusCode.UNKNOWN


def test_an_answer_that_is_not_protobuf(serve, connect: Connect) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.answer(peer.call(), b"\xff\xff")
        peer.call()

    with pytest.raises(RpcError) as caught:
        connect(serve(script)).unary(UNARY, name("a"))
    assert caught.value.code is StatusCode.INTERNAL


def test_a_deadline_and_then_a_cancel(serve, connect: Connect) -> None:
    cancelled = threading.Event()

    def script(peer: PeerConnection) -> None:
        peer.hello()
        first = peer.call()
        second = peer.call()
        peer.answer(second, second.body)
        while True:
            kind, _, reason, stream, _ = peer.frame()
            if kind == CANCEL and stream == first.stream:
                assert reason == 2
                cancelled.set()
            elif kind == 2:
                peer.send(frame(4, 0, 0, stream, b""))

    client = connect(serve(script))
    with pytest.raises(RpcError) as caught:
        client.unary(UNARY, name("slow"), timeout=0.2)
    assert caught.value.code is StatusCode.DEADLINE_EXCEEDED
    assert client.unary(UNARY, name("b")) == name("b")
    # The server knows the deadline, too: it is told a second later, with what is said then.
    ends = time.monotonic() + 10
    while not cancelled.is_set() and time.monotonic() < ends:
        time.sleep(0.3)
        client.unary(UNARY, name("c"))
    assert cancelled.is_set()


def test_a_hundred_at_once_where_the_server_takes_a_hundred(serve, connect: Connect) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello(max_streams=100)
        waiting = []
        for _ in range(150):
            waiting.append(peer.call())
            # More are not sent before these end: answered from the last to the first.
            if len(waiting) == 50:
                for call in reversed(waiting):
                    peer.answer(call, call.body)
                waiting = []
        peer.call()

    requests = [name(str(number)) for number in range(150)]
    assert connect(serve(script)).together(UNARY, requests) == requests


# -------------------------------------------------------------------------------------------------- retry, reconnect


def test_what_was_refused_is_sent_again_at_once(serve, connect: Connect) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.end(peer.call(), StatusCode.UNAVAILABLE, refused=True)
        call = peer.call()
        assert call.meta.attempt == 1
        peer.answer(call, call.body)
        peer.call()

    assert connect(serve(script)).unary(UNARY, name("a")) == name("a")


@pytest.mark.parametrize("method", [IDEMPOTENT, NAMED])
def test_a_lost_connection_and_a_method_that_may_be_repeated(serve, connect: Connect, method) -> None:
    ids: list[bytes] = []

    def lose(peer: PeerConnection) -> None:
        peer.hello()
        ids.append(peer.call().meta.request_id)

    def answer(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        ids.append(call.meta.request_id)
        peer.answer(call, call.body)
        peer.call()

    server = serve(lose, answer)
    assert connect(server).unary(method, name("a")) == name("a")
    assert server.connections == 2
    assert ids[0] == ids[1]


def test_a_lost_connection_and_a_method_that_may_not(serve, connect: Connect) -> None:
    def lose(peer: PeerConnection) -> None:
        peer.hello()
        peer.call()

    server = serve(lose)
    with pytest.raises(RpcError) as caught:
        connect(server).unary(UNARY, name("a"))
    assert (caught.value.code, caught.value.refused) == (StatusCode.UNAVAILABLE, False)
    assert server.connections == 1


def test_retries_end(serve, connect: Connect) -> None:
    calls = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        while True:
            calls.append(peer.call())
            peer.end(calls[-1], StatusCode.UNAVAILABLE, retry_after_ms=10)

    with pytest.raises(RpcError) as caught:
        connect(serve(script)).unary(IDEMPOTENT, name("a"))
    assert (caught.value.code, caught.value.attempts, len(calls)) == (StatusCode.UNAVAILABLE, 4, 4)


def test_the_server_forbids_a_retry(serve, connect: Connect) -> None:
    calls = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        while True:
            calls.append(peer.call())
            peer.end(calls[-1], StatusCode.UNAVAILABLE, retry_after_ms=-1)

    with pytest.raises(RpcError):
        connect(serve(script)).unary(IDEMPOTENT, name("a"))
    assert len(calls) == 1


def test_calls_above_goaway_go_elsewhere(serve, connect: Connect) -> None:
    def leave(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.goaway(call.stream - 1, reason=b"maintenance")
        peer.frame()

    assert connect(serve(leave, echo)).unary(UNARY, name("a")) == name("a")


def test_nobody_listens(serve, connect: Connect) -> None:
    server = serve(echo)
    server.close()
    with pytest.raises(RpcError) as caught:
        connect(server).unary(UNARY, name("a"), timeout=2)
    assert caught.value.code is StatusCode.UNAVAILABLE
    assert str(server.port) in caught.value.message


@pytest.mark.parametrize("alpn", [None, "h2"])
def test_another_protocol(serve, connect: Connect, alpn: str | None) -> None:
    with pytest.raises(RpcError) as caught:
        connect(serve(echo, alpn=alpn)).unary(UNARY, name("a"), timeout=2)
    assert caught.value.code is StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "bytes_of_the_server",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00RPC/1\r\n" + frame(4, 0, 0, 1), b"\x00RPC/1\r\n" + b"\xff" * 12],
    ids=["http", "no hello", "length"],
)
def test_a_peer_that_breaks_the_protocol(serve, connect: Connect, bytes_of_the_server: bytes) -> None:
    def script(peer: PeerConnection) -> None:
        peer.send(bytes_of_the_server)
        while True:
            peer.frame()

    with pytest.raises(RpcError) as caught:
        connect(serve(script)).unary(UNARY, name("a"), timeout=3)
    assert caught.value.code in (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED)


def test_frames_of_later_versions_are_passed_over(serve, connect: Connect) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.send(frame(0x7A, 0x80, 7, 0x7FFF_FFFF, b"grease"))
        peer.answer(call, call.body)
        peer.call()

    assert connect(serve(script)).unary(UNARY, name("a")) == name("a")


def test_pings_are_answered_by_whoever_reads(serve, credentials: Credentials) -> None:
    answered = threading.Event()

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.send(frame(PING, 0, 0, 0, b"12345678"))
        assert peer.until(PING)[1:] == (1, 0, 0, b"12345678")
        answered.set()
        peer.answer(call, call.body)
        peer.call()

    with Channel("127.0.0.1", serve(script).port, credentials) as channel:
        assert channel.unary(UNARY, name("a")) == name("a")
    assert answered.is_set()


def test_cancelling_a_task_cancels_its_call(serve, credentials: Credentials) -> None:
    cancelled = threading.Event()

    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.call()
        assert peer.until(CANCEL)[2] == 1
        cancelled.set()

    async def main() -> None:
        async with AsyncChannel("127.0.0.1", serve(script).port, credentials) as channel:
            task = asyncio.create_task(channel.unary(UNARY, name("a")))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(cancelled.wait, 10)

    asyncio.run(main())


def test_closing_a_channel_wakes_every_thread_that_waits(serve, credentials: Credentials) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        while True:
            peer.frame()

    channel = Channel("127.0.0.1", serve(script).port, credentials)
    codes: list[StatusCode] = []

    def wait() -> None:
        try:
            channel.unary(UNARY, name("never"))
        except RpcError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    channel.close()
    for thread in threads:
        thread.join(10)
    assert codes == [StatusCode.CANCELLED] * 5
    with pytest.raises(RpcError, match="closed"):
        channel.unary(UNARY, name("late"))
