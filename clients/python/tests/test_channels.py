"""Both channels against a scripted server. Every test runs twice: blocking, and under asyncio."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from framedrpc import AsyncChannel, Channel, Credentials, Event, RpcError, StatusCode
from framedrpc.v1.wire_pb2 import CallMeta, Detail
from framedrpc.wire import CANCEL, CREDIT, MORE, PING, frame
from methods import IDEMPOTENT, NAMED, UNARY, WATCH, name, status
from peer import Peer, PeerConnection


class Blocking:
    """The blocking channel, as the tests use both."""

    def __init__(self, peer: Peer, credentials: Credentials, **more: float) -> None:
        self.channel = Channel("127.0.0.1", peer.port, credentials, **more)

    def unary(self, method, request, **more):
        return self.channel.unary(method, request, **more)

    def together(self, method, requests):
        answers = [None] * len(requests)

        def call(index: int) -> None:
            answers[index] = self.channel.unary(method, requests[index])

        threads = [threading.Thread(target=call, args=(index,)) for index in range(len(requests))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return answers

    def watch(self, count: int | None = None, **more) -> list[Event]:
        events: list[Event] = []
        for event in self.channel.latest(WATCH, name("w"), **more):
            events.append(event)
            if len(events) == count:
                break
        return events

    def close(self) -> None:
        self.channel.close()


class Asyncio:
    """The asyncio channel on a loop of its own."""

    def __init__(self, peer: Peer, credentials: Credentials, **more: float) -> None:
        self.loop = asyncio.new_event_loop()
        self.channel = AsyncChannel("127.0.0.1", peer.port, credentials, **more)

    def unary(self, method, request, **more):
        return self.loop.run_until_complete(self.channel.unary(method, request, **more))

    def together(self, method, requests):
        async def all_of_them():
            return await asyncio.gather(*[self.channel.unary(method, request) for request in requests])

        return self.loop.run_until_complete(all_of_them())

    def watch(self, count: int | None = None, **more) -> list[Event]:
        async def collect() -> list[Event]:
            events: list[Event] = []
            async with self.channel.latest(WATCH, name("w"), **more) as stream:
                async for event in stream:
                    events.append(event)
                    if len(events) == count:
                        break
            return events

        return self.loop.run_until_complete(collect())

    def close(self) -> None:
        self.loop.run_until_complete(self.channel.close())
        self.loop.close()


Connect = Callable[..., Blocking | Asyncio]


@pytest.fixture(params=[Blocking, Asyncio], ids=["blocking", "asyncio"])
def connect(request: pytest.FixtureRequest, credentials: Credentials) -> Iterator[Connect]:
    made = []

    def start(peer: Peer, **more: float) -> Blocking | Asyncio:
        made.append(request.param(peer, credentials, **more))
        return made[-1]

    yield start
    for client in made:
        client.close()


def echo(peer: PeerConnection) -> None:
    peer.hello()
    while True:
        call = peer.call()
        peer.answer(call, call.body)


def values(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.key, event.message.generation if event.message else -1) for event in events]


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


# ------------------------------------------------------------------------------------------------------------- watch


def test_values_in_order_and_an_end(serve, connect: Connect) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, status("k", 1), seq=5, epoch=9, silence_ms=15_000)
        peer.data(call, status("k", 2), flags=0x10, seq=7)
        peer.data(call, None, safe_seq=8)
        # Told before: a value that is not newer.
        peer.data(call, status("k", 2), seq=7)
        peer.end(call, resume_seq=8)
        peer.call()

    events = connect(serve(script)).watch()
    assert values(events) == [("k", 1), ("k", 2)]
    assert [event.conflated for event in events] == [False, True]


def test_a_watch_goes_on_where_it_broke(serve, connect: Connect) -> None:
    places = []

    def breaks(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, status("a", 1), seq=9, safe_seq=6, epoch=3)
        peer.data(call, status("b", 1), seq=7, safe_seq=9)

    def says_from_where(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        places.append((call.meta.resume.epoch, call.meta.resume.after_seq))
        peer.data(call, status("a", 2), seq=12, safe_seq=10, epoch=3)
        peer.end(call, StatusCode.UNAVAILABLE, retry_after_ms=1, resume_seq=11)
        call = peer.call()
        places.append((call.meta.resume.epoch, call.meta.resume.after_seq))
        peer.data(call, status("a", 2), seq=12, safe_seq=12, epoch=3)
        peer.data(call, status("b", 2), seq=13, epoch=3)
        peer.end(call)
        peer.call()

    events = connect(serve(breaks, says_from_where)).watch()
    assert values(events) == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert places == [(3, 9), (3, 11)]


def test_another_epoch_is_a_snapshot_and_what_it_lacks_is_gone(serve, connect: Connect) -> None:
    def breaks(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, status("a", 1), seq=90, epoch=3)
        peer.data(call, status("b", 1), seq=91)

    def restored(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        assert call.meta.resume.epoch == 3
        peer.data(call, status("a", 5), seq=2, epoch=4, snapshot=True)
        peer.data(call, None, safe_seq=4)
        peer.end(call)
        peer.call()

    events = connect(serve(breaks, restored)).watch()
    assert values(events) == [("a", 1), ("b", 1), ("a", 5), ("b", -1)]
    assert events[-1].removed


def test_leaving_a_watch_cancels_it(serve, connect: Connect) -> None:
    cancelled = threading.Event()

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, status("k", 1), seq=1, epoch=1)
        kind, _, reason, stream, _ = peer.until(CANCEL)
        assert (reason, stream) == (1, call.stream)
        cancelled.set()

    connect(serve(script)).watch(count=1)
    assert cancelled.wait(10)


def test_a_slow_watcher_grants_what_it_took(serve, connect: Connect) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        body = status("k" * 4_000, 1)
        sent = 0
        for number in range(1, 200):
            if sent + len(body) > 262_144:
                credit = int.from_bytes(peer.until(CREDIT)[4], "big")
                assert credit >= 131_072
                sent -= credit
            peer.data(call, body, seq=number, epoch=1)
            sent += len(body)
        peer.end(call)
        peer.call()

    assert len(connect(serve(script)).watch()) == 199


def test_a_silent_stream_is_taken_for_dead(serve, connect: Connect) -> None:
    def silent(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, status("k", 1), seq=1, epoch=1, silence_ms=100)
        assert peer.until(CANCEL)[3] == call.stream
        again = peer.call()
        assert again.meta.resume.after_seq == 1
        peer.end(again)
        peer.call()

    server = serve(silent)
    assert values(connect(server).watch()) == [("k", 1)]
    assert server.connections == 1


def test_an_error_that_is_final_is_raised(serve, connect: Connect) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.end(peer.call(), StatusCode.NOT_FOUND, message="none")
        peer.call()

    with pytest.raises(RpcError) as caught:
        connect(serve(script)).watch()
    assert caught.value.code is StatusCode.NOT_FOUND


def test_a_deadline_bounds_a_watch_with_its_breaks(serve, connect: Connect) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.data(peer.call(), status("k", 1), seq=1, epoch=1)

    with pytest.raises(RpcError) as caught:
        connect(serve(script)).watch(timeout=1)
    assert caught.value.code is StatusCode.DEADLINE_EXCEEDED


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


def test_a_watch_is_closed_from_another_thread(serve, credentials: Credentials) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.data(peer.call(), status("k", 1), seq=1, epoch=1)
        # It never says END.
        while True:
            peer.frame()

    with Channel("127.0.0.1", serve(script).port, credentials) as channel:
        stream = channel.latest(WATCH, name("w"))
        seen, codes = threading.Event(), []

        def watch() -> None:
            try:
                for _ in stream:
                    seen.set()
            except RpcError as error:
                codes.append(error.code)

        thread = threading.Thread(target=watch)
        thread.start()
        assert seen.wait(10)
        time.sleep(0.2)
        stream.close()
        thread.join(10)
        assert codes == [StatusCode.CANCELLED]


def test_a_server_that_dies_after_each_value_is_not_hammered(serve, connect: Connect) -> None:
    def dies(peer: PeerConnection) -> None:
        peer.hello()
        peer.data(peer.call(), status("k", 1), seq=1, epoch=1)

    server = serve(dies)
    with pytest.raises(RpcError):
        connect(server).watch(timeout=2.5)
    # 0.2, 0.32, 0.51, 0.82 … seconds, give or take a fifth.
    assert server.connections <= 6
