"""Streams of every mode: order, ends, places."""

from conformance.v1.conformance_pb2 import Report, TopicRequest, Value
from framedrpc.v1.wire_pb2 import ResumePoint
from framedrpc.wire import DATA, END, NO_MESSAGE

from ..raw import Frame, Raw, instruct, pattern
from ..registry import SERVER, case
from ..server import OUT_OF_RANGE, Server


def topic(name: str) -> bytes:
    return TopicRequest(topic=name).SerializeToString()


def values_until_end(raw: Raw, stream: int) -> tuple[list[tuple[str, bytes, int]], Frame]:
    """key, payload and seq of each message, and the END."""
    values = []
    while True:
        found = raw.wait(lambda found: found.stream == stream and found.kind in (DATA, END))
        if found.kind == END:
            return values, found
        if not found.flags & NO_MESSAGE:
            value = Value.FromString(found.body)
            values.append((value.key, value.payload, found.data.seq))


@case(SERVER)
def server_stream_order(s: Server) -> None:
    raw = s.connect()
    sizes = [31_415, 9, 2_653, 58_979]
    raw.call(1, "Export", instruct(sizes=sizes))
    for index, size in enumerate(sizes):
        report = Report.FromString(raw.message(1)[0])
        assert (report.index, report.payload) == (index, pattern(size))
    found = raw.end(1)
    assert found.end.code == 0
    assert found.flags & NO_MESSAGE, "END of a stream carries a message"


@case(SERVER)
def stream_zero_messages(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Export")
    assert raw.end(1).end.code == 0
    raw.call(3, "Export", instruct(code=5, message="nothing"))
    raw.fails(3, 5)
    assert not [found for found in raw.frames if found.kind == DATA and not found.flags & NO_MESSAGE]


@case(SERVER)
def stream_error_after_messages(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "Export", instruct(sizes=[10, 20], code=15, message="half"))
    for size in (10, 20):
        assert Report.FromString(raw.message(1)[0]).payload == pattern(size)
    assert raw.fails(1, 15).end.message == "half"


@case(SERVER)
def terminal_state_delivered(s: Server) -> None:
    """The newest value leaves before END, however late the credit."""
    raw = s.connect()
    raw.call(1, "Watch", topic("t"), initial_credit=0)
    s.streams("t", 1)
    s.publish("t", *[("k", b"%d" % index) for index in range(100)], finish=True)
    raw.settle(0.3)
    assert not [found for found in raw.frames if found.kind == END], "END before the newest value"
    raw.credit(1, 65_536)
    values, end = values_until_end(raw, 1)
    assert values[-1] == ("k", b"99", 100)
    assert end.end.code == 0


@case(SERVER)
def resume_replay(s: Server) -> None:
    s.publish("r", *[("k", b"%d" % index) for index in range(1, 11)])
    raw = s.connect()
    raw.call(1, "Events", topic("r"))
    s.streams("r", 1)
    s.publish("r", ("k", b"11"))
    epoch = raw.data(1).data.epoch
    raw.cancel(1)
    raw.end(1)
    s.streams("r", 0)
    raw.call(3, "Events", topic("r"), resume=ResumePoint(epoch=epoch, after_seq=4))
    s.streams("r", 1)
    s.publish("r", finish=True)
    values, _ = values_until_end(raw, 3)
    assert [seq for _, _, seq in values] == list(range(5, 12))
    assert [payload for _, payload, _ in values] == [b"%d" % index for index in range(5, 12)]
    # From before what is kept: said with the oldest place.
    s.publish("r", forget_to=6)
    raw.call(5, "Events", topic("r"), resume=ResumePoint(epoch=epoch, after_seq=4))
    assert raw.fails(5, OUT_OF_RANGE).end.resume_seq == 6


def _resumed(s: Server, name: str, resume: ResumePoint | None, stream: int, raw: Raw) -> list[Frame]:
    """Frames of a watch up to its first bookmark."""
    raw.call(stream, "Watch", topic(name), resume=resume)
    found = []
    while True:
        found.append(raw.wait(lambda part: part.stream == stream and part.kind == DATA))
        if found[-1].flags & NO_MESSAGE and found[-1].data.HasField("safe_seq"):
            return found
        if resume is not None and not found[0].data.snapshot and found[-1].data.safe_seq in (0, found[-1].data.seq):
            # Changes alone need no bookmark behind them.
            return found


@case(SERVER)
def resume_snapshot(s: Server) -> None:
    s.publish("s", ("a", b"1"), ("b", b"2"), ("a", b"3"), Value(key="gone", removed=True))
    raw = s.connect()
    found = _resumed(s, "s", None, 1, raw)
    assert found[0].data.snapshot, "the first frame does not say that the full state begins"
    assert not any(part.data.snapshot for part in found[1:])
    values = {Value.FromString(part.body).key: part.data.seq for part in found if not part.flags & NO_MESSAGE}
    assert values == {"a": 3, "b": 2}
    assert found[-1].data.safe_seq == 4
    epoch = found[0].data.epoch
    # A place that is no longer kept.
    s.publish("s", forget_to=4)
    assert _resumed(s, "s", ResumePoint(epoch=epoch, after_seq=2), 3, raw)[0].data.snapshot


@case(SERVER)
def resume_epoch_changed(s: Server) -> None:
    s.publish("e", ("a", b"1"))
    raw = s.connect()
    epoch = _resumed(s, "e", None, 1, raw)[0].data.epoch
    found = _resumed(s, "e", ResumePoint(epoch=epoch + 1, after_seq=1), 3, raw)
    assert found[0].data.snapshot
    assert found[0].data.epoch == epoch


@case(SERVER)
def resume_future_seq(s: Server) -> None:
    s.publish("f", ("a", b"1"))
    raw = s.connect()
    epoch = _resumed(s, "f", None, 1, raw)[0].data.epoch
    assert _resumed(s, "f", ResumePoint(epoch=epoch, after_seq=1_000), 3, raw)[0].data.snapshot


@case(SERVER)
def resume_multi_key(s: Server) -> None:
    """safe_seq holds back for every pending key."""
    raw = s.connect()
    raw.call(1, "Watch", topic("m"), initial_credit=0)
    s.streams("m", 1)
    s.publish("m", ("A", b"1"), ("B", b"2"), ("A", b"3"))
    raw.credit(1, 65_536)
    first = raw.data(1)
    second = raw.data(1)
    assert [(Value.FromString(part.body).key, part.data.seq) for part in (first, second)] == [("A", 3), ("B", 2)]
    assert first.data.safe_seq == 1, f"safe_seq {first.data.safe_seq} while change 2 has not left"
    assert second.data.safe_seq == 3
    assert first.flags & 0x10, "an older value of A was skipped: CONFLATED is not set"
    # Resumed at what was safe, the change that was pending comes again.
    raw.cancel(1)
    raw.call(3, "Watch", topic("m"), resume=ResumePoint(epoch=first.data.epoch, after_seq=1))
    values = {Value.FromString(raw.data(3).body).key for _ in range(2)}
    assert values == {"A", "B"}


@case(SERVER)
def resume_removed(s: Server) -> None:
    s.publish("x", ("a", b"1"), ("b", b"2"))
    raw = s.connect()
    found = _resumed(s, "x", None, 1, raw)
    s.publish("x", Value(key="a", removed=True))
    gone = raw.data(1)
    assert gone.data.removed
    assert Value.FromString(gone.body).key == "a"
    raw.call(3, "Watch", topic("x"), resume=ResumePoint(epoch=found[0].data.epoch, after_seq=2))
    again = raw.data(3)
    assert again.data.removed
