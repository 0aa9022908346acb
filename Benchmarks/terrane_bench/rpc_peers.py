"""The servers that bench-rpc measures: ours, gRPC C++, grpc-swift-2, and the least a TLS server can do."""

import atexit
import functools
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .programs import CHECKOUT
from .results import output

sys.path[:0] = [str(CHECKOUT / "conformance")]
from suite.credentials import Authority  # noqa: E402
from framedrpc.v1.wire_pb2 import CallMeta  # noqa: E402
from terrane.v1.dataset_pb2 import VectorSource  # noqa: E402

PEERS = CHECKOUT / "Benchmarks/peers"
BUILD = CHECKOUT / "Benchmarks/.build/peers"
GRPC_SWIFT = PEERS / "grpc-swift"


def _run(*words: str, folder: Path | None = None) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=1_800, cwd=folder)
    if done.returncode:
        sys.exit(f"{shlex.join(words)}\n{done.stderr or done.stdout}\nWhat the peers need: scripts/setup-bench")


def build() -> dict[str, str]:
    """The peers, from source with Debian's gRPC and the pinned grpc-swift-2."""
    BUILD.mkdir(parents=True, exist_ok=True)
    include = [f"-I{CHECKOUT / 'proto'}", f"-I{PEERS}"]
    plugin = shutil.which("grpc_cpp_plugin") or "grpc_cpp_plugin"
    protos = [str(PEERS / "echo.proto"), str(CHECKOUT / "proto/terrane/v1/dataset.proto"), str(CHECKOUT / "proto/terrane/v1/problem.proto")]
    _run("protoc", *include, f"--cpp_out={BUILD}", f"--grpc_out={BUILD}", f"--plugin=protoc-gen-grpc={plugin}", *protos)
    flags = output("pkg-config", "--cflags", "--libs", "grpc++", "protobuf").split()
    for name in ("grpc_server", "grpc_client", "grpc_watch"):
        sources = [str(PEERS / f"{name}.cc"), str(BUILD / "echo.pb.cc"), str(BUILD / "echo.grpc.pb.cc"), str(BUILD / "terrane/v1/dataset.pb.cc"),
                   str(BUILD / "terrane/v1/problem.pb.cc")]  # fmt: skip
        _run("g++", "-O2", "-std=c++17", "-w", f"-I{BUILD}", f"-I{PEERS}", *sources, "-o", str(BUILD / name), *flags, "-lpthread")
    for name in ("floor", "load", "watch"):
        _run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", str(PEERS / f"{name}.c"), "-o", str(BUILD / name), "-lssl", "-lcrypto")
    _run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", str(PEERS / "allocations.c"), "-o", str(BUILD / "allocations.so"))
    _run("swift", "build", "-c", "release", "--product", "protoc-gen-swift", folder=GRPC_SWIFT)
    generated = GRPC_SWIFT / "Sources/grpc-swift-echo/Generated"
    generated.mkdir(exist_ok=True)
    _run("protoc", *include, f"--plugin=protoc-gen-swift={GRPC_SWIFT / '.build/release/protoc-gen-swift'}", "--swift_opt=FileNaming=PathToUnderscores",
         f"--swift_out={generated}", *protos[1:])  # fmt: skip
    _run("swift", "build", "-c", "release", "--product", "grpc-swift-echo", folder=GRPC_SWIFT)
    return {"grpc++": output("pkg-config", "--modversion", "grpc++").strip(), "grpc-swift": "2.4.3", "openssl": output("openssl", "version").strip()}


@functools.cache
def files() -> tuple[str, str, str]:
    """Certificate, key and authority, of servers and clients."""
    folder = tempfile.mkdtemp(prefix="bench-rpc-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    authority = Authority(Path(folder))
    return str(authority.peer.certificate), str(authority.peer.key), str(authority.certificate)


class Served:
    """A server on the first core."""

    def __init__(self, *command: str, is_grpc: bool = False, environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            ["taskset", "-c", "0", *command, *files()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.is_grpc = is_grpc
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def tell(self, line: str) -> None:
        """A line on its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        self._process.wait(timeout=60)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def our_server(environment: dict[str, str] | None = None) -> Served:
    return Served(str(CHECKOUT / "Benchmarks/.build/release/bench-rpc-server"), environment=environment)


def grpc_server(mode: str = "callback") -> Served:
    return Served(str(BUILD / "grpc_server"), mode, is_grpc=True)


def grpc_swift_server() -> Served:
    return Served(str(GRPC_SWIFT / ".build/release/grpc-swift-echo"), is_grpc=True)


def floor() -> Served:
    return Served(str(BUILD / "floor"))


__all__ = ["BUILD", "CallMeta", "Served", "VectorSource", "build", "files", "floor", "grpc_server", "grpc_swift_server", "our_server"]
