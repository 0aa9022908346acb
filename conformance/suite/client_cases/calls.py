"""Unary calls."""

import time

from conformance.v1.conformance_pb2 import Instruction
from framedrpc.v1.wire_pb2 import CallMeta, Detail, Header
from framedrpc.wire import CALL, CANCEL, COMPRESSED, DATA, END, GOAWAY, LAST, MORE, frame

from ..client import Client
from ..peer import Call, PeerConnection
from ..raw import pattern
from ..registry import CLIENT, case
from .common import is_pattern, report, sized_report, stays

UNARY = {"method": "Unary"}


@case(CLIENT)
def empty_unary(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.answer(peer.call(), b"")
        stays(peer)

    outcome = c.one(c.serve(script), UNARY)
    assert outcome["code"] == "OK"
    assert outcome["messages"][0]["size"] == 0


@case(CLIENT)
def large_unary(c: Client) -> None:
    """The request within the credit it has, the answer in fragments within the credit it is given."""

    def script(peer: PeerConnection) -> None:
        peer.hello(initial_credit=65_536)
        call = peer.call(credit=65_536)
        assert Instruction.FromString(call.body).payload == pattern(271_828)
        assert call.meta.message_bytes == len(call.body)
        peer.paced(call, report(pattern(314_159)))
        stays(peer)

    outcome = c.one(c.serve(script), {"method": "Unary", "payload_size": 271_828})
    assert outcome["code"] == "OK"
    assert is_pattern(outcome["messages"][0], 314_159)


def _answer_of(c: Client, size: int) -> dict:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.paced(peer.call(), sized_report(size))
        peer.answer(peer.call(), report(b"lives"))
        stays(peer)

    first, second = c.run(c.serve(script), UNARY, UNARY, max_message=1 << 20)
    assert second["code"] == "OK", f"the connection did not live: {second['message']}"
    return first


@case(CLIENT)
def max_message_equal(c: Client) -> None:
    assert _answer_of(c, 1 << 20)["code"] == "OK"


@case(CLIENT)
def max_message_plus_one(c: Client) -> None:
    assert _answer_of(c, (1 << 20) + 1)["code"] == "RESOURCE_EXHAUSTED"


@case(CLIENT)
def message_bytes_wrong(c: Client) -> None:
    """Too many: CANCEL, and the rest is dropped until END. Too few: found at the END."""

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, bytes(8), MORE, message_bytes=10)
        peer.send(frame(DATA, MORE, 0, call.stream, bytes(8)))
        peer.until(CANCEL)
        peer.end(call, 1)
        call = peer.call()
        peer.data(call, bytes(8), MORE, message_bytes=10)
        peer.send(frame(END, 0, 0, call.stream, bytes(1)))
        peer.answer(peer.call(), report())
        stays(peer)

    outcomes = c.run(c.serve(script), UNARY, UNARY, UNARY)
    assert [outcome["code"] for outcome in outcomes] == ["INTERNAL", "INTERNAL", "OK"]


