"""LATEST streams of both channels against a scripted server: order, places, snapshots, breaks, credit."""

import threading
import time

import pytest
from both import Connect
from framedrpc import Channel, Credentials, Event, RpcError, StatusCode
from framedrpc.wire import CANCEL, CREDIT, PING, frame
from methods import WATCH, name, status
from suite.peer import PeerConnection


def values(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.key, event.message.generation if event.message else -1) for event in events]


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
        # The connection lives: only the stream has nothing to say.
        for _ in range(10):
            peer.send(frame(PING, 0, 0, 0, bytes(8)))
            time.sleep(0.05)
        assert peer.until(CANCEL)[3] == call.stream
        again = peer.call()
        assert again.meta.resume.after_seq == 1
        peer.end(again)
        peer.call()

    server = serve(silent)
    assert values(connect(server).watch()) == [("k", 1)]
    assert server.connections == 1


def test_a_dead_connection_is_replaced(serve, connect: Connect) -> None:
    def dead(peer: PeerConnection) -> None:
        peer.hello()
        peer.data(peer.call(), status("k", 1), seq=1, epoch=1, silence_ms=100)
        time.sleep(5)

    def alive(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        assert call.meta.resume.after_seq == 1
        peer.data(call, status("k", 2), seq=2, epoch=1)
        peer.end(call)
        peer.call()

    server = serve(dead, alive)
    assert values(connect(server).watch()) == [("k", 1), ("k", 2)]
    assert server.connections == 2


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


def test_a_watch_is_closed_from_another_thread(serve, credentials: Credentials) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.data(peer.call(), status("k", 1), seq=1, epoch=1)
        # It never says END.
        while True:
            peer.frame()

    with Channel("127.0.0.1", serve(script).port, credentials) as channel:
        stream = channel.stream(WATCH, name("w"))
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
