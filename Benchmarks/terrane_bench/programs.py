"""The programs under measurement: a terraned of our own, the load client, processor time from /proc."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
sys.path.insert(0, str(CHECKOUT / "Tests/EndToEnd"))
from support.server import Installation, Server  # noqa: E402

LOAD = CHECKOUT / "Benchmarks/.build/release/bench-load"
TICK = os.sysconf("SC_CLK_TCK")


@contextmanager
def installation() -> Iterator[tuple[Installation, Path]]:
    """The release build where the server's user reaches it, and a place for data; gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="terrane-bench-", dir="/tmp"))
    place.chmod(0o755)
    try:
        yield Installation.stage(place / "programs", "release"), place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def server(staged: Installation, place: Path, roots: list[Path], *options: str) -> Iterator[Server]:
    place.mkdir(exist_ok=True)
    place.chmod(0o755)
    made = Server(staged, place, roots, *options)
    try:
        made.start()
        yield made
    except BaseException:
        print(made.log[-2000:], file=sys.stderr)
        raise
    finally:
        made.destroy()


def database(server: Server) -> dict[str, str]:
    """libpq's variables for the private cluster's superuser."""
    return {
        "PGHOST": str(server.data / "postgresql/socket"), "PGPORT": "5432", "PGDATABASE": "terrane", "PGUSER": "postgres",
        "PGPASSWORD": (server.data / "postgresql/superuser.password").read_text().strip(),
    }  # fmt: skip


def connection_string(server: Server) -> str:
    names = {"PGHOST": "host", "PGPORT": "port", "PGDATABASE": "dbname", "PGUSER": "user", "PGPASSWORD": "password"}
    return " ".join(f"{names[name]}='{value}'" for name, value in database(server).items())


def job(server: Server, mode: str, **more) -> str:
    credentials = server.data / "credentials/local-admin"
    return json.dumps({"mode": mode, "port": server.rpc_port, "credentials": str(credentials), **more})


def load(server: Server, mode: str, **more) -> dict:
    """One run of the load client."""
    done = subprocess.run([LOAD, job(server, mode, **more)], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise SystemExit(f"bench-load {mode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def processor_seconds(pid: int, with_ended_children: bool = False) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(map(int, fields[11 : 15 if with_ended_children else 13])) / TICK


def postgres_seconds(server: Server) -> float:
    """Processor time of the cluster: its processes, and those that have ended."""
    postmaster = server.postmaster.pid
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    return processor_seconds(postmaster, True) + sum(processor_seconds(int(pid)) for pid in children)
