"""Peers that mean harm, or another protocol."""

import socket
import ssl
import time

from framedrpc.v1.wire_pb2 import CallMeta
from framedrpc.wire import CALL, CANCEL, COMPRESSED, CREDIT, GOAWAY, LAST, MORE, PREFACE, frame

from ..raw import instruct
from ..registry import SERVER, case
from ..server import FRAME_SIZE, PROTOCOL_ERROR, UNIMPLEMENTED, Server


def _closes(plain: socket.socket, seconds: float) -> float:
    """Waits for the server to close; returns how long it took."""
    began = time.monotonic()
    plain.settimeout(seconds)
    try:
        while plain.recv(65_536):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        raise AssertionError(f"still open after {seconds:g} s") from None
    return time.monotonic() - began


@case(SERVER, is_long=True)
def slowloris_handshake(s: Server) -> None:
    """A peer that says nothing, and one that stops within its ClientHello."""
    for opening in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        with socket.create_connection(("127.0.0.1", s.program.port), 20) as plain:
            plain.sendall(opening)
            assert 3 < _closes(plain, 10) < 8


@case(SERVER)
def slowloris_hello(s: Server) -> None:
    """TLS, and no HELLO."""
    raw = s.connect(greet=False)
    raw.send(PREFACE[:3])
    raw.wait_closed(10)


@case(SERVER, is_long=True)
def slowloris_frame(s: Server) -> None:
    """A frame begun and left."""
    raw = s.connect()
    raw.settle(0.1)
    raw.send(frame(CALL, LAST, 0, 1, bytes(5_000))[:100])
    raw.wait_closed(25)


@case(SERVER, is_long=True)
def slowloris_drip(s: Server) -> None:
    """A frame that comes a byte a time."""
    raw = s.connect()
    began = time.monotonic()
    for byte in frame(CALL, LAST, 0, 1, bytes(5_000)):
        if raw.is_closed:
            break
        raw.send(bytes([byte]))
        raw.settle(0.2)
        assert time.monotonic() - began < 30, "a byte every 200 ms is still read after 30 s"
    assert raw.is_closed


@case(SERVER)
def length_4GiB(s: Server) -> None:
    raw = s.connect()
    raw.send(b"\xff\xff\xff\xff\x02\x01\x00\x00\x00\x00\x00\x01")
    raw.goaway(FRAME_SIZE)
    raw.wait_closed()


@case(SERVER)
def http_on_port(s: Server) -> None:
    """HTTP in the clear, and HTTP within TLS."""
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", s.program.port), 20) as plain:
        plain.sendall(request)
        _closes(plain, 10)
    raw = s.connect(greet=False)
    raw.send(request)
    raw.wait_closed()
    assert not [found for found in raw.frames if found.kind == GOAWAY], "a word to a peer that speaks something else"


@case(SERVER)
def no_alpn(s: Server) -> None:
    try:
        raw = s.connect(alpn=None)
        raw.wait_closed()
    except AssertionError as error:
        assert "TLS handshake" in str(error), error


@case(SERVER)
def version_mismatch(s: Server) -> None:
    """Another ALPN id; our id, and another preface."""
    try:
        s.connect(alpn="framed-rpc/2").wait_closed()
    except ssl.SSLError as error:
        assert "ALERT" in str(error).upper(), error
    except AssertionError as error:
        assert "TLS handshake" in str(error), error
    raw = s.connect(greet=False)
    raw.send(PREFACE.replace(b"1", b"2"))
    raw.wait_closed()


@case(SERVER)
def compress_bomb(s: Server) -> None:
    raw = s.connect()
    head = CallMeta(method="conformance.v1.ConformanceService/Unary", message_bytes=1 << 20).SerializeToString()
    raw.send(frame(CALL, LAST | COMPRESSED, len(head), 1, head + b"\x78\x9c" + bytes(1_000)))
    raw.fails(1, UNIMPLEMENTED)
    raw.lives(3)


@case(SERVER)
def compress_unnegotiated(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", instruct(payload=b"x"), LAST | COMPRESSED)
    raw.fails(1, UNIMPLEMENTED)
    raw.call(3, "Unary", b"xx", MORE | COMPRESSED, message_bytes=4)
    raw.fails(3, UNIMPLEMENTED)
    raw.lives(5)


@case(SERVER)
def honest_crossing_frames(s: Server) -> None:
    """CREDIT and CANCEL that cross END on their way are no abuse, however many calls there are."""
    raw = s.connect()
    for index in range(500):
        stream = 2 * index + 1
        raw.call(stream, "Unary", instruct(payload=b"x"), later=True)
    raw.send()
    for index in range(500):
        stream = 2 * index + 1
        raw.ok(stream)
        for _ in range(3):
            raw.queue(frame(CREDIT, 0, 0, stream, (65_536).to_bytes(4, "big")))
        raw.queue(frame(CANCEL, 0, 1, stream))
    raw.send()
    raw.settle(0.2)
    raw.lives(1_001)
    assert not [found for found in raw.frames if found.kind == GOAWAY]


@case(SERVER)
def unread_refusals(s: Server) -> None:
    """A client that sends calls to be refused and reads nothing makes the server stop reading, not grow."""
    raw = s.connect(buffers=16_384)
    before = s.program.memory()
    raw.socket.setblocking(False)
    for index in range(20_000):
        raw.call(2 * index + 1, "no.such/Method" + "x" * 200, later=True)
    raw._unsent += raw._out.read()
    deadline = time.monotonic() + 3
    sent = 0
    while time.monotonic() < deadline:
        try:
            count = raw.socket.send(raw._unsent[sent : sent + 65_536])
            sent += count
        except BlockingIOError:
            time.sleep(0.05)
    grown = s.program.memory() - before
    assert grown < 16 << 20, f"memory grew by {grown >> 10} KiB"
    raw._unsent = raw._unsent[sent:]
    raw.send()
    raw.lives(40_001)


@case(SERVER)
def ignorable_in_hello_phase(s: Server) -> None:
    """Nothing comes before HELLO, also nothing that may be ignored."""
    raw = s.connect(greet=False)
    raw.send(PREFACE + frame(0x70, 0x80, 0, 0, b""))
    raw.goaway(PROTOCOL_ERROR)
    raw.wait_closed()
