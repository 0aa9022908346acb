"""HELLO, stream ids, GOAWAY, TLS, from the client's side."""

import random
import time

from framedrpc.v1.wire_pb2 import CallMeta, Hello
from framedrpc.wire import ACK, CALL, DATA, END, GOAWAY, HELLO, MAX_STREAM, MORE, PING, PREFACE, frame

from ..client import Client
from ..peer import Call, PeerConnection
from ..registry import CLIENT, case
from .common import answers, report, stays

UNARY = {"method": "Unary"}


@case(CLIENT)
def hello_floor_race(c: Client) -> None:
    """Until the server's HELLO is read the floors hold; then what it says."""

    def script(peer: PeerConnection) -> None:
        peer.read_hello()
        sent = sum(peer.quiet(CALL, DATA, seconds=0.5))
        assert sent <= 65_536, f"{sent} bytes before HELLO"
        peer.send(PREFACE + frame(HELLO, 0, 0, 0, Hello(initial_credit=1 << 20).SerializeToString()))
        peer.rest_of_call(sent, 300_000)
        peer.answer(Call(1, CallMeta(), b""), report())
        stays(peer)

    assert c.one(c.serve(script), {**UNARY, "payload_size": 300_000})["code"] == "OK"


@case(CLIENT)
def hello_too_tight(c: Client) -> None:
    for fields in ({"max_frame": 16_000}, {"max_message": 5}, {"max_streams": 99}, {"initial_credit": 65_535}):
        codes: list[int] = []

        def script(peer: PeerConnection, fields: dict[str, int] = fields, codes: list[int] = codes) -> None:
            peer.hello(**fields)
            codes.append(peer.until(GOAWAY)[2])

        outcome = c.one(c.serve(script), {**UNARY, "timeout_ms": 3_000})
        assert outcome["code"] != "OK"
        assert codes and set(codes) == {1}, codes


@case(CLIENT)
def hello_twice(c: Client) -> None:
    codes: list[int] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.call()
        peer.send(frame(HELLO, 0, 0, 0, b""))
        codes.append(peer.until(GOAWAY)[2])

    assert c.one(c.serve(script), UNARY)["code"] != "OK"
    assert codes == [1]


