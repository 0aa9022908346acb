"""What watching costs: fan-out of one hot value, memory of what is idle, a watcher that stands still, a drain; gRPC C++ beside it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable

from .results import Results
from .rpc_peers import BUILD, CallMeta, Served, files, grpc_server, our_server

WATCHERS, CONNECTIONS = 10_000, 20
# Values a second: what gRPC C++ sustains with so many watchers, and what keeps our server's core busy.
CALM, BUSY = 3, 1_600
META = CallMeta(method="bench.Echo/Watch").SerializeToString().hex()
UNFAIR = [
    "Fan-out: one value of 120 bytes, 10,000 streams on 20 connections, deliveries a second of the server's processor time. Ours is a LatestTopic; gRPC C++'s is its callback API "
    "with one write under way a stream and the newest value kept beside it, the message encoded for each stream, as its typed API does. Ours is measured at gRPC's rate and, for its "
    "memory, at one that it cannot sustain.",
    "Memory is what the server's process holds privately (smaps), less what it held before, two seconds after the last was opened. gRPC C++'s is taken with fewer: 500 connections, "
    "5,000 streams.",
]  # fmt: skip


def _watch(server: Served, connections: int, streams: int, seconds: float, core: str = "1") -> dict:
    program = "grpc_watch" if server.is_grpc else "watch"
    words = [str(BUILD / program), str(server.port), *files(), str(connections), str(streams), str(seconds), str(server.pid)]
    if not server.is_grpc:
        words += [META, "0"]
    done = subprocess.run(["taskset", "-c", core, *words], capture_output=True, text=True, timeout=180)
    if done.returncode:
        sys.exit(f"{program} ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


class Frozen:
    """One watcher that reads nothing any more."""

    def __init__(self, server: Served) -> None:
        words = [str(BUILD / "watch"), str(server.port), *files(), "1", "1", "0", str(server.pid), META, "1"]
        self._process = subprocess.Popen(["taskset", "-c", "1", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None and self._process.stdout.readline() == "ready\n"

    def end(self) -> int:
        """KiB of the server's memory that came since it opened."""
        out, _ = self._process.communicate(timeout=30)
        return json.loads(out)["server_kib"]


def _fresh(make: Callable[[], Served], measure: Callable[[Served], dict]) -> dict:
    server = make()
    try:
        return measure(server)
    finally:
        server.stop()


def memory(results: Results, rounds: int) -> None:
    ours: dict[str, list[float]] = {"connection": [], "stream": []}
    theirs: dict[str, list[float]] = {"connection": [], "stream": []}
    for _ in range(rounds):
        ours["connection"].append(_fresh(our_server, lambda server: _watch(server, 2_000, 0, 0))["bytes_each"])
        theirs["connection"].append(_fresh(grpc_server, lambda server: _watch(server, 500, 0, 0))["bytes_each"])
        ours["stream"].append(_fresh(our_server, lambda server: _watch(server, 10, 5_000, 0))["bytes_each"])
        theirs["stream"].append(_fresh(grpc_server, lambda server: _watch(server, 10, 500, 0))["bytes_each"])
    results.add("memory_idle_connection", "B", ours["connection"], "gRPC C++, callback", theirs["connection"], must="ours <= 20480")
    results.add("memory_idle_stream", "B", ours["stream"], "gRPC C++, callback", theirs["stream"], must="ours <= 512")
    results.say("memory")


def fan_out(results: Results, rounds: int) -> None:
    ours, theirs, busy = our_server(), grpc_server(), []
    calm: dict[str, list[dict]] = {"ours": [], "theirs": []}
    try:
        for _ in range(rounds):
            for name, server, rate in (("ours", ours, CALM), ("theirs", theirs, CALM)):
                server.tell(f"rate {rate}")
                calm[name].append(_watch(server, CONNECTIONS, WATCHERS // CONNECTIONS, 4.0))
                server.tell("rate 0")
            ours.tell(f"rate {BUSY}")
            busy.append(_watch(ours, CONNECTIONS, WATCHERS // CONNECTIONS, 4.0))
            ours.tell("rate 0")
    finally:
        ours.stop()
        theirs.stop()

    def per_cpu(samples: list[dict]) -> list[float]:
        return [1e6 / sample["measured"]["server_us"] for sample in samples]

    peer = "gRPC C++, callback"
    results.add(f"fan_out_at_{CALM}", "1/CPU s", per_cpu(calm["ours"]), peer, per_cpu(calm["theirs"]), must="ratio >= 50", goal="ratio >= 100")
    results.add("fan_out_busy", "1/CPU s", per_cpu(busy), peer, per_cpu(calm["theirs"]))
    results.add("fan_out_busy_deliveries", "1/s", [sample["measured"]["calls_per_second"] for sample in busy])
    results.add("fan_out_busy_p99", "us", [sample["measured"]["p99_us"] for sample in busy])
    results.add(
        "fan_out_busy_memory", "KiB", [float(sample["most_kib"]) for sample in busy], f"ours at {CALM}/s",
        [float(sample["most_kib"]) for sample in calm["ours"]], must="ratio <= 1.5",
    )  # fmt: skip
    results.say("fan-out")


def frozen(results: Results) -> None:
    server = our_server()
    with_it: list[float] = []
    without: list[float] = []
    grown: list[float] = []
    try:
        server.tell("rate 100")
        _watch(server, CONNECTIONS, 50, 1.0)
        for _ in range(7):
            without.append(_watch(server, CONNECTIONS, 50, 3.0)["measured"]["p99_us"])
            still = Frozen(server)
            with_it.append(_watch(server, CONNECTIONS, 50, 3.0)["measured"]["p99_us"])
            grown.append(float(still.end()))
    finally:
        server.stop()
    results.add("frozen_watcher_p99", "us", with_it, "without it", without, must="ratio <= 1.1")
    results.add("frozen_watcher_memory", "KiB", grown, must="ours <= 1024")
    results.say("frozen watcher")


def drain(results: Results, grace: int = 8) -> None:
    server = our_server()
    words = [str(BUILD / "watch"), str(server.port), *files(), str(CONNECTIONS), str(WATCHERS // CONNECTIONS), "60", str(server.pid), META, "0"]
    watching = subprocess.Popen(["taskset", "-c", "1", *words], stdout=subprocess.PIPE, text=True)
    try:
        server.tell("rate 20")
        time.sleep(3)
        before = time.monotonic()
        server.tell(f"drain {grace}")
        out, _ = watching.communicate(timeout=60)
        server.wait()
        took = time.monotonic() - before
        ended = json.loads(out)
    finally:
        watching.kill()
        server.stop()
    results.add("drain_10000_seconds", "s", [took], f"grace of {grace} s", [float(grace)], must="ratio <= 1")
    results.add("drain_10000_ends", "", [float(ended["ends"])], must=f"ours >= {WATCHERS}")
    results.say("drain")


def run(results: Results, rounds: int) -> None:
    memory(results, rounds)
    fan_out(results, rounds)
    frozen(results)
    drain(results)
