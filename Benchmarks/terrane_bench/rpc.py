"""The transport beside gRPC C++ and the least a TLS server can do: processor time of the server's process for a unary call, and
latency at a rate that all of them sustain.

One server at a time has the first core, its load the second; by turns, ROUNDS times.
"""

import json
import mmap
import os
import shlex
import statistics
import subprocess
import sys
import tempfile

from . import rpc_watch
from .results import Results, commit
from .rpc_peers import BUILD, CallMeta, Served, VectorSource, build, files, floor, grpc_server, grpc_swift_server, our_server

ROUNDS, SECONDS = 5, 2.0
SHAPES = ((1, 1), (8, 8), (8, 64))
RATE = 10_000
BODY = VectorSource(url="x" * 300).SerializeToString()
UNFAIR = [
    "Processor time of all threads of the server's process, user and system, over two seconds a sample. A server has one core, its load the other; other work on the machine disturbs both sides alike.",
    "Ours answers inline on its event loop, as methods answered from memory do; the row with a task is a handler that may wait. gRPC C++ by its callback API and, beside it, by a "
    "completion queue with one thread; its client is C++, too, and has the second core. The load of ours and of the floor is a C program that keeps as many calls in flight.",
    "Both sides: TLS 1.3 with client certificates, a deadline with each call, a protobuf message of 303 bytes decoded and encoded. gRPC C++ negotiates AES-128-GCM or AES-256-GCM "
    "as it likes; ours and the floor have AES-256-GCM. Ours asks an authorizer, counts calls and times, and limits clients; gRPC's server does none of it.",
    "The floor parses a frame's header and sends the body back in another: no metadata, no protobuf, no credit.",
]  # fmt: skip


class Bench:
    def __init__(self) -> None:
        self.servers = {
            "ours": our_server(), "grpc_callback": grpc_server("callback"), "grpc_queue": grpc_server("queue"), "grpc_swift": grpc_swift_server(),
            "floor": floor(),
        }  # fmt: skip

    def measure(self, name: str, connections: int, in_flight: int, rate: int = 0) -> dict[str, float]:
        method = "bench.Echo/Task" if name == "ours_task" else "bench.Echo/Unary"
        server = self.servers["ours" if name == "ours_task" else name]
        return call(server, method, connections, in_flight, rate)

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()


def call(server: Served, method: str, connections: int, in_flight: int, rate: int = 0, seconds: float = SECONDS) -> dict[str, float]:
    """A load on one server."""
    common = [str(server.port), *files(), str(connections), str(in_flight), str(seconds), str(server.pid), str(rate)]
    if server.is_grpc:
        command = [str(BUILD / "grpc_client"), *common]
    else:
        meta = CallMeta(method=method, timeout_ms=30_000).SerializeToString()
        command = [str(BUILD / "load"), *common, meta.hex(), BODY.hex()]
    done = subprocess.run(["taskset", "-c", "1", *command], capture_output=True, text=True, timeout=60)
    if done.returncode:
        sys.exit(f"{shlex.join(command[:1])} ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def allocations() -> dict[str, float]:
    """Of our server's process for a call, inline and with a task; counted by a library laid between it and the C library's."""
    found: dict[str, float] = {}
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(8)
        environment = dict(os.environ, LD_PRELOAD=str(BUILD / "allocations.so"), ALLOCATIONS=file.name)
        server = our_server(environment)
        try:
            with mmap.mmap(file.fileno(), 8) as counter:
                for method in ("Unary", "Task"):
                    # Of two loads that differ in length only, the second less the first: what connections cost is in both.
                    counts, calls = [], []
                    for seconds in (0.5, 1.5):
                        before = int.from_bytes(counter[:8], "little")
                        calls.append(call(server, f"bench.Echo/{method}", 8, 64, seconds=seconds)["calls"])
                        counts.append(int.from_bytes(counter[:8], "little") - before)
                    found[method] = (counts[1] - counts[0]) / (calls[1] - calls[0])
        finally:
            server.stop()
    return found


def main() -> int:
    results = Results("rpc", "Transport", UNFAIR + rpc_watch.UNFAIR, {"rounds": ROUNDS, "seconds": SECONDS, "body_bytes": len(BODY), "rate": RATE})
    results.say("building the peers")
    versions = build()
    bench = Bench()
    names = ("ours", "ours_task", "grpc_callback", "grpc_queue", "grpc_swift", "floor")
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    try:
        for round_number in range(ROUNDS):
            for connections, in_flight in SHAPES:
                for name in names:
                    found.setdefault((name, f"{connections}x{in_flight}"), []).append(bench.measure(name, connections, in_flight))
            for name in names:
                if name != "grpc_swift":
                    found.setdefault((name, "rate"), []).append(bench.measure(name, 8, 64, RATE))
            results.say(f"round {round_number + 1} of {ROUNDS}")
    finally:
        bench.stop()

    def of(name: str, shape: str, field: str) -> list[float]:
        return [sample[field] for sample in found[name, shape]]

    def better_grpc(shape: str, field: str) -> tuple[str, list[float]]:
        name = min(("grpc_callback", "grpc_queue"), key=lambda name: statistics.median(of(name, shape, field)))
        return {"grpc_callback": "gRPC C++, callback", "grpc_queue": "gRPC C++, queue"}[name], of(name, shape, field)

    musts = {"8x8": ("ratio <= 0.125", "ratio <= 0.1"), "8x64": ("ratio <= 0.0833", "ratio <= 0.05")}
    for connections, in_flight in SHAPES:
        shape = f"{connections}x{in_flight}"
        must, goal = musts.get(shape, ("", ""))
        peer, theirs = better_grpc(shape, "server_us")
        results.add(f"server_cpu_{shape}", "us", of("ours", shape, "server_us"), peer, theirs, must=must, goal=goal)
        results.add(f"server_cpu_{shape}_task", "us", of("ours_task", shape, "server_us"), peer, theirs)
        floors = ("ratio <= 3", "ratio <= 2") if shape == "8x64" else ("", "")
        results.add(f"server_cpu_{shape}_floor", "us", of("ours", shape, "server_us"), "C floor", of("floor", shape, "server_us"), must=floors[0], goal=floors[1])
        swift = "ratio <= 0.025" if shape == "8x64" else ""
        results.add(f"server_cpu_{shape}_grpc_swift", "us", of("ours", shape, "server_us"), "grpc-swift-2", of("grpc_swift", shape, "server_us"), must=swift)
        results.add(f"calls_{shape}", "1/s", of("ours", shape, "calls_per_second"), "gRPC C++, callback", of("grpc_callback", shape, "calls_per_second"))
    peer, theirs = better_grpc("rate", "p99_us")
    results.add("p99_at_10000", "us", of("ours", "rate", "p99_us"), peer, theirs, must="ratio <= 0.5", goal="ratio <= 0.25")
    peer, theirs = better_grpc("rate", "p50_us")
    results.add("p50_at_10000", "us", of("ours", "rate", "p50_us"), peer, theirs)
    peer, theirs = better_grpc("rate", "server_us")
    results.add("server_cpu_at_10000", "us", of("ours", "rate", "server_us"), peer, theirs)
    counted = allocations()
    results.add("allocations_a_call", "", [counted["Unary"]], must="ours <= 4")
    results.add("allocations_a_call_task", "", [counted["Task"]])
    rpc_watch.run(results, 3)
    return results.finish({"commit": commit(), **versions})


if __name__ == "__main__":
    sys.exit(main())
