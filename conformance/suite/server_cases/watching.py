"""Signs of life, health, reflection, and many watchers."""

import threading
import time

from conformance.v1.conformance_pb2 import Value
from framedrpc.v1.reflection_pb2 import GetSchemaResponse
from framedrpc.v1.wire_pb2 import ResumePoint
from framedrpc.wire import DATA, NO_MESSAGE
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from ..raw import Raw, instruct
from ..registry import SERVER, case
from ..server import NOT_FOUND, Server
from .streams import topic


@case(SERVER, is_long=True)
def bookmark_liveness(s: Server) -> None:
    raw = s.connect()
    # Three wishes: within bounds, too short, too long.
    for stream, wish, granted in ((1, 6_000, 6_000), (3, 1, 5_000), (5, 3_600_000, 60_000)):
        raw.call(stream, "Watch", topic("b"), max_silence_ms=wish)
        assert raw.bookmark(stream).data.silence_ms == granted
    raw.call(7, "Watch", topic("b"))
    assert raw.bookmark(7).data.silence_ms == 15_000
    began = time.monotonic()
    assert raw.bookmark(3, seconds=8).data.HasField("safe_seq")
    assert time.monotonic() - began > 3, "a bookmark long before its time"
    assert raw.bookmark(1, seconds=9)


@case(SERVER, is_long=True)
def bookmark_liveness_queue(s: Server) -> None:
    """QUEUE and BLOCK streams say that they live, too: once a silence, not more."""
    raw = s.connect()
    raw.call(1, "Events", topic("bq"), max_silence_ms=5_000)
    raw.call(3, "Export", instruct(sizes=[10, 10], delay_ms=8_000), max_silence_ms=5_000)
    raw.settle(11)
    for stream, expected in ((1, 2), (3, 1)):
        signs = [found for found in raw.frames if found.kind == DATA and found.stream == stream and found.flags & NO_MESSAGE]
        assert len(signs) == expected, f"{len(signs)} signs of life of stream {stream} in 11 s"


@case(SERVER)
def health_watch(s: Server) -> None:
    raw = s.connect()
    raw.call(1, "grpc.health.v1.Health/Watch")
    assert raw.data(1).body == b"\x08\x01", "not SERVING"
    raw.call(3, "grpc.health.v1.Health/Check", b"\x0a\x02no")
    raw.fails(3, NOT_FOUND)


@case(SERVER)
def reflection_complete(s: Server) -> None:
    """Every service named is described, with everything its messages need."""
    raw = s.connect()
    raw.call(1, "framedrpc.v1.ReflectionService/GetSchema")
    body, _ = raw.message(1)
    answer = GetSchemaResponse.FromString(body)
    expected = {"conformance.v1.ConformanceService", "framedrpc.v1.ReflectionService", "grpc.health.v1.Health"}
    assert expected <= set(answer.services)
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(answer.file_descriptor_set).file:
        pool.Add(file)
    for name in answer.services:
        service = pool.FindServiceByName(name)
        assert service.methods
        for method in service.methods:
            assert method.input_type is not None and method.output_type is not None
    method = pool.FindMethodByName("conformance.v1.ConformanceService.Watch")
    assert method.server_streaming


@case(SERVER)
def thousand_parallel(s: Server) -> None:
    raw = s.connect()
    for index in range(1_000):
        raw.call(2 * index + 1, "Unary", instruct(payload=b"%d" % index, delay_ms=200, tag="k"), later=True)
    raw.send()
    for index in reversed(range(1_000)):
        assert raw.ok(2 * index + 1).payload == b"%d" % index
    assert s.observe("k").most_running == 1_000


@case(SERVER, is_long=True)
def soak(s: Server) -> None:
    """Many calls of every kind, some cancelled, on connections that come and go: nothing is left, and memory stays."""
    def round_of_calls() -> None:
        with Raw(s.program.port, s.program.authority) as raw:
            for index in range(300):
                stream = 2 * index + 1
                if index % 3 == 0:
                    raw.call(stream, "Export", instruct(sizes=[100, 200], tag="s"), later=True)
                elif index % 10 == 1:
                    raw.call(stream, "Watch", topic("soak"), later=True)
                else:
                    raw.call(stream, "Unary", instruct(sizes=[1_000], tag="s"), later=True)
            raw.send()
            for index in range(300):
                if index % 3 and index % 10 == 1:
                    continue
                assert raw.end(2 * index + 1).end.code == 0

    for _ in range(3):
        round_of_calls()
    before = s.program.memory()
    for _ in range(20):
        round_of_calls()
    s.until(lambda: s.observe("s").running == 0, "every handler has returned")
    s.streams("soak", 0)
    grown = s.program.memory() - before
    assert grown < 8 << 20, f"memory grew by {grown >> 10} KiB"


@case(SERVER, is_long=True)
def reconnect_storm(s: Server) -> None:
    """Two hundred watchers lose their connections at once and come back at once: each gets what it missed."""
    count = 200
    s.publish("storm", ("k", b"before"))
    connections: list[Raw | None] = [None] * count
    places: list[ResumePoint | None] = [None] * count
    errors: list[BaseException] = []

    def watch(index: int) -> None:
        try:
            raw = Raw(s.program.port, s.program.authority)
            connections[index] = raw
            raw.call(1, "Watch", topic("storm"), resume=places[index])
            found = raw.data(1, seconds=60)
            expected = b"before" if places[index] is None else b"after"
            assert Value.FromString(found.body).payload == expected
            places[index] = ResumePoint(epoch=found.data.epoch or (places[index] or ResumePoint()).epoch, after_seq=found.data.seq)
        except BaseException as error:  # noqa: BLE001 # told below
            errors.append(error)

    for wave in range(2):
        threads = [threading.Thread(target=watch, args=(index,)) for index in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        if errors:
            raise errors[0]
        for raw in connections:
            if raw is not None:
                raw.close()
        if wave == 0:
            s.publish("storm", ("k", b"after"))
    s.streams("storm", 0)
