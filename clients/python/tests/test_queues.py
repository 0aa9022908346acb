"""QUEUE and BLOCK streams: every message once, in order."""

import pytest
from both import Connect
from framedrpc import RpcError, StatusCode
from methods import EVENTS, EXPORT, status


@pytest.mark.parametrize("method", [EVENTS, EXPORT], ids=["queue", "block"])
def test_messages_come_in_order(serve, connect: Connect, method) -> None:
    def script(peer) -> None:
        peer.hello()
        call = peer.call()
        for number in range(5):
            peer.data(call, status("k", number))
        peer.end(call)
        peer.until(8)

    events = connect(serve(script)).watch(method=method)
    assert [event.message.generation for event in events] == [0, 1, 2, 3, 4]
    assert all(event.seq == 0 and event.key == "" for event in events)


def test_a_queue_goes_on_where_it_was(serve, connect: Connect) -> None:
    def first(peer) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, status("k", 1), epoch=4, seq=11)
        peer.data(call, status("k", 2), seq=12)
        # Not a word more: the connection breaks.

    def second(peer) -> None:
        peer.hello()
        call = peer.call()
        assert (call.meta.resume.epoch, call.meta.resume.after_seq) == (4, 12)
        # Told again, and not shown again.
        peer.data(call, status("k", 2), epoch=4, seq=12)
        peer.data(call, status("k", 3), seq=13)
        peer.end(call)
        peer.until(8)

    events = connect(serve(first, second)).watch(method=EVENTS)
    assert [(event.seq, event.message.generation) for event in events] == [(11, 1), (12, 2), (13, 3)]


def test_without_places_a_broken_stream_is_not_begun_again(serve, connect: Connect) -> None:
    def script(peer) -> None:
        peer.hello()
        peer.data(peer.call(), status("k", 1))

    peer = serve(script)
    with pytest.raises(RpcError) as caught:
        connect(peer).watch(method=EXPORT)
    assert caught.value.code is StatusCode.UNAVAILABLE
    assert peer.connections == 1


def test_a_slow_consumer_is_told_so(serve, connect: Connect) -> None:
    def script(peer) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, status("k", 1), epoch=4, seq=11)
        peer.end(call, 8, message="too slow", resume_seq=11)
        peer.until(8)

    with pytest.raises(RpcError) as caught:
        connect(serve(script)).watch(method=EVENTS)
    assert caught.value.code is StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.resume_seq == 11
