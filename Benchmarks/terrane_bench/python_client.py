"""The Python client beside grpcio: processor time of the client's process, for a unary call and for a message of a stream.

Servers of both are small Python programs in a process of their own, with the same messages and TLS 1.3 with client certificates.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent import futures
from pathlib import Path

from .programs import CHECKOUT
from .results import Results, commit

sys.path[:0] = [str(CHECKOUT / "clients/python/src"), str(CHECKOUT / "clients/python/tests")]
import framedrpc  # noqa: E402
import grpc  # noqa: E402
from framedrpc.wire import CREDIT, DATA, END, HEADER, NO_MESSAGE  # noqa: E402
from framedrpc.v1.wire_pb2 import DataMeta  # noqa: E402
from suite.peer import Peer, PeerConnection, make_credentials  # noqa: E402
from terrane.v1.dataset_pb2 import DatasetName, DatasetStatus  # noqa: E402

ROUNDS, CALLS, MESSAGES = 5, 2_000, 20_000
NAME = DatasetName(namespace="default", dataset_id="bench", resource_id="python", version_id="v1")
#: About 300 bytes, as a status is.
STATUS = DatasetStatus(
    dataset_key="ab" * 32, generation=3, status=4, name=NAME,
    progress={"percent": 41.5, "step": "ingest_vector", "step_number": 2, "step_count": 4, "message": "x" * 60, "done": 12_345, "unit": "rows"},
)  # fmt: skip
GET = framedrpc.Method("bench.Service/Get", DatasetName, DatasetStatus)
WATCH = framedrpc.Method("bench.Service/Watch", DatasetName, DatasetStatus, stream=framedrpc.StreamMode.LATEST)
UNFAIR = [
    "Processor time of the client's process, all its threads (time.process_time); the servers are other processes and not counted. "
    "grpcio is C++ beneath a thin layer of Python, ours is Python over OpenSSL and upb.",
    "grpcio's unary calls are one at a time, as ours are: many at once let both do less work a call.",
]  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- servers


def serve_ours(folder: Path) -> None:
    body = STATUS.SerializeToString()

    def script(peer: PeerConnection) -> None:
        peer.hello()
        while True:
            call = peer.call()
            if call.meta.method == GET.name:
                peer.answer(call, body)
            else:
                stream(peer, call.stream)

    def stream(peer: PeerConnection, number: int) -> None:
        credit = 262_144
        for first in range(1, MESSAGES + 1, 40):
            out = b""
            for seq in range(first, min(first + 40, MESSAGES + 1)):
                head = DataMeta(seq=seq, epoch=1 if seq == 1 else None).SerializeToString()
                out += HEADER.pack(len(head) + len(body), DATA, 0, len(head), number) + head + body
                credit -= len(body)
            while credit < 0:
                credit += int.from_bytes(peer.until(CREDIT)[4], "big")
            peer.send(out)
        peer.send(HEADER.pack(0, END, NO_MESSAGE, 0, number))

    server = Peer(framedrpc.Credentials.of_folder(folder), script)
    print(server.port, flush=True)
    sys.stdin.read()


def serve_grpc(folder: Path) -> None:
    body = STATUS.SerializeToString()

    def get(request: bytes, context: grpc.ServicerContext) -> bytes:
        return body

    def watch(request: bytes, context: grpc.ServicerContext):
        for _ in range(MESSAGES):
            yield body

    server = grpc.server(futures.ThreadPoolExecutor(4))
    handlers = {"Get": grpc.unary_unary_rpc_method_handler(get), "Watch": grpc.unary_stream_rpc_method_handler(watch)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Service", handlers),))
    key, chain, authority = ((folder / name).read_bytes() for name in ("client.key", "client.pem", "ca.pem"))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)], authority, True))
    server.start()
    print(port, flush=True)
    sys.stdin.read()


# ---------------------------------------------------------------------------------------------------------- clients


class Cost:
    """Processor time of what is within, in microseconds for each of `count`."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __enter__(self) -> "Cost":
        self._began = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.us = (time.process_time() - self._began) / self._count * 1e6


def ours_blocking(port: int, folder: Path) -> tuple[float, float]:
    with framedrpc.Channel("127.0.0.1", port, framedrpc.Credentials.of_folder(folder)) as channel:
        channel.unary(GET, NAME)
        with Cost(CALLS) as unary:
            for _ in range(CALLS):
                channel.unary(GET, NAME, timeout=30)
        with Cost(MESSAGES) as message:
            count = sum(1 for event in channel.stream(WATCH, NAME))
    assert count == MESSAGES, count
    return unary.us, message.us


