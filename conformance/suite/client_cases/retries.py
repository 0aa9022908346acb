"""When a call is sent again."""

import time

from ..client import Client
from ..peer import Call, PeerConnection
from ..registry import CLIENT, case
from .common import report, stays, value

UNARY, IDEMPOTENT, NAMED = ({"method": method} for method in ("Unary", "Idempotent", "Named"))


def _fails(seen: list[tuple[float, Call]], *ends: dict, then_ok: bool = True):  # noqa: ANN202
    """A server whose calls end as told, one after another."""

    def script(peer: PeerConnection) -> None:
        peer.hello()
        while True:
            call = peer.call()
            seen.append((time.monotonic(), call))
            if len(seen) <= len(ends):
                peer.end(call, **ends[len(seen) - 1])
            elif then_ok:
                peer.answer(call, report(b"ok"))
            else:
                peer.end(call, **ends[-1])

    return script


UNAVAILABLE = {"code": 14, "message": "down"}
REFUSED = {"code": 14, "message": "not here", "refused": True}


@case(CLIENT)
def retry_policy(c: Client) -> None:
    """UNAVAILABLE: what may be repeated is, four attempts in all, each saying which it is; what may not is not."""
    seen: list[tuple[float, Call]] = []
    outcome = c.one(c.serve(_fails(seen, UNAVAILABLE)), UNARY)
    assert (outcome["code"], len(seen)) == ("UNAVAILABLE", 1)

    seen = []
    outcome = c.one(c.serve(_fails(seen, UNAVAILABLE, UNAVAILABLE)), IDEMPOTENT)
    assert (outcome["code"], len(seen)) == ("OK", 3)
    assert [call.meta.attempt for _, call in seen] == [0, 1, 2]

    seen = []
    outcome = c.one(c.serve(_fails(seen, UNAVAILABLE, then_ok=False)), IDEMPOTENT)
    assert (outcome["code"], len(seen)) == ("UNAVAILABLE", 4)

    # Other codes are answers.
    seen = []
    outcome = c.one(c.serve(_fails(seen, {"code": 10})), IDEMPOTENT)
    assert (outcome["code"], len(seen)) == ("ABORTED", 1)


@case(CLIENT)
def retry_refused(c: Client) -> None:
    """REFUSED did not run: every method may be sent again."""
    for refusal in (REFUSED, {"code": 8, "message": "full", "refused": True}):
        seen: list[tuple[float, Call]] = []
        outcome = c.one(c.serve(_fails(seen, refusal)), UNARY)
        assert (outcome["code"], len(seen)) == ("OK", 2), outcome


@case(CLIENT)
def request_id_same(c: Client) -> None:
    """Every attempt of a call has the same request id, and every call its own."""
    seen: list[tuple[float, Call]] = []
    outcomes = c.run(c.serve(_fails(seen, UNAVAILABLE)), NAMED, NAMED)
    assert [outcome["code"] for outcome in outcomes] == ["OK", "OK"]
    ids = [call.meta.request_id for _, call in seen]
    assert len(ids[0]) == 16
    assert ids[0] == ids[1] != ids[2]


@case(CLIENT)
def retry_pushback(c: Client) -> None:
    """retry_after_ms is the wait; -1 says do not."""
    seen: list[tuple[float, Call]] = []
    outcome = c.one(c.serve(_fails(seen, {**UNAVAILABLE, "retry_after_ms": 700})), IDEMPOTENT)
    assert outcome["code"] == "OK"
    assert seen[1][0] - seen[0][0] > 0.6

    seen = []
    outcome = c.one(c.serve(_fails(seen, {**REFUSED, "retry_after_ms": -1})), IDEMPOTENT)
    assert (outcome["code"], len(seen)) == ("UNAVAILABLE", 1)


@case(CLIENT)
def retry_budget(c: Client) -> None:
    """Ten tokens: a server in trouble gets few more calls than there are callers."""
    seen: list[tuple[float, Call]] = []
    outcomes = c.run(c.serve(_fails(seen, {**UNAVAILABLE, "retry_after_ms": 1}, then_ok=False)), {**IDEMPOTENT, "count": 50})
    assert {outcome["code"] for outcome in outcomes} == {"UNAVAILABLE"}
    assert 50 < len(seen) <= 50 + 10, f"{len(seen)} calls of 50 callers"


@case(CLIENT)
def retry_within_the_deadline(c: Client) -> None:
    """No attempt after the deadline, and each is told what is left of it."""
    seen: list[tuple[float, Call]] = []
    outcome = c.one(c.serve(_fails(seen, {**UNAVAILABLE, "retry_after_ms": 600}, then_ok=False)), {**IDEMPOTENT, "timeout_ms": 1_000})
    assert outcome["code"] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    assert len(seen) == 2
    assert seen[1][1].meta.timeout_ms < seen[0][1].meta.timeout_ms - 500


@case(CLIENT)
def reconnect_storm(c: Client) -> None:
    """A server that is not there for a while: attempts to connect are spread, and the watch survives."""
    times: list[float] = []

    def gone(peer: PeerConnection) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            peer.hello()
            call = peer.call()
            peer.data(call, b"", seq=1, epoch=4)
            return
        if len(times) < 5:
            return
        peer.hello()
        peer.end(peer.call())
        stays(peer)

    outcome = c.one(c.serve(gone), {"method": "Watch"})
    assert outcome["code"] == "OK", outcome
    gaps = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert len(times) == 5
    assert all(gap > 0.1 for gap in gaps), gaps
    assert gaps[-1] > gaps[0], gaps


@case(CLIENT)
def token_expiry_midstream(c: Client) -> None:
    """A stream whose token has run out goes on once, where it was, with another; a second refusal is told."""
    shown: list[bytes] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()

        def call() -> Call:
            found = peer.call()
            shown.extend(entry.value for entry in found.meta.metadata if entry.key == "authorization")
            return found

        first = call()
        peer.data(first, value("a"), seq=1, epoch=4)
        peer.end(first, 16, message="expired", resume_seq=1)
        second = call()
        assert second.meta.resume.after_seq == 1
        peer.data(second, value("a"), seq=2, epoch=4)
        peer.end(second)
        # Refused at once, twice.
        third = call()
        peer.data(third, value("a"), seq=3, epoch=4)
        peer.end(third, 16, resume_seq=3)
        peer.end(call(), 16, resume_seq=3)
        stays(peer)

    outcomes = c.run(c.serve(script), {"method": "Watch"}, {"method": "Watch"}, tokens=["one", "two", "three", "four"])
    assert [outcome["code"] for outcome in outcomes] == ["OK", "UNAUTHENTICATED"], outcomes
    assert shown == [b"Bearer one", b"Bearer two", b"Bearer three", b"Bearer four"]