@case(CLIENT)
def unimplemented_method(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.end(peer.call(), 12, message="no method")
        stays(peer)

    assert c.one(c.serve(script), UNARY)["code"] == "UNIMPLEMENTED"


@case(CLIENT)
def status_all_16(c: Client) -> None:
    names = [
        "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
        "UNAUTHENTICATED",
    ]  # fmt: skip

    def script(peer: PeerConnection) -> None:
        peer.hello()
        for code in [*range(1, 17), 17, 1_000]:
            peer.end(peer.call(), code, message=f"code {code}")
        stays(peer)

    outcomes = c.run(c.serve(script), *[UNARY] * 18)
    # A code there is not yet is no success.
    assert [outcome["code"] for outcome in outcomes] == [*names, "UNKNOWN", "UNKNOWN"]
    assert [outcome["message"] for outcome in outcomes[:16]] == [f"code {code}" for code in range(1, 17)]


@case(CLIENT)
def status_unicode(c: Client) -> None:
    text = "straße ☃ 𝄞 %41"

    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.end(peer.call(), 5, message=text)
        stays(peer)

    assert c.one(c.serve(script), UNARY)["message"] == text


@case(CLIENT)
def status_details(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.end(
            peer.call(), 9, refused=False, details=[Detail(type_url="type.googleapis.com/a.B", value=b"\x00\xff")],
            trailers=[Header(key="t", value=b"\x01"), Header(key="t", value=b"\x02")], retry_after_ms=-1,
        )  # fmt: skip
        stays(peer)

    outcome = c.one(c.serve(script), UNARY)
    assert outcome["details"] == [["type.googleapis.com/a.B", "00ff"]]
    assert outcome["trailers"] == [["t", "01"], ["t", "02"]]
    assert outcome["retry_after_ms"] is not None and outcome["retry_after_ms"] < 0


@case(CLIENT)
def metadata_echo(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        assert [(entry.key, entry.value) for entry in call.meta.metadata] == [("a", b"1"), ("x-tenant", b"two")]
        assert call.meta.method == "conformance.v1.ConformanceService/Unary"
        peer.answer(call, report())
        stays(peer)

    assert c.one(c.serve(script), {**UNARY, "metadata": [["a", "1"], ["x-tenant", "two"]]})["code"] == "OK"


@case(CLIENT)
def traceparent_roundtrip(c: Client) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        assert call.meta.traceparent == parent
        peer.answer(call, report())
        stays(peer)

    assert c.one(c.serve(script), {**UNARY, "traceparent": parent})["code"] == "OK"


@case(CLIENT)
def deadline_propagated(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        assert 3_000 < call.meta.timeout_ms <= 5_000, call.meta.timeout_ms
        peer.answer(call, report())
        call = peer.call()
        assert not call.meta.HasField("timeout_ms"), "a deadline nobody asked for"
        peer.answer(call, report())
        stays(peer)

    outcomes = c.run(c.serve(script), {**UNARY, "timeout_ms": 5_000}, UNARY)
    assert [outcome["code"] for outcome in outcomes] == ["OK", "OK"]


@case(CLIENT)
def deadline_client(c: Client) -> None:
    """A server that does not answer: the caller is told, and the server, a second later."""
    times: list[float] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        began = time.monotonic()
        _, _, reason, stream, _ = peer.until(CANCEL)
        times.append(time.monotonic() - began)
        assert (reason, stream) == (2, call.stream)
        # What comes late is dropped.
        peer.data(call, b"late", MORE, message_bytes=10)
        peer.end(call, 4)
        stays(peer)

    outcome = c.one(c.serve(script), {**UNARY, "timeout_ms": 500}, linger_ms=2_500)
    assert outcome["code"] == "DEADLINE_EXCEEDED"
    assert times and times[0] > 1.2, f"CANCEL after {times}: the server's own END could not come first"


@case(CLIENT)
def cancel_after_first(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, report(b"1"))
        _, _, reason, stream, _ = peer.until(CANCEL)
        assert (reason, stream) == (1, call.stream)
        peer.data(call, report(b"late"))
        peer.end(call, 1)
        peer.answer(peer.call(), report())
        stays(peer)

    outcomes = c.run(c.serve(script), {"method": "Export", "cancel_after_messages": 1}, {**UNARY, "pause_ms": 300})
    assert [outcome["code"] for outcome in outcomes] == ["CANCELLED", "OK"]
    assert len(outcomes[0]["messages"]) == 1


@case(CLIENT)
def cancel_propagates(c: Client) -> None:
    """A caller that leaves a unary call."""
    reasons: list[int] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        reasons.append(peer.until(CANCEL)[2])
        peer.end(call, 1)
        stays(peer)

    outcome = c.one(c.serve(script), {**UNARY, "cancel_after_ms": 300}, linger_ms=300)
    assert outcome["code"] == "CANCELLED"
    assert reasons in ([1], [3]), reasons


@case(CLIENT)
def stream_end_missing(c: Client) -> None:
    """Only END is a success."""

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, report(b"half"), MORE, message_bytes=100)

    outcome = c.one(c.serve(script), UNARY)
    assert outcome["code"] == "UNAVAILABLE"
    assert not outcome["refused"], "it may have run"


@case(CLIENT)
def end_without_message(c: Client) -> None:
    """A unary OK carries a message; END with an error none; DATA that is no fragment belongs to no unary call."""

    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.end(peer.call(), 0)
        call = peer.call()
        peer.data(call, report(b"whole"))
        peer.until(CANCEL)
        peer.end(call, 1)
        peer.answer(peer.call(), report())
        stays(peer)

    outcomes = c.run(c.serve(script), UNARY, UNARY, UNARY)
    assert [outcome["code"] for outcome in outcomes] == ["INTERNAL", "INTERNAL", "OK"]


@case(CLIENT)
def compress_unnegotiated(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, report(b"zip"), COMPRESSED | MORE, message_bytes=10)
        peer.until(CANCEL)
        peer.end(call, 1)
        peer.answer(peer.call(), report())
        stays(peer)

    outcomes = c.run(c.serve(script), UNARY, UNARY)
    assert [outcome["code"] for outcome in outcomes] == ["INTERNAL", "OK"]


@case(CLIENT)
def credit_overdraft(c: Client) -> None:
    """A server that sends more than it was granted, on a stream whose messages nobody takes any more."""
    codes: list[int] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.data(call, report(b"1"))
        # The client waits for the second call, and reads.
        peer.until(CANCEL, CALL)
        for _ in range(peer.client_window // 10_000 + 2):
            peer.data(call, report(bytes(10_000)))
        codes.append(peer.until(GOAWAY)[2])

    outcomes = c.run(c.serve(script), {"method": "Export", "cancel_after_messages": 1}, UNARY)
    assert [outcome["code"] for outcome in outcomes] == ["CANCELLED", "UNAVAILABLE"], outcomes
    assert codes == [3], codes


@case(CLIENT)
def credit_message_gt_window(c: Client) -> None:
    """Larger than any window: the client grants while it is incomplete."""

    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.paced(peer.call(), report(pattern(2_000_000)))
        stays(peer)

    outcome = c.one(c.serve(script), UNARY)
    assert is_pattern(outcome["messages"][0], 2_000_000)


@case(CLIENT)
def credit_exact(c: Client) -> None:
    """CREDIT comes once half the window is owed, not before, and says all that is owed."""
    granted: list[int] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        window = peer.client_window
        call = peer.call()
        part = 4_000
        sent = 0
        peer.data(call, bytes(part), MORE, message_bytes=3_000_000)
        sent += part
        while not granted:
            peer.send(frame(DATA, MORE, 0, call.stream, bytes(part)))
            sent += part
            granted.extend(peer.credits(call, 0.05))
            assert sent < window, "no CREDIT within the whole window"
        assert sum(granted) == sent, f"{granted} of {sent}"
        assert sent * 2 >= window, f"CREDIT at {sent} of {window}"
        assert (sent - part) * 2 < window, f"CREDIT only at {sent} of {window}"
        peer.end(call, 13)
        stays(peer)

    c.one(c.serve(script), UNARY)
    assert granted


@case(CLIENT)
def no_read_deadlock(c: Client) -> None:
    """A server that writes before it reads: a client reads also while its own write is blocked."""
    body = report(pattern(239_900))

    def script(peer: PeerConnection) -> None:
        peer.hello(initial_credit=8 << 20, max_message=8 << 20)
        calls: dict[int, Call] = {}
        whole: set[int] = set()

        def read() -> None:
            kind, flags, _, stream, _ = peer.frame()
            if kind == CALL:
                calls[stream] = Call(stream, CallMeta(), b"")
            if kind == DATA and flags & LAST:
                whole.add(stream)

        while len(calls) < 8:
            read()
        # Nothing is read until all of this is written.
        for call in calls.values():
            peer.data(call, body[:16_000], MORE, message_bytes=len(body))
            for at in range(16_000, len(body), 16_000):
                peer.send(frame(DATA, MORE, 0, call.stream, body[at : at + 16_000]))
        while len(whole) < 8:
            read()
        for call in calls.values():
            peer.answer(call, b"")
        stays(peer)

    outcomes = c.run(c.serve(script), {**UNARY, "payload_size": 1_000_000, "count": 8})
    assert [outcome["code"] for outcome in outcomes] == ["OK"] * 8, outcomes[0]
    assert all(is_pattern(outcome["messages"][0], 239_900) for outcome in outcomes)