def grpc_credentials(folder: Path) -> grpc.ChannelCredentials:
    authority, key, chain = ((folder / name).read_bytes() for name in ("ca.pem", "client.key", "client.pem"))
    return grpc.ssl_channel_credentials(authority, key, chain)


def grpc_blocking(port: int, folder: Path) -> tuple[float, float]:
    with grpc.secure_channel(f"127.0.0.1:{port}", grpc_credentials(folder)) as channel:
        get = channel.unary_unary("/bench.Service/Get", DatasetName.SerializeToString, DatasetStatus.FromString)
        watch = channel.unary_stream("/bench.Service/Watch", DatasetName.SerializeToString, DatasetStatus.FromString)
        get(NAME)
        with Cost(CALLS) as unary:
            for _ in range(CALLS):
                get(NAME, timeout=30)
        with Cost(MESSAGES) as message:
            count = sum(1 for _ in watch(NAME))
    assert count == MESSAGES, count
    return unary.us, message.us


def ours_asyncio(port: int, folder: Path) -> tuple[float, float]:
    async def main() -> tuple[float, float]:
        async with framedrpc.AsyncChannel("127.0.0.1", port, framedrpc.Credentials.of_folder(folder)) as channel:
            await channel.unary(GET, NAME)
            with Cost(CALLS) as unary:
                for _ in range(CALLS):
                    await channel.unary(GET, NAME, timeout=30)
            count = 0
            with Cost(MESSAGES) as message:
                async for _ in channel.stream(WATCH, NAME):
                    count += 1
        assert count == MESSAGES, count
        return unary.us, message.us

    return asyncio.run(main())


def grpc_asyncio(port: int, folder: Path) -> tuple[float, float]:
    async def main() -> tuple[float, float]:
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", grpc_credentials(folder)) as channel:
            get = channel.unary_unary("/bench.Service/Get", DatasetName.SerializeToString, DatasetStatus.FromString)
            watch = channel.unary_stream("/bench.Service/Watch", DatasetName.SerializeToString, DatasetStatus.FromString)
            await get(NAME)
            with Cost(CALLS) as unary:
                for _ in range(CALLS):
                    await get(NAME, timeout=30)
            count = 0
            with Cost(MESSAGES) as message:
                async for _ in watch(NAME):
                    count += 1
        assert count == MESSAGES, count
        return unary.us, message.us

    return asyncio.run(main())


# -------------------------------------------------------------------------------------------------------------- run


def main() -> int:
    results = Results("python_client", "Python client", UNFAIR, {"rounds": ROUNDS, "calls": CALLS, "messages": MESSAGES})
    folder = Path(tempfile.mkdtemp(prefix="terrane-bench-python-"))
    make_credentials(folder)
    servers = {
        name: subprocess.Popen(
            [sys.executable, "-m", "terrane_bench.python_client", f"serve-{name}", str(folder)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )
        for name in ("ours", "grpc")
    }  # fmt: skip
    try:
        ports = {name: int(server.stdout.readline()) for name, server in servers.items()}
        kinds = {"blocking": (ours_blocking, grpc_blocking), "asyncio": (ours_asyncio, grpc_asyncio)}
        found: dict[str, list[tuple[float, float]]] = {}
        for _ in range(ROUNDS):
            for kind, (ours, theirs) in kinds.items():
                # A process each: what one leaves behind is not the other's.
                for side, run in (("ours", ours), ("grpc", theirs)):
                    found.setdefault(f"{kind} {side}", []).append(measure(run, ports[side], folder))
        for kind in kinds:
            for place, what in enumerate(("unary_call", "stream_message")):
                mine, peers = ([pair[place] for pair in found[f"{kind} {side}"]] for side in ("ours", "grpc"))
                results.add(f"{kind}_{what}_cpu", "us", mine, "grpcio", peers, must="ratio <= 0.5")
            results.say(f"{kind}: " + ", ".join(f"{statistics.median(p[0] for p in found[f'{kind} {s}']):.0f} us a call {s}" for s in ("ours", "grpc")))
        versions = {"commit": commit(), "grpcio": grpc.__version__, "Python": sys.version.split()[0]}
        return results.finish(versions)
    finally:
        for server in servers.values():
            server.stdin.close()
            server.terminate()
            server.wait(10)


def measure(run, port: int, folder: Path) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    command = [sys.executable, "-m", "terrane_bench.python_client", run.__name__, str(folder), str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    unary, message = map(float, done.stdout.split())
    return unary, message


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(main())
    elif sys.argv[1] == "serve-ours":
        serve_ours(Path(sys.argv[2]))
    elif sys.argv[1] == "serve-grpc":
        serve_grpc(Path(sys.argv[2]))
    else:
        print(*globals()[sys.argv[1]](int(sys.argv[3]), Path(sys.argv[2])))
