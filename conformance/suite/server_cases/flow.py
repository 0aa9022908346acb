"""Credit, fairness, and peers that do not take what they asked for."""

import time

from conformance.v1.conformance_pb2 import TopicRequest, Value
from framedrpc.v1.wire_pb2 import Hello
from framedrpc.wire import CREDIT, DATA, END, MORE, NO_MESSAGE

from ..raw import Raw, instruct, pattern
from ..registry import SERVER, case
from ..server import CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, Server


def _bytes_of(raw: Raw, stream: int) -> int:
    return sum(len(found.body) for found in raw.frames if found.stream == stream and found.kind in (DATA, END))


@case(SERVER)
def credit_exact(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Export", instruct(sizes=[6_000, 6_000]), initial_credit=4_096)
    raw.settle(0.3)
    assert _bytes_of(raw, 1) == 4_096, f"{_bytes_of(raw, 1)} bytes of 4,096"
    raw.credit(1, 5_000)
    raw.settle(0.3)
    assert _bytes_of(raw, 1) == 9_096, f"{_bytes_of(raw, 1)} bytes of 9,096"
    raw.credit(1, 100_000)
    assert raw.end(1).end.code == 0


@case(SERVER)
def credit_zero(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", instruct(sizes=[100]), initial_credit=0)
    raw.call(3, "Export", instruct(sizes=[100]), initial_credit=0)
    raw.settle(0.3)
    assert not raw.frames or not _bytes_of(raw, 1) + _bytes_of(raw, 3), "bytes without credit"
    raw.credit(3, 65_536)
    assert raw.message(3)[0]
    assert raw.end(3).end.code == 0
    raw.credit(1, 65_536)
    assert raw.ok(1).payload == pattern(100)


@case(SERVER, limits={"initial_credit": 65_536})
def credit_message_gt_window(s: Server) -> None:
    """Each way a message of many windows: the receiver grants while it is incomplete."""
    raw = s.connect()
    request = instruct(payload=pattern(400_000))
    left = 65_536 - 16_000
    for part in raw.fragments(1, "Unary", request, 16_000, initial_credit=20_000):
        while left < len(part) - 12:
            left += int.from_bytes(raw.wait(lambda found: found.kind == CREDIT and found.stream == 1).payload, "big")
        left -= len(part) - 12
        raw.send(part)
    assert raw.ok(1).payload == pattern(400_000)


@case(SERVER)
def credit_never_returned(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", instruct(sizes=[100_000]), initial_credit=4_096, timeout_ms=1_000)
    found = raw.fails(1, DEADLINE_EXCEEDED)
    assert found.flags & NO_MESSAGE
    raw.lives(3)


@case(SERVER)
def credit_end_waits_for_credit(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Unary", instruct(sizes=[20_000]), initial_credit=4_096)
    raw.call(3, "Unary", instruct(sizes=[20_000]), initial_credit=4_096)
    raw.settle(0.3)
    assert not [found for found in raw.frames if found.kind == END], "END without credit for its body"
    raw.credit(1, 65_536)
    assert raw.ok(1).payload == pattern(20_000)
    # A cancel takes the place of an END that waits.
    raw.cancel(3)
    raw.fails(3, CANCELLED)


@case(SERVER)
def no_read_deadlock(s: Server) -> None:
    """Both sides write more than the sockets hold; both go on reading."""
    raw = s.connect(buffers=4_096, hello=Hello(initial_credit=1 << 20))
    payload = pattern(15_000)
    for index in range(200):
        raw.call(2 * index + 1, "Unary", instruct(payload=payload), later=True)
        if index % 20 == 19:
            raw.send()
    for index in range(200):
        assert raw.ok(2 * index + 1).payload == payload


@case(SERVER)
def interleave_fairness(s: Server) -> None:
    """Small answers do not wait for large ones: frames of all streams that can send take turns."""
    raw = s.connect(buffers=65_536, hello=Hello(initial_credit=16 << 20, max_message=8 << 20))
    for stream in (1, 3):
        raw.call(stream, "Export", instruct(sizes=[3_500_000]), later=True)
    for stream in range(5, 45, 2):
        raw.call(stream, "Unary", instruct(sizes=[1_000]), later=True)
    raw.send()
    raw.end(1)
    raw.end(3)
    order = [found.stream for found in raw.frames if found.kind in (DATA, END)]
    last = {stream: len(order) - 1 - order[::-1].index(stream) for stream in set(order)}
    late = [stream for stream in range(5, 45, 2) if last[stream] > len(order) // 2]
    assert not late, f"small answers behind large ones: {late}"
    first, second = (order.index(stream) for stream in (1, 3))
    both = order[max(first, second) : min(last[1], last[3])]
    run = longest = 0
    for before, stream in zip(both, both[1:], strict=False):
        run = run + 1 if before == stream else 0
        longest = max(longest, run)
    assert longest <= 8, f"{longest + 1} frames of one stream in a row"


@case(SERVER)
def response_keeps_its_slot(s: Server) -> None:
    """A response that nobody takes keeps its slot, and the budget of the connection holds."""
    raw = s.connect(hello=Hello(max_message=8 << 20))
    raw.call(1, "Unary", instruct(sizes=[3_000_000]), initial_credit=4_096)
    raw.settle(0.2)
    raw.lives(3)
    raw.cancel(1)
    raw.fails(1, CANCELLED)


@case(SERVER, is_long=True)
def slow_consumer_latest(s: Server) -> None:
    """A watcher stands still while a thousand updates a second come: memory stays, and the last value of each key is right."""
    seconds = 60.0
    raw = s.connect(buffers=16_384)
    raw.call(1, "Watch", TopicRequest(topic="t").SerializeToString())
    s.streams("t", 1)
    s.publish("t", *[(f"k{index}", b"warm" * 250) for index in range(5)])
    before = s.program.memory()
    began = time.monotonic()
    count = 0
    while (left := began + seconds - time.monotonic()) > 0:
        s.publish("t", *[(f"k{index % 5}", b"%08d" % (count + index) + bytes(1_000)) for index in range(100)])
        count += 100
        time.sleep(min(0.1, left))
    grown = s.program.memory() - before
    assert count >= 15_000, f"only {count} updates"
    assert grown < 16 << 20, f"memory grew by {grown >> 20} MiB"
    s.publish("t", finish=True)
    newest: dict[str, bytes] = {}
    while True:
        found = raw.wait(lambda found: found.stream == 1)
        if found.kind == END:
            assert found.end.code == 0
            break
        if not found.flags & NO_MESSAGE:
            value = Value.FromString(found.body)
            newest[value.key] = value.payload[:8]
            raw.credit(1, len(found.body))
    assert newest == {f"k{index}": b"%08d" % (count - 5 + index) for index in range(5)}


@case(SERVER)
def slow_consumer_queue(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Events", TopicRequest(topic="q").SerializeToString(), initial_credit=4_096)
    s.streams("q", 1)
    s.publish("q", *[("k", pattern(1_000)) for _ in range(100)])
    found = raw.fails(1, RESOURCE_EXHAUSTED, refused=False)
    assert "SLOW_CONSUMER" in found.reasons
    whole = [part.data.seq for part in raw.frames if part.stream == 1 and part.kind == DATA and not part.flags & MORE]
    assert found.end.resume_seq == (max(whole) if whole else 0)
    raw.lives(3)


@case(SERVER)
def slow_neighbour(s: Server) -> None:
    """A stream whose credit is not returned holds up no other of its connection."""
    raw = s.connect()
    for stream in (1, 3, 5):
        raw.call(stream, "Export", instruct(sizes=[100_000] * 3), initial_credit=4_096)
    raw.call(7, "Watch", TopicRequest(topic="n").SerializeToString())
    s.streams("n", 1)
    for index in range(20):
        s.publish("n", ("k", b"%d" % index))
        raw.lives(9 + 2 * index)
    assert raw.data(7)
