"""Unary calls: messages, statuses, metadata, deadlines, cancels."""

import time

from conformance.v1.conformance_pb2 import Report
from framedrpc.v1.wire_pb2 import CallMeta, Detail, Header
from framedrpc.wire import CALL, CANCEL, DATA, END, LAST, MORE, frame

from ..raw import instruct, pattern
from ..registry import SERVER, case
from ..server import (
    CANCELLED, DEADLINE_EXCEEDED, INTERNAL, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED, Server,
)  # fmt: skip


@case(SERVER)
def empty_unary(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary")
    assert raw.ok(1).payload == b""


@case(SERVER)
def large_unary(s: Server) -> None:
    raw = s.connect()
    request = instruct(payload=pattern(271_828), sizes=[314_159])
    for part in raw.fragments(1, "Unary", request, 16_000):
        raw.send(part)
    assert raw.ok(1).payload == pattern(314_159)


@case(SERVER, limits={"max_message": 1 << 20, "initial_credit": 4 << 20})
def max_message_equal(s: Server) -> None:
    raw = s.connect()
    envelope = len(instruct(payload=bytes(1 << 19), sizes=[1])) - (1 << 19)
    request = instruct(payload=bytes((1 << 20) - envelope), sizes=[1])
    assert len(request) == 1 << 20
    raw.send(b"".join(raw.fragments(1, "Unary", request, 16_000)))
    assert raw.ok(1).payload == pattern(1)


@case(SERVER, limits={"max_message": 1 << 20, "initial_credit": 4 << 20})
def max_message_plus_one(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", b"\x12", MORE, message_bytes=(1 << 20) + 1)
    found = raw.fails(1, RESOURCE_EXHAUSTED)
    assert found.end.details, "limit and size stand in no detail"
    # What was on its way already is dropped, and costs nothing.
    for _ in range(8):
        raw.send(frame(DATA, MORE, 0, 1, bytes(16_000)))
    raw.lives(3)


@case(SERVER)
def message_bytes_wrong(s: Server) -> None:
    raw = s.connect()
    for stream, stated, parts in ((1, 10, (4, 4)), (3, 10, (4, 8)), (5, 6, (4, 4))):
        raw.call(stream, "Unary", bytes(parts[0]), MORE, message_bytes=stated)
        raw.send(frame(DATA, LAST, 0, stream, bytes(parts[1])))
        assert "PROTOCOL_VIOLATION" in raw.fails(stream, INTERNAL).reasons
    raw.lives(7)


@case(SERVER)
def unimplemented_method(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "NoSuchMethod")
    raw.fails(1, UNIMPLEMENTED)
    raw.lives(3)


@case(SERVER)
def unimplemented_service(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "no.such.Service/Method")
    raw.fails(1, UNIMPLEMENTED)
    raw.lives(3)


@case(SERVER)
def unimplemented_client_streaming(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", flags=0)
    raw.fails(1, UNIMPLEMENTED, refused=True)
    raw.lives(3)


@case(SERVER)
def status_all_16(s: Server) -> None:
    raw = s.connect()
    for code in range(1, 17):
        raw.call(2 * code - 1, "Unary", instruct(code=code, message=f"code {code}"))
        assert raw.fails(2 * code - 1, code, refused=False).end.message == f"code {code}"


@case(SERVER)
def status_unicode(s: Server) -> None:
    raw = s.connect()
    text = "straße ☃ 𝄞 \u0000 %41"
    raw.call(1, "Unary", instruct(code=5, message=text))
    assert raw.fails(1, 5).end.message == text
    # A message too long is cut, never inside a character.
    raw.call(3, "Unary", instruct(code=5, message="x" + "☃" * 1_000))
    cut = raw.fails(3, 5).end.message
    assert cut == "x" + "☃" * (len(cut) - 1)
    assert 1_000 <= len(cut.encode()) <= 1_024


@case(SERVER)
def status_details(s: Server) -> None:
    raw = s.connect()
    details = [Detail(type_url="type.googleapis.com/a.B", value=b"\x00\xff"), Detail(type_url="type.googleapis.com/c.D")]
    trailers = [Header(key="t", value=b"\x01"), Header(key="t", value=b"\x02")]
    raw.call(1, "Unary", instruct(code=9, details=details, trailers=trailers, retry_after_ms=-1))
    end = raw.fails(1, 9).end
    assert list(end.details) == details
    assert list(end.trailers) == trailers
    assert end.retry_after_ms == -1


@case(SERVER)
def status_oversize_details(s: Server) -> None:
    raw = s.connect()
    many = [Detail(type_url="type.googleapis.com/a.B", value=bytes([index]) * 3_000) for index in range(6)]
    raw.call(1, "Unary", instruct(code=9, message="m" * 900, details=many, retry_after_ms=7))
    found = raw.fails(1, 9)
    assert found.aux <= 8_192
    assert list(found.end.details) == many[:2], "details are not cut from the end"
    assert found.end.message == "m" * 900
    assert found.end.retry_after_ms == 7
    # Trailers go before the message, and details before both.
    trailers = [Header(key=f"k{index}", value=bytes(3_000)) for index in range(4)]
    raw.call(3, "Unary", instruct(code=9, message="m", details=many[:1], trailers=trailers, retry_after_ms=8))
    end = raw.fails(3, 9).end
    assert (len(end.details), len(end.trailers), end.message, end.retry_after_ms) == (0, 2, "m", 8)


def _echoed(s: Server, entries: list[tuple[str, bytes]]) -> None:
    raw = s.connect()
    raw.call(1, "Unary", metadata=[Header(key=key, value=value) for key, value in entries])
    assert [(entry.key, entry.value) for entry in raw.ok(1).metadata] == entries


@case(SERVER)
def metadata_echo(s: Server) -> None:
    _echoed(s, [("a", b"1"), ("x-tenant_id.2", b"two")])


@case(SERVER)
def metadata_duplicate(s: Server) -> None:
    _echoed(s, [("a", b"1"), ("b", b"x"), ("a", b"2")])


@case(SERVER)
def metadata_binary(s: Server) -> None:
    _echoed(s, [("bin", bytes(range(256))), ("empty", b"")])


@case(SERVER)
def metadata_too_many(s: Server) -> None:
    raw = s.connect()
    entries = [Header(key="k", value=b"v")] * 65
    raw.call(1, "Unary", metadata=entries)
    raw.fails(1, INVALID_ARGUMENT, refused=True)
    raw.call(3, "Unary", metadata=entries[:64])
    assert len(raw.ok(3).metadata) == 64
    for stream, key in ((5, "Upper"), (7, "sp ace"), (9, "")):
        raw.call(stream, "Unary", metadata=[Header(key=key, value=b"")])
        raw.fails(stream, INVALID_ARGUMENT, refused=True)


@case(SERVER)
def deadline_propagated(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", timeout_ms=5_000)
    assert 3_000 < raw.ok(1).time_left_ms <= 5_000
    # A unary call without one gets the server's; a stream none.
    raw.call(3, "Unary")
    assert raw.ok(3).HasField("time_left_ms")
    raw.call(5, "Export", instruct(sizes=[1]))
    assert not Report.FromString(raw.message(5)[0]).HasField("time_left_ms")


@case(SERVER)
def deadline_server(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", instruct(delay_ms=60_000, tag="d"), timeout_ms=300)
    raw.fails(1, DEADLINE_EXCEEDED, refused=False)
    s.until(lambda: s.observe("d").cancelled == 1, "the handler is told")
    # On a stream it bounds the whole of it.
    raw.call(3, "Export", instruct(sizes=[1] * 1_000, delay_ms=50), timeout_ms=300)
    raw.fails(3, DEADLINE_EXCEEDED)


@case(SERVER, limits={"max_timeout_ms": 400})
def deadline_clamped(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", instruct(delay_ms=60_000), timeout_ms=600_000)
    raw.fails(1, DEADLINE_EXCEEDED)


@case(SERVER)
def deadline_expired_on_arrival(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", instruct(tag="e"), timeout_ms=0)
    raw.fails(1, DEADLINE_EXCEEDED, refused=True)
    assert s.observe("e").started == 0


@case(SERVER)
def cancel_before_start(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", b"\x0a", MORE, message_bytes=100)
    raw.cancel(1)
    raw.fails(1, CANCELLED)
    raw.lives(3)


@case(SERVER)
def cancel_after_first(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Export", instruct(sizes=[10] * 1_000, delay_ms=20, tag="c"))
    raw.data(1)
    raw.cancel(1)
    raw.fails(1, CANCELLED)
    s.until(lambda: s.observe("c").running == 0, "the handler returns")
    raw.lives(3)


@case(SERVER)
def cancel_after_last(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary")
    raw.ok(1)
    raw.cancel(1)
    raw.settle(0.1)
    assert not [found for found in raw.frames if found.stream == 1], "a frame behind END"
    raw.lives(3)


@case(SERVER)
def cancel_twice(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", instruct(delay_ms=60_000))
    raw.cancel(1)
    raw.cancel(1)
    raw.fails(1, CANCELLED)
    raw.lives(3)
    assert not [found for found in raw.frames if found.kind == END], "a second END"


@case(SERVER)
def cancel_propagates(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", instruct(delay_ms=60_000, tag="p"))
    s.until(lambda: s.observe("p").running == 1, "the handler runs")
    raw.cancel(1)
    s.until(lambda: s.observe("p").cancelled == 1 and s.observe("p").running == 0, "the handler is told and returns")


@case(SERVER)
def client_gone(s: Server) -> None:
    raw = s.connect()
    for stream in (1, 3):
        raw.call(stream, "Unary", instruct(delay_ms=60_000, tag="g"))
    s.until(lambda: s.observe("g").running == 2, "the handlers run")
    raw.close()
    s.until(lambda: s.observe("g").cancelled == 2 and s.observe("g").running == 0, "the handlers are told and return")


@case(SERVER, is_long=True)
def handler_ignores_cancel(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", instruct(delay_ms=40_000, ignore_cancel=True, tag="i"))
    s.until(lambda: s.observe("i").running == 1, "the handler runs")
    began = time.monotonic()
    raw.cancel(1)
    raw.fails(1, CANCELLED, seconds=30)
    waited = time.monotonic() - began
    assert waited > 5, f"END after {waited:.1f} s: a handler still held its slot"
    assert s.observe("i").running == 1, "the handler has returned: the case shows nothing"


@case(SERVER)
def data_on_unary(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", instruct(delay_ms=60_000))
    raw.send(frame(DATA, LAST, 0, 1, b"more"))
    assert "PROTOCOL_VIOLATION" in raw.fails(1, INTERNAL).reasons
    raw.lives(3)


@case(SERVER)
def data_after_last(s: Server) -> None:
    raw = s.connect()
    for stream in (1, 3):
        raw.call(stream, "Unary", instruct(delay_ms=60_000))
    raw.send(frame(DATA, LAST, 0, 1, b""))
    raw.fails(1, INTERNAL)
    # The second on a connection ends it.
    raw.send(frame(DATA, LAST, 0, 3, b""))
    raw.goaway(1)
    raw.wait_closed()


@case(SERVER)
def call_twice(s: Server) -> None:
    raw = s.connect()
    head = CallMeta(method="grpc.health.v1.Health/Check").SerializeToString()
    raw.send(frame(CALL, LAST, len(head), 1, head) * 2)
    raw.goaway(1)
    raw.wait_closed()


@case(SERVER, is_long=True)
def request_incomplete(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", b"\x0a", MORE, message_bytes=100)
    raw.fails(1, DEADLINE_EXCEEDED, refused=True, seconds=45)
    raw.lives(3)


@case(SERVER)
def no_room_for_requests(s: Server) -> None:
    """Announced bytes count: over four messages' worth the fifth is refused, and the rest goes on."""
    raw = s.connect()
    for stream in (1, 3, 5, 7):
        raw.call(stream, "Unary", b"", MORE, message_bytes=4 << 20)
    raw.call(9, "Unary", b"", MORE, message_bytes=4 << 20)
    found = raw.fails(9, RESOURCE_EXHAUSTED, refused=True)
    assert found.end.retry_after_ms > 0
    raw.send(frame(CANCEL, 0, 1, 1))
    raw.fails(1, CANCELLED)
    raw.lives(11)


@case(SERVER)
def traceparent_roundtrip(s: Server) -> None:
    raw = s.connect()
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    raw.call(1, "Unary", traceparent=parent, tracestate="a=1,b=2", attempt=3, request_id=b"0123456789abcdef")
    report = raw.ok(1)
    assert (report.traceparent, report.tracestate, report.attempt) == (parent, "a=1,b=2", 3)
    assert report.request_id == b"0123456789abcdef"


@case(SERVER)
def access_log_fields(s: Server) -> None:
    raw = s.connect()
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    raw.call(1, "Unary", instruct(code=9), traceparent=parent, request_id=b"0123456789abcdef", attempt=2)
    raw.fails(1, 9)

    def line() -> dict[str, str]:
        lines = [line for line in s.program.log if line.get("traceparent") == parent]
        return lines[0] if lines else {}

    s.until(lambda: bool(line()), "a line in the access log")
    found = line()
    assert found["method"] == "conformance.v1.ConformanceService/Unary"
    assert found["code"] == "FAILED_PRECONDITION"
    assert found["principal"].endswith("/client")
    assert found["peer"].startswith("127.0.0.1:")
    assert found["request_id"] == b"0123456789abcdef".hex()
    assert found["attempt"] == "2"
    assert int(found["us"]) >= 0
