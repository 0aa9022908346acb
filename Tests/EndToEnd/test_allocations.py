"""How often a call asks for memory: a count, which does not depend on the machine. This is the build of the tests; an optimised one
asks once for an inline call (make bench-rpc)."""

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
sys.path[:0] = [str(CHECKOUT / "conformance"), str(CHECKOUT / "conformance/generated")]
from suite.credentials import Authority  # noqa: E402
from suite.programs import ServerProgram  # noqa: E402
from suite.raw import Raw  # noqa: E402

CALLS = 2_000


class Counted:
    """A server with a counter beneath its allocator."""

    def __init__(self, folder: Path) -> None:
        library, counts = folder / "allocations.so", folder / "counts"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", CHECKOUT / "Benchmarks/peers/allocations.c", "-o", library], check=True, timeout=60)
        counts.write_bytes(bytes(8))
        with counts.open("r+b") as file:
            self._counter = mmap.mmap(file.fileno(), 8)
        command = ["env", f"LD_PRELOAD={library}", f"ALLOCATIONS={counts}", str(CHECKOUT / ".build/debug/conformance-server")]
        self.program = ServerProgram(command, Authority(folder))
        self.raw = Raw(self.program.port, self.program.authority)
        self._next = 1

    def calls(self, method: str, count: int = CALLS, **meta: object) -> float:
        """Allocations of the server's process for each of `count` calls, fifty at a time."""
        before = int.from_bytes(self._counter[:8], "little")
        for _ in range(count // 50):
            streams = range(self._next, self._next + 100, 2)
            self._next += 100
            for stream in streams:
                self.raw.call(stream, method, later=stream != streams[-1], **meta)
            for stream in streams:
                assert self.raw.end(stream).end.code == 0
        return (int.from_bytes(self._counter[:8], "little") - before) / count

    def stop(self) -> None:
        self.program.stop()
        self._counter.close()


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    server = Counted(tmp_path_factory.mktemp("allocations"))
    # What is made once, on the way there.
    server.calls("grpc.health.v1.Health/Check", 100)
    server.calls("Unary", 100)
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("method", "meta", "most"),
    [
        ("grpc.health.v1.Health/Check", {"timeout_ms": 1_000}, 45),
        ("grpc.health.v1.Health/Check", {"request_id": os.urandom(16)}, 72),
        ("Unary", {"timeout_ms": 1_000}, 66),
    ],
    ids=["inline", "inline, metadata of its own", "with a task"],
)
def test_a_call_allocates_no_more_than(counted: Counted, method: str, meta: dict, most: int) -> None:
    found = counted.calls(method, **meta)
    print(f"{found:.2f} allocations a call")
    assert 0 < found <= most
