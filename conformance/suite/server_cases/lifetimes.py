"""PING, drain, idle connections, peers that are gone."""

import time

from framedrpc.v1.wire_pb2 import Hello
from framedrpc.wire import END, GOAWAY, PING

from ..raw import instruct, pattern
from ..registry import SERVER, case
from ..server import CALM, IDLE, UNAVAILABLE, Server
from .streams import topic


@case(SERVER)
def ping_ack(s: Server) -> None:
    raw = s.connect()
    raw.ping(b"\x01\x02\x03\x04\x05\x06\x07\x08")
    found = raw.wait(lambda found: found.kind == PING)
    assert (found.flags, found.payload) == (1, b"\x01\x02\x03\x04\x05\x06\x07\x08")
    # An ACK asks for nothing.
    raw.ping(flags=1)
    raw.settle(0.2)
    assert not [found for found in raw.frames if found.kind == PING]


@case(SERVER)
def ping_flood(s: Server) -> None:
    raw = s.connect()
    for _ in range(1_000):
        if raw.is_closed:
            break
        raw.ping()
    raw.goaway(CALM)
    raw.wait_closed()


@case(SERVER)
def ping_policy(s: Server) -> None:
    """Two early PINGs are forgiven, the third is not; what ACKs a server's own is never early."""
    raw = s.connect()
    for _ in range(3):
        raw.ping()
    raw.ping(flags=1)
    raw.settle(0.2)
    assert not [found for found in raw.frames if found.kind == GOAWAY]
    raw.ping()
    found = raw.goaway(CALM)
    assert b"min_ping_ms" in found.payload


@case(SERVER, is_long=True, limits={"ping_silence_ms": 1_000, "ping_timeout_ms": 1_000})
def ping_no_reader_client(s: Server) -> None:
    """A client that does not say `ping-ack` is never asked, and lives."""
    raw = s.connect()
    raw.call(1, "Watch", topic("p"))
    raw.settle(5)
    assert not [found for found in raw.frames if found.kind == PING]
    raw.lives(3)


@case(SERVER, limits={"ping_silence_ms": 500, "ping_timeout_ms": 1_000})
def half_open_peer(s: Server) -> None:
    """A client that says `ping-ack` is asked while it has streams; no answer ends its connection, an answer keeps it."""
    dead = s.connect(hello=Hello(features=["ping-ack"]))
    dead.call(1, "Watch", topic("h"))
    alive = s.connect(hello=Hello(features=["ping-ack"]))
    alive.call(1, "Watch", topic("h"))
    idle = s.connect(hello=Hello(features=["ping-ack"]))
    for _ in range(5):
        found = alive.wait(lambda found: found.kind == PING)
        alive.ping(found.payload, flags=1)
    dead.wait_closed()
    idle.settle(0.1)
    assert not [found for found in idle.frames if found.kind == PING], "asked without a stream"
    alive.lives(3)
    idle.lives(1)


@case(SERVER, limits={"idle_close_ms": 1_000})
def idle_close(s: Server) -> None:
    raw = s.connect()
    busy = s.connect()
    busy.call(1, "Unary", instruct(delay_ms=3_000))
    raw.goaway(IDLE)
    raw.wait_closed()
    busy.ok(1)


@case(SERVER)
def drain_watchers(s: Server) -> None:
    """With credit: the newest value, then its place. Without: the place says what is missing."""
    s.publish("d", ("k", b"1"))
    raw = s.connect()
    raw.call(1, "Watch", topic("d"))
    raw.bookmark(1)
    raw.call(3, "Watch", topic("d"), initial_credit=0)
    raw.call(5, "Unary", instruct(delay_ms=1_000, payload=b"finishes"))
    s.streams("d", 2)
    s.publish("d", ("k", b"2"))
    began = time.monotonic()
    s.program.tell(drain_ms=4_000)
    found = raw.wait(lambda found: found.kind == GOAWAY)
    assert found.aux == 0
    assert int.from_bytes(found.payload[4:8], "big") == 4_000
    raw.call(7, "Unary")
    raw.fails(7, UNAVAILABLE, refused=True)
    for stream, place in ((1, 2), (3, 0)):
        end = raw.fails(stream, UNAVAILABLE, refused=False).end
        assert end.resume_seq == place, f"stream {stream}: resume_seq {end.resume_seq}"
        assert 0 <= end.retry_after_ms <= 2_000
    assert raw.ok(5).payload == b"finishes"
    raw.wait_closed()
    assert time.monotonic() - began < 4.5
    assert s.program.hear() == {"drained": 1}


@case(SERVER)
def drain_hang(s: Server) -> None:
    """What has not ended at the end of the grace is cancelled, and the server is done."""
    raw = s.connect()
    raw.call(1, "Unary", instruct(delay_ms=60_000, tag="h"))
    raw.call(3, "Unary", instruct(sizes=[200_000]), initial_credit=4_096)
    s.until(lambda: s.observe("h").running == 1, "the handler runs")
    s.program.tell(drain_ms=1_000)
    for stream in (1, 3):
        raw.fails(stream, UNAVAILABLE, refused=False)
    raw.wait_closed()
    assert s.program.hear() == {"drained": 1}


@case(SERVER)
def drain_block_finishes(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Export", instruct(sizes=[100] * 10, delay_ms=100))
    raw.data(1)
    s.program.tell(drain_ms=5_000)
    assert raw.end(1).end.code == 0
    assert len([found for found in raw.frames if found.stream == 1 and found.kind == 0x03 and found.body]) == 9
    raw.wait_closed()


@case(SERVER)
def close_reads_what_comes(s: Server) -> None:
    """Closing does not destroy the GOAWAY: what a client still sends is read and dropped."""
    raw = s.connect()
    raw.queue(b"\x00\x00\x00\x00\x33\x00\x00\x00\x00\x00\x00\x00")
    for index in range(10):
        raw.call(2 * index + 1, "Unary", instruct(payload=pattern(10_000)), later=True)
    raw.send()
    raw.goaway(1)
    raw.wait_closed()
    assert not [found for found in raw.frames if found.kind == END]
