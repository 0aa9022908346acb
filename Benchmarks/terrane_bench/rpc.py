"""The transport beside gRPC C++ and the least a TLS server can do: processor time of the server's process for a unary call, and
latency at a rate that all of them sustain.

One server at a time has the first core, its load the second; by turns, ROUNDS times.
"""

import json
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from .programs import CHECKOUT
from .results import Results, commit, output

sys.path[:0] = [str(CHECKOUT / "conformance")]
from suite.credentials import Authority  # noqa: E402
from framedrpc.v1.wire_pb2 import CallMeta  # noqa: E402
from terrane.v1.dataset_pb2 import VectorSource  # noqa: E402

PEERS = CHECKOUT / "Benchmarks/peers"
BUILD = CHECKOUT / "Benchmarks/.build/peers"
ROUNDS, SECONDS = 3, 2.0
SHAPES = ((1, 1), (8, 8), (8, 64))
RATE = 10_000
BODY = VectorSource(url="x" * 300).SerializeToString()
UNFAIR = [
    "Processor time of the server's process, user and system, by the kernel's clock of 10 ms over two seconds a sample. A server has one core, its load the other; "
    "other work on the machine disturbs both sides alike.",
    "Ours answers inline on its event loop, as methods answered from memory do; the row with a task is a handler that may wait. gRPC C++ by its callback API and, beside it, by a "
    "completion queue with one thread; its client is C++, too, and has the second core. The load of ours and of the floor is a C program that keeps as many calls in flight.",
    "Both sides: TLS 1.3 with client certificates, a deadline with each call, a protobuf message of 303 bytes decoded and encoded. gRPC C++ negotiates AES-128-GCM or AES-256-GCM "
    "as it likes; ours and the floor have AES-256-GCM. Ours asks an authorizer, counts calls and times, and limits clients; gRPC's server does none of it.",
    "The floor parses a frame's header and sends the body back in another: no metadata, no protobuf, no credit.",
]  # fmt: skip


def build() -> dict[str, str]:
    """The peers, from source with Debian's gRPC."""
    BUILD.mkdir(parents=True, exist_ok=True)

    def run(*words: str) -> None:
        done = subprocess.run(words, capture_output=True, text=True, timeout=600)
        if done.returncode:
            sys.exit(f"{shlex.join(words)}\n{done.stderr}\nThe peers need: apt-get install libgrpc++-dev protobuf-compiler-grpc")

    include = [f"-I{CHECKOUT / 'proto'}", f"-I{PEERS}"]
    plugin = output("which", "grpc_cpp_plugin").strip() or "grpc_cpp_plugin"
    protos = [str(PEERS / "echo.proto"), str(CHECKOUT / "proto/terrane/v1/dataset.proto"), str(CHECKOUT / "proto/terrane/v1/problem.proto")]
    run("protoc", *include, f"--cpp_out={BUILD}", f"--grpc_out={BUILD}", f"--plugin=protoc-gen-grpc={plugin}", *protos)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "grpc++", "protobuf"], capture_output=True, text=True, timeout=60, check=True).stdout.split()
    for name in ("grpc_server", "grpc_client"):
        sources = [str(PEERS / f"{name}.cc"), str(BUILD / "echo.pb.cc"), str(BUILD / "echo.grpc.pb.cc"), str(BUILD / "terrane/v1/dataset.pb.cc"),
                   str(BUILD / "terrane/v1/problem.pb.cc")]  # fmt: skip
        run("g++", "-O2", "-std=c++17", "-w", f"-I{BUILD}", f"-I{PEERS}", *sources, "-o", str(BUILD / name), *flags, "-lpthread")
    for name in ("floor", "load"):
        run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", str(PEERS / f"{name}.c"), "-o", str(BUILD / name), "-lssl", "-lcrypto")
    return {"grpc++": output("pkg-config", "--modversion", "grpc++").strip(), "openssl": output("openssl", "version").strip()}


class Served:
    """A server on the first core."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(["taskset", "-c", "0", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Bench:
    def __init__(self, folder: Path) -> None:
        authority = Authority(folder)
        self.files = [str(authority.peer.certificate), str(authority.peer.key), str(authority.certificate)]
        ours = str(CHECKOUT / "Benchmarks/.build/release/bench-rpc-server")
        self.servers = {
            "ours": Served(ours, *self.files),
            "grpc_callback": Served(str(BUILD / "grpc_server"), "callback", *self.files),
            "grpc_queue": Served(str(BUILD / "grpc_server"), "queue", *self.files),
            "floor": Served(str(BUILD / "floor"), *self.files),
        }

    def measure(self, name: str, connections: int, in_flight: int, rate: int = 0) -> dict[str, float]:
        method = "bench.Echo/Task" if name == "ours_task" else "bench.Echo/Unary"
        server = self.servers["ours" if name == "ours_task" else name]
        common = [str(server.port), *self.files, str(connections), str(in_flight), str(SECONDS), str(server.pid), str(rate)]
        if name.startswith("grpc"):
            command = [str(BUILD / "grpc_client"), *common]
        else:
            meta = CallMeta(method=method, timeout_ms=30_000).SerializeToString()
            command = [str(BUILD / "load"), *common, meta.hex(), BODY.hex()]
        done = subprocess.run(["taskset", "-c", "1", *command], capture_output=True, text=True, timeout=60)
        if done.returncode:
            sys.exit(f"{name}: {shlex.join(command[:1])} ended with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()


def main() -> int:
    results = Results("rpc", "Transport", UNFAIR, {"rounds": ROUNDS, "seconds": SECONDS, "body_bytes": len(BODY), "rate": RATE})
    results.say("building the peers")
    versions = build()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        names = ("ours", "ours_task", "grpc_callback", "grpc_queue", "floor")
        found: dict[tuple[str, str], list[dict[str, float]]] = {}
        try:
            for round_number in range(ROUNDS):
                for connections, in_flight in SHAPES:
                    for name in names:
                        found.setdefault((name, f"{connections}x{in_flight}"), []).append(bench.measure(name, connections, in_flight))
                for name in names:
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
        floor = ("ratio <= 3", "ratio <= 2") if shape == "8x64" else ("", "")
        results.add(f"server_cpu_{shape}_floor", "us", of("ours", shape, "server_us"), "C floor", of("floor", shape, "server_us"), must=floor[0], goal=floor[1])
        results.add(f"calls_{shape}", "1/s", of("ours", shape, "calls_per_second"), "gRPC C++, callback", of("grpc_callback", shape, "calls_per_second"))
    peer, theirs = better_grpc("rate", "p99_us")
    results.add("p99_at_10000", "us", of("ours", "rate", "p99_us"), peer, theirs, must="ratio <= 0.5", goal="ratio <= 0.25")
    peer, theirs = better_grpc("rate", "p50_us")
    results.add("p50_at_10000", "us", of("ours", "rate", "p50_us"), peer, theirs)
    peer, theirs = better_grpc("rate", "server_us")
    results.add("server_cpu_at_10000", "us", of("ours", "rate", "server_us"), peer, theirs)
    return results.finish({"commit": commit(), **versions})


if __name__ == "__main__":
    sys.exit(main())