@case(CLIENT)
def hello_grease(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.send(PREFACE + frame(HELLO, 0x40, 7, 0, Hello(agent="x").SerializeToString() + b"\xfa\x7f\x03abc"))
        peer.read_hello()
        call = peer.call()
        for kind in (0x70, 0x7F, 0x2A):
            peer.send(frame(kind, 0x80 | 0x40, 0, random.randrange(1 << 31), random.randbytes(50)))
        peer.answer(call, report())
        stays(peer)

    assert c.one(c.serve(script), UNARY)["code"] == "OK"


@case(CLIENT)
def no_alpn(c: Client) -> None:
    outcome = c.one(c.serve(answers, alpn=None), {**UNARY, "timeout_ms": 5_000})
    assert outcome["code"] == "UNAVAILABLE"


@case(CLIENT)
def version_mismatch(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.send(PREFACE.replace(b"1", b"2") + frame(HELLO, 0, 0, 0, b""))
        stays(peer)

    assert c.one(c.serve(script), {**UNARY, "timeout_ms": 3_000})["code"] != "OK"


@case(CLIENT)
def mtls_wrong_ca(c: Client) -> None:
    """A server of another authority gets not a byte of a call."""
    seen: list[object] = []

    def script(peer: PeerConnection) -> None:
        seen.append(peer.frame())

    outcome = c.one(c.serve(script, identity=c.authority.stranger), {**UNARY, "timeout_ms": 3_000})
    assert outcome["code"] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    assert not seen


@case(CLIENT)
def mtls_expired(c: Client) -> None:
    outcome = c.one(c.serve(answers, identity=c.authority.expired), {**UNARY, "timeout_ms": 3_000})
    assert outcome["code"] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


@case(CLIENT)
def stream_id_exhausted(c: Client) -> None:
    """The last id is used; the next call is another connection's."""
    ids: list[int] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        while True:
            call = peer.call()
            ids.append(call.stream)
            peer.answer(call, report())

    peer = c.serve(script)
    outcomes = c.run(peer, UNARY, UNARY, first_stream=MAX_STREAM)
    assert [outcome["code"] for outcome in outcomes] == ["OK", "OK"], outcomes
    assert ids[0] == MAX_STREAM
    assert peer.connections == 2


@case(CLIENT)
def stream_never_opened(c: Client) -> None:
    codes: list[int] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.send(frame(END, 0, 0, call.stream + 20, report()))
        codes.append(peer.until(GOAWAY)[2])

    assert c.one(c.serve(script), UNARY)["code"] == "UNAVAILABLE"
    assert codes == [1]


@case(CLIENT)
def length_4GiB(c: Client) -> None:  # noqa: N802 # the protocol's name for it
    codes: list[int] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        peer.call()
        peer.send(b"\xff\xff\xff\xff\x04\x00\x00\x00\x00\x00\x00\x01")
        codes.append(peer.until(GOAWAY)[2])

    assert c.one(c.serve(script), UNARY)["code"] == "UNAVAILABLE"
    assert codes == [2]


@case(CLIENT)
def max_streams_refused(c: Client) -> None:
    """A client keeps to the server's max_streams: what is above waits for a free stream."""
    most: list[int] = []

    def script(peer: PeerConnection) -> None:
        peer.hello(max_streams=100)
        calls = [peer.call() for _ in range(100)]
        assert not peer.quiet(CALL, seconds=0.4), "more calls than max_streams"
        most.append(len(calls))
        peer.answer(calls[0], report())
        calls = [*calls[1:], peer.call()]
        for call in calls:
            peer.answer(call, report())
        for _ in range(49):
            peer.answer(peer.call(), report())
        stays(peer)

    outcomes = c.run(c.serve(script), {**UNARY, "count": 150})
    assert [outcome["code"] for outcome in outcomes] == ["OK"] * 150
    assert most == [100]


@case(CLIENT)
def thousand_parallel(c: Client) -> None:
    def script(peer: PeerConnection) -> None:
        peer.hello(max_streams=2_000)
        calls = [peer.call() for _ in range(1_000)]
        for call in reversed(calls):
            peer.answer(call, report())
        stays(peer)

    outcomes = c.run(c.serve(script), {**UNARY, "count": 1_000})
    assert [outcome["code"] for outcome in outcomes] == ["OK"] * 1_000


@case(CLIENT)
def goaway_refused(c: Client) -> None:
    """Calls above GOAWAY's last stream were not executed: another connection gets them, whatever the method."""

    def first(peer: PeerConnection) -> None:
        peer.hello()
        calls = [peer.call(), peer.call()]
        peer.goaway(calls[0].stream)
        # The one below goes on.
        time.sleep(0.2)
        peer.answer(calls[0], report(b"first"))
        stays(peer)

    peer = c.serve(first, answers)
    outcomes = c.run(peer, {**UNARY, "count": 2})
    assert [outcome["code"] for outcome in outcomes] == ["OK", "OK"], outcomes
    assert peer.connections == 2


@case(CLIENT)
def goaway_drain(c: Client) -> None:
    """After a GOAWAY nothing new begins on the connection; what is under way ends."""

    def first(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.goaway(call.stream)
        time.sleep(0.3)
        peer.answer(call, report())
        # The client closes, its last call being over.
        try:
            while True:
                kind, *_ = peer.frame()
                assert kind != CALL, "a CALL behind GOAWAY"
        except EOFError:
            pass

    peer = c.serve(first, answers)
    outcomes = c.run(peer, UNARY, {**UNARY, "pause_ms": 200})
    assert [outcome["code"] for outcome in outcomes] == ["OK", "OK"], outcomes
    assert peer.connections == 2


@case(CLIENT)
def ping_ack(c: Client) -> None:
    acks: list[bytes] = []

    def script(peer: PeerConnection) -> None:
        peer.hello()
        call = peer.call()
        peer.send(frame(PING, 0, 0, 0, b"abcdefgh"))
        _, flags, _, _, payload = peer.until(PING)
        assert flags & ACK
        acks.append(payload)
        # An ACK nobody asked for.
        peer.send(frame(PING, ACK, 0, 0, b"unasked!"))
        peer.answer(call, report())
        stays(peer)

    assert c.one(c.serve(script), UNARY)["code"] == "OK"
    assert acks == [b"abcdefgh"]


@case(CLIENT)
def interleaved_answers(c: Client) -> None:
    """Fragments of many answers take turns."""
    def script(peer: PeerConnection) -> None:
        peer.hello()
        calls = [peer.call() for _ in range(4)]
        body = report(bytes(60_000))
        for at in range(0, len(body), 10_000):
            for call in calls:
                part = body[at : at + 10_000]
                if at == 0:
                    peer.data(call, part, MORE, message_bytes=len(body))
                elif at + 10_000 >= len(body):
                    peer.send(frame(END, 0, 0, call.stream, part))
                else:
                    peer.send(frame(DATA, MORE, 0, call.stream, part))
        stays(peer)

    outcomes = c.run(c.serve(script), {**UNARY, "count": 4})
    assert [outcome["code"] for outcome in outcomes] == ["OK"] * 4
    assert all(outcome["messages"][0]["size"] == 60_000 for outcome in outcomes)
