"""HELLO, stream ids, limits of a connection."""

import random

from conformance.v1.conformance_pb2 import Report
from framedrpc.v1.wire_pb2 import CallMeta, Hello
from framedrpc.wire import CALL, DATA, END, HELLO, LAST, PREFACE, frame

from ..raw import Raw, instruct, pattern
from ..registry import SERVER, case
from ..server import PROTOCOL_ERROR, RESOURCE_EXHAUSTED, UNAVAILABLE, Server


@case(SERVER)
def stream_id_even(s: Server) -> None:
    raw = s.connect()
    raw.call(2, "Unary")
    raw.goaway(PROTOCOL_ERROR)
    raw.wait_closed()


@case(SERVER)
def stream_id_reuse(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary")
    raw.ok(1)
    raw.call(1, "Unary")
    raw.goaway(PROTOCOL_ERROR)
    raw.wait_closed()


@case(SERVER)
def stream_id_backwards(s: Server) -> None:
    raw = s.connect()
    raw.call(5, "Unary")
    raw.ok(5)
    raw.call(3, "Unary")
    raw.goaway(PROTOCOL_ERROR)
    raw.wait_closed()


@case(SERVER)
def stream_id_exhausted(s: Server) -> None:
    """The last id there is works; one above it is no id."""
    raw = s.connect()
    raw.call(0x7FFF_FFFF, "Unary", instruct(payload=b"last"))
    assert raw.ok(0x7FFF_FFFF).payload == b"last"
    head = CallMeta(method="grpc.health.v1.Health/Check").SerializeToString()
    raw.send(frame(CALL, LAST, len(head), 0x8000_0001, head))
    raw.goaway(PROTOCOL_ERROR)


@case(SERVER, limits={"max_streams": 100})
def max_streams_refused(s: Server) -> None:
    raw = s.connect()
    raw.settle(0.1)
    assert Hello.FromString(raw.wait(lambda found: found.kind == HELLO).payload).max_streams == 100
    for index in range(100):
        raw.call(2 * index + 1, "Unary", instruct(delay_ms=60_000, tag="m"), later=True)
    raw.send()
    s.until(lambda: s.observe("m").running == 100, "a hundred handlers run")
    raw.call(201, "Unary", instruct(tag="m"))
    assert raw.fails(201, RESOURCE_EXHAUSTED, refused=True).end.retry_after_ms >= 0
    # An END frees a slot; a CANCEL alone does not.
    raw.cancel(1)
    raw.end(1)
    raw.lives(203)
    assert s.observe("m").most_running == 100


@case(SERVER)
def hello_floor_race(s: Server) -> None:
    """Calls behind our HELLO, before the server's is read; and credit of what our HELLO says, not of the floor."""
    raw = s.connect(greet=False)
    hello = frame(HELLO, 0, 0, 0, Hello(initial_credit=200_000, max_frame=16_384).SerializeToString())
    head = CallMeta(method="conformance.v1.ConformanceService/Unary").SerializeToString()
    request = instruct(sizes=[150_000])
    raw.send(PREFACE + hello + frame(CALL, LAST, len(head), 1, head + request))
    assert Report.FromString(raw.message(1, grant=False)[0]).payload == pattern(150_000)


@case(SERVER)
def hello_too_tight(s: Server) -> None:
    for field, value in (("max_frame", 16_383), ("max_message", 1_000), ("initial_credit", 65_535), ("min_ping_ms", 10_001)):
        raw = s.connect(hello=Hello(**{field: value}))
        raw.goaway(PROTOCOL_ERROR)
        raw.wait_closed()


@case(SERVER)
def hello_twice(s: Server) -> None:
    raw = s.connect()
    raw.send(frame(HELLO, 0, 0, 0, b""))
    raw.goaway(PROTOCOL_ERROR)
    raw.wait_closed()


@case(SERVER)
def hello_grease(s: Server) -> None:
    """Unknown fields of HELLO, unknown frames that may be ignored, flags that mean nothing."""
    raw = s.connect(greet=False)
    unknown = Hello(agent="grease").SerializeToString() + b"\xfa\x7f\x03abc" + b"\xf0\x7f\x05"
    raw.send(PREFACE + frame(HELLO, 0x40, 9, 0, unknown))
    for kind in (0x70, 0x7F, 0x2A):
        raw.send(frame(kind, 0x80 | 0x40, 0, random.randrange(1 << 31), random.randbytes(random.randrange(100))))
    raw.lives(1)


@case(SERVER)
def preface_split(s: Server) -> None:
    """Preface, HELLO and a call, a byte a time."""
    raw = s.connect(greet=False)
    head = CallMeta(method="conformance.v1.ConformanceService/Unary").SerializeToString()
    for byte in PREFACE + frame(HELLO, 0, 0, 0, b"") + frame(CALL, LAST, len(head), 1, head + instruct(payload=b"slow")):
        raw.send(bytes([byte]))
    assert raw.ok(1).payload == b"slow"


@case(SERVER)
def goaway_of_client(s: Server) -> None:
    """A client's GOAWAY: calls under way end, new ones do not begin, then the connection closes."""
    raw = s.connect()
    raw.call(1, "Unary", instruct(delay_ms=500))
    raw.send(frame(8, 0, 0, 0, bytes(8)))
    raw.call(3, "Unary")
    raw.fails(3, UNAVAILABLE, refused=True)
    raw.ok(1)
    raw.wait_closed()


@case(SERVER, limits={"max_streams": 100, "abuse_tokens": 0})
def made_you_reset(s: Server) -> None:
    """An END provoked by a bad frame frees no slot while the handler runs."""
    raw = s.connect()
    for index in range(100):
        raw.call(2 * index + 1, "Unary", instruct(delay_ms=6_000, ignore_cancel=True, tag="y"), later=True)
    raw.send()
    s.until(lambda: s.observe("y").running == 100, "a hundred handlers run")
    raw.send(frame(DATA, LAST, 0, 1, b""))
    for index in range(1, 100):
        raw.cancel(2 * index + 1)
    for index in range(100):
        raw.call(201 + 2 * index, "Unary", instruct(tag="y"), later=True)
    raw.send()
    for index in range(100):
        raw.fails(201 + 2 * index, RESOURCE_EXHAUSTED, refused=True)
    assert not [found for found in raw.frames if found.kind == END and found.stream < 200], "END while the handler runs"
    assert s.observe("y").most_running == 100


def _reset(raw: Raw) -> None:
    cancel = 0x05
    for index in range(5_000):
        stream = 2 * index + 1
        raw.call(stream, "Unary", instruct(delay_ms=60_000, tag="r"), later=True)
        raw.queue(frame(cancel, 0, 1, stream))
        if index % 50 == 49:
            if raw.is_closed:
                return
            raw.send()


@case(SERVER, limits={"max_streams": 100, "abuse_tokens": 0})
def rapid_reset(s: Server) -> None:
    """As fast as a peer can send, and nothing is counted: never more handlers than max_streams."""
    raw = s.connect()
    _reset(raw)
    assert 0 < s.observe("r").most_running <= 100
    s.until(lambda: s.observe("r").running == 0, "every handler has returned")
    raw.settle(0.2)
    raw.lives(10_001)


@case(SERVER, limits={"max_streams": 100})
def rapid_reset_calm(s: Server) -> None:
    """With the bucket: GOAWAY(CALM) once its tokens are spent."""
    raw = s.connect()
    _reset(raw)
    raw.goaway(4)
    raw.wait_closed()
    assert s.observe("r").most_running <= 100
    assert 200 <= s.observe("r").started <= 1_000
