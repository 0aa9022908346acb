"""Streams, and going on with them after a break."""

import time

from framedrpc.wire import CANCEL, CONFLATED, DATA, GOAWAY, MORE, PING, frame

from ..client import Client
from ..peer import PeerConnection
from ..raw import pattern
from ..registry import CLIENT, case
from .common import is_pattern, report, stays, value

EXPORT, EVENTS, WATCH = ({"method": method} for method in ("Export", "Events", "Watch"))


@case(CLIENT)
def server_stream_order(c: Client) -> None:
    sizes = [31_415, 9, 2_653, 58_979]

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        for size in sizes:
            peer.message(call, report(pattern(size)))
        peer.end(call)
        stays(peer)

    outcome = c.one(c.serve(script), EXPORT)
    assert outcome["code"] == "OK"
    assert len(outcome["messages"]) == 4
    assert all(is_pattern(message, size) for message, size in zip(outcome["messages"], sizes, strict=True))


@case(CLIENT)
def stream_zero_messages(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.end(peer.call())
        peer.end(peer.call(), 5, message="nothing")
        stays(peer)

    outcomes = c.run(c.serve(script), EXPORT, EXPORT)
    assert [(outcome["code"], outcome["messages"]) for outcome in outcomes] == [("OK", []), ("NOT_FOUND", [])]


@case(CLIENT)
def stream_error_after_messages(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, report(b"1"))
        peer.data(call, report(b"22"))
        peer.end(call, 15, message="half")
        stays(peer)

    outcome = c.one(c.serve(script), EXPORT)
    assert outcome["code"] == "DATA_LOSS"
    assert [message["size"] for message in outcome["messages"]] == [1, 2]


@case(CLIENT)
def terminal_state_delivered(c: Client) -> None:
    """A consumer that is slow gets everything that came before END."""

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        for index in range(10):
            peer.data(call, value("k", b"x" * index), CONFLATED if index else 0, seq=index + 1, epoch=5)
        peer.end(call)
        stays(peer)

    outcome = c.one(c.serve(script), {**WATCH, "message_delay_ms": 20})
    assert outcome["code"] == "OK"
    assert outcome["messages"][-1]["size"] == 9
    assert outcome["messages"][-1]["conflated"]


@case(CLIENT)
def bookmark_between_fragments(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        body = report(pattern(30_000))
        peer.data(call, body[:16_000], MORE, message_bytes=len(body))
        peer.data(call, None, safe_seq=3)
        peer.data(call, None, safe_seq=4)
        peer.send(frame(DATA, 0, 0, call.stream, body[16_000:]))
        peer.end(call)
        stays(peer)

    outcome = c.one(c.serve(script), EXPORT)
    assert [is_pattern(message, 30_000) for message in outcome["messages"]] == [True]


@case(CLIENT)
def stream_without_places(c: Client) -> None:
    """A stream without places that breaks is not begun again: its messages would come twice."""

    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.data(peer.call(), report(b"1"))

    peer = c.serve(script)
    outcome = c.one(peer, EXPORT)
    assert outcome["code"] == "UNAVAILABLE"
    assert peer.connections == 1


@case(CLIENT)
def resume_replay(c: Client) -> None:
    """A QUEUE goes on behind the last message it has shown, on another connection."""

    def first(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, value("a"), seq=11, epoch=4)
        peer.data(call, value("b"), seq=12)

    def second(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        assert (call.meta.resume.epoch, call.meta.resume.after_seq) == (4, 12)
        peer.data(call, value("c"), seq=13, epoch=4)
        peer.end(call)
        stays(peer)

    outcome = c.one(c.serve(first, second), EVENTS)
    assert outcome["code"] == "OK", outcome
    assert [message["seq"] for message in outcome["messages"]] == [11, 12, 13]


@case(CLIENT)
def resume_out_of_order_commits(c: Client) -> None:
    """The place to resume from is the highest safe_seq, not the highest seq."""

    def first(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, value("B"), seq=9, safe_seq=6, epoch=4)

    def second(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        assert (call.meta.resume.epoch, call.meta.resume.after_seq) == (4, 6)
        peer.data(call, value("A"), seq=7, safe_seq=6, epoch=4)
        # Shown before.
        peer.data(call, value("B"), seq=9)
        peer.end(call, 14, resume_seq=9, retry_after_ms=10)
        call = peer.call()
        assert call.meta.resume.after_seq == 9, "END's resume_seq is a place, too"
        peer.end(call)
        stays(peer)

    outcome = c.one(c.serve(first, second), WATCH)
    assert outcome["code"] == "OK", outcome
    assert [(message["key"], message["seq"]) for message in outcome["messages"]] == [("B", 9), ("A", 7)]


@case(CLIENT)
def resume_multi_key(c: Client) -> None:
    """Values of a key not newer than what was shown are dropped, of other keys they are not."""

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        for key, seq in (("a", 5), ("b", 3), ("a", 4), ("a", 5), ("b", 6)):
            peer.data(call, value(key), seq=seq, safe_seq=2, epoch=4)
        peer.end(call)
        stays(peer)

    outcome = c.one(c.serve(script), WATCH)
    assert [(message["key"], message["seq"]) for message in outcome["messages"]] == [("a", 5), ("b", 3), ("b", 6)]


@case(CLIENT)
def resume_snapshot(c: Client) -> None:
    """What a snapshot lacks is gone; a snapshot not ended is not a place."""

    def first(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, value("a"), seq=5, epoch=4, snapshot=True)
        peer.data(call, value("b"), seq=6)
        peer.data(call, None, safe_seq=6)

    def second(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        assert call.meta.resume.after_seq == 6
        peer.data(call, value("b"), seq=9, epoch=4, snapshot=True)

    def third(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        assert call.meta.resume.after_seq == 6, "a place within a snapshot that did not end"
        peer.data(call, value("b"), seq=9, epoch=4, snapshot=True)
        peer.data(call, None, safe_seq=10)
        peer.end(call)
        stays(peer)

    outcome = c.one(c.serve(first, second, third), WATCH)
    assert outcome["code"] == "OK", outcome
    shown = [(message["key"], message["removed"]) for message in outcome["messages"]]
    assert shown == [("a", False), ("b", False), ("b", False), ("a", True)], shown


@case(CLIENT)
def resume_epoch_changed(c: Client) -> None:
    """Numbers of another epoch have nothing to do with those before."""

    def first(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, value("a"), seq=900, epoch=4)

    def second(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, value("a", b"new"), seq=2, epoch=8, snapshot=True)
        peer.data(call, None, safe_seq=2)
        peer.end(call, 14, retry_after_ms=1)
        call = peer.call()
        assert (call.meta.resume.epoch, call.meta.resume.after_seq) == (8, 2)
        peer.end(call)
        stays(peer)

    outcome = c.one(c.serve(first, second), WATCH)
    assert outcome["code"] == "OK", outcome
    assert [message["size"] for message in outcome["messages"]] == [0, 3]


@case(CLIENT)
def bookmark_liveness(c: Client) -> None:
    """Three times the silence agreed and nothing came: CANCEL, and the stream is opened again on the same connection."""

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, value("a"), seq=1, epoch=4, silence_ms=300)
        # The connection lives, the stream does not.
        found = 0
        for _ in range(100):
            peer.send(frame(PING, 0, 0, 0, bytes(8)))
            kind, _, _, stream, _ = peer.frame()
            found = kind
            if kind == CANCEL:
                assert stream == call.stream
                break
            time.sleep(0.05)
        assert found == CANCEL, "no CANCEL in five seconds of silence"
        peer.end(call, 1)
        again = peer.call()
        assert again.meta.resume.after_seq == 1
        peer.data(again, value("a"), seq=2, epoch=4)
        peer.end(again)
        stays(peer)

    peer = c.serve(script)
    outcome = c.one(peer, WATCH)
    assert outcome["code"] == "OK", outcome
    assert [message["seq"] for message in outcome["messages"]] == [1, 2]
    assert peer.connections == 1


@case(CLIENT)
def drain_watchers(c: Client) -> None:
    """END(UNAVAILABLE, resume_seq) of a server that drains: the watch goes on elsewhere, after what it was told to wait."""
    times: list[float] = []

    def first(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, value("a"), seq=3, epoch=4)
        peer.goaway(call.stream)
        peer.end(call, 14, resume_seq=3, retry_after_ms=600)
        times.append(time.monotonic())

    def second(peer: PeerConnection) -> None:
        times.append(time.monotonic())
        peer.hello()
        call = peer.call()
        assert call.meta.resume.after_seq == 3
        peer.end(call)
        stays(peer)

    outcome = c.one(c.serve(first, second), WATCH)
    assert outcome["code"] == "OK", outcome
    assert times[1] - times[0] > 0.5, "back before retry_after_ms"


@case(CLIENT)
def slow_consumer_queue(c: Client) -> None:
    """SLOW_CONSUMER is told, with its place; it is not gone on with in silence."""

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, value("a"), seq=3, epoch=4)
        peer.end(call, 8, message="too slow", resume_seq=3)
        stays(peer)

    outcome = c.one(c.serve(script), EVENTS)
    assert outcome["code"] == "RESOURCE_EXHAUSTED"


@case(CLIENT)
def slow_consumer_latest(c: Client) -> None:
    """What is not taken counts against the credit: a consumer that stands still makes the server stop, not the client grow."""
    sent: list[int] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        window = left = peer.client_window
        body = value("k", bytes(10_000))
        seq = 0
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            while left >= len(body):
                seq += 1
                peer.data(call, body, seq=seq, epoch=4)
                left -= len(body)
            left += sum(peer.credits(call, 0.2))
        sent.append(seq * len(body))
        assert seq * len(body) <= 3 * window, "far more than a window was granted to a consumer that stands still"
        peer.end(call)
        stays(peer)

    outcome = c.one(c.serve(script), {**WATCH, "message_delay_ms": 5_000, "cancel_after_messages": 2})
    assert outcome["code"] == "CANCELLED"
    assert sent


@case(CLIENT)
def stream_end_with_message(c: Client) -> None:
    """END of a stream carries no message."""

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.answer(call, report(b"x"))
        stays(peer)

    assert c.one(c.serve(script), EXPORT)["code"] == "INTERNAL"


@case(CLIENT)
def credit_zero(c: Client) -> None:
    """CREDIT of 0 ends the connection."""
    codes: list[int] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.send(frame(6, 0, 0, call.stream, bytes(4)))
        codes.append(peer.until(GOAWAY)[2])

    assert c.one(c.serve(script), EXPORT)["code"] == "UNAVAILABLE"
    assert codes == [3]
