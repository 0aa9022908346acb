"""Loading vectors: our ingest_vector task beside ogr2ogr, with and without -makevalid, and beside the limit: COPY of the
same rows from a file."""

import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from . import programs
from .core_path import scratch_schema
from .programs import CHECKOUT, Server
from .results import Results, versions

CACHE = CHECKOUT / "Benchmarks/.cache"
ROUNDS = 5
# No round begins after this: at least five are wanted, and a slow machine says so in the number of runs.
BUDGET_SECONDS = 400
CASES = {"polygons": 500_000, "points": 1_000_000}

UNFAIR = [
    "ogr2ogr does less: ours pins and hashes the source, checks every geometry, repairs what is invalid and counts it, and "
    "knows extent and statistics at the end. Only -makevalid comes near it.",
    "ours does less in one thing: it runs beside a server that is idle, and its table is not yet published.",
    "Both load with COPY, make a GiST index and ANALYZE; both start a process and open a connection within the measured time. "
    "Both are started by the same Python process; memory is the largest resident set of that process (VmHWM), without "
    "PostgreSQL's. ogr2ogr's index and ANALYZE are its own (-lco SPATIAL_INDEX=GIST) and psql's.",
    "The limit is psql: COPY BINARY (with FREEZE) of our task's own rows from a file into a table like ours, primary key, GiST "
    "index, ANALYZE. It reads no source, checks nothing and transforms nothing. Its processor time is psql's alone.",
    "Our task runs as a worker runs it (assignment on standard input, reports on descriptor 3), but without the limits on "
    "address space and without niceness.",
]  # fmt: skip


def main() -> int:
    results = Results("ingest", "Ingest", UNFAIR, {"rounds": ROUNDS, "features": CASES, "seed": 1, "copy_streams": 1})
    with programs.installation() as (staged, place):
        roots = [place / "sources"]
        roots[0].mkdir()
        sources = {name: source(name, count, roots[0], results) for name, count in CASES.items()}
        with programs.server(staged, place / "server", roots) as server:
            scratch_schema(server)
            for name, path in sources.items():
                case(server, name, path, results)
            return results.finish(versions(server))


def case(server: Server, name: str, path: Path, results: Results) -> None:
    # Once through the whole server: its planner writes the task's parameters.
    server.ready(f"bench/{name}/v1", path, timeout=240)
    text = server.value(
        "SELECT j.parameters::text FROM coremachine.jobs j JOIN datasets.datasets d USING (operation_id) "
        "WHERE j.job_type = 'ingest_vector' AND d.resource_id = %s", name)  # fmt: skip
    # The whole way of the same file, once, for comparison.
    whole = server.value(
        "SELECT extract(epoch FROM o.ended_at - o.created_at)::float8 FROM coremachine.operations o JOIN datasets.datasets d "
        "USING (operation_id) WHERE d.resource_id = %s", name)  # fmt: skip
    results.say(f"{name}: ready; the runs begin")
    runs = {"ours": [], "ogr2ogr": [], "ogr2ogr -makevalid": [], "limit": []}
    prepared = path.with_suffix(".copy")
    began = time.monotonic()
    for number in range(ROUNDS):
        if time.monotonic() - began > BUDGET_SECONDS / len(CASES):
            results.say(f"{name}: time is up after {number} rounds")
            break
        runs["ours"].append(ours(server, text, path))
        runs["ogr2ogr"].append(ogr2ogr(server, path))
        runs["ogr2ogr -makevalid"].append(ogr2ogr(server, path, "-makevalid"))
        runs["limit"].append(limit(server, prepared))
        results.say(f"{name} {number + 1}: " + ", ".join(f"{who} {list_[-1]['seconds']:.1f} s" for who, list_ in runs.items()))
    prepared.unlink()
    bars = {"ogr2ogr": ("", "ratio <= 1.0", ""), "ogr2ogr -makevalid": ("_makevalid", "ratio <= 0.7", ""),
        "limit": ("_limit", "", "ratio <= 1.3")}  # fmt: skip
    for peer, (suffix, must, goal) in bars.items():
        for key, unit in (("seconds", "s"), ("peak_mib", "MiB"), ("cpu_seconds", "s")):
            is_time = key == "seconds"
            results.add(f"ingest_{name}{suffix}_{key}", unit, [run[key] for run in runs["ours"]], peer,
                [run[key] for run in runs[peer]], must=must if is_time else "", goal=goal if is_time else "")  # fmt: skip
    results.add(f"ingest_{name}_create_to_ready", "s", [whole])
    for phase in ("load", "index", "analyze"):
        results.add(f"ingest_{name}_span_{phase}", "s", [run["spans"][phase] for run in runs["ours"]])
    results.add(f"ingest_{name}_most_memory", "MiB", [run["peak_mib"] for run in runs["ours"]], must="ours <= 300")


class Peak(threading.Thread):
    """The most memory a process had at once, in MiB, looked at while it runs. What the system tells at its end (VmHWM) has in it what
    this process had when it began the other."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.mebibytes = 0.0
        self._folder = Path(f"/proc/{pid}")
        self._ours = Path("/proc/self/cmdline").read_bytes()
        self._ends = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._ends.wait(0.02):
            try:
                # Until it has become the other program, it shows our memory.
                if self._folder.joinpath("cmdline").read_bytes() in (b"", self._ours):
                    continue
                told = re.search(r"VmHWM:\s+(\d+) kB", self._folder.joinpath("status").read_text())
            except OSError:
                continue
            if told:
                self.mebibytes = max(self.mebibytes, int(told[1]) / 1024)

    def end(self) -> float:
        self._ends.set()
        self.join()
        return self.mebibytes


def measured(command: list[str], **more) -> dict:
    """Runs a process to its end; its time, memory and processor time, the latter with PostgreSQL's left out."""
    began = time.monotonic()
    process = subprocess.Popen(command, **more)
    return _ended(process, began, Peak(process.pid))


def _ended(process: subprocess.Popen, began: float, peak: Peak) -> dict:
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{process.args}: ended with {process.returncode}")
    return {
        "seconds": seconds, "peak_mib": peak.end(),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
    }  # fmt: skip


def ours(
    server: Server, parameters: str, path: Path, job_type: str = "ingest_vector", schema: str = "bench_staging"
) -> dict:
    """The task as a worker starts it, in a staging schema of its own."""
    with server.database() as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        connection.execute(f"CREATE SCHEMA {schema}")
    login = programs.database(server)
    assignment = {
        "taskID": 1, "attempt": 1, "operationID": 1, "jobType": job_type, "stage": "run", "handlerVersion": 1,
        "parameters": json.loads(parameters), "stagingSchema": schema, "scratchDirectory": "/tmp",
        "allowedRoots": [str(path.parent)], "silenceLimitMs": 300_000,
        "database": {
            "host": login["PGHOST"], "port": 5432, "database": "terrane", "user": "postgres", "password": login["PGPASSWORD"],
            "applicationName": "bench", "keywords": {},
        },
    }  # fmt: skip
    reader, writer = os.pipe()
    began = time.monotonic()
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'exec 3>&{writer}; exec "$0"', server.installation.command("terrane-task")],
        stdin=subprocess.PIPE, pass_fds=[writer], env={**os.environ, **server.installation.environment},
    )  # fmt: skip
    os.close(writer)
    peak = Peak(process.pid)
    # Its input stays open: its end means that the supervisor is gone.
    process.stdin.write(json.dumps(assignment).encode() + b"\n")
    process.stdin.flush()
    with os.fdopen(reader) as reports:
        last = ""
        for line in reports:
            last = line
    run = _ended(process, began, peak)
    process.stdin.close()
    if '"completed' not in last:
        raise SystemExit(f"{job_type} did not complete: {last}")
    return run | ({"spans": spans(json.loads(last)["result"])} if job_type == "ingest_vector" else {})


def spans(result: dict | str) -> dict[str, float]:
    """Seconds per phase, of the only layer."""
    return (json.loads(result) if isinstance(result, str) else result)["layers"][0]["seconds"]


LIMIT = """
SET maintenance_work_mem = '256MB';
BEGIN;
DROP TABLE IF EXISTS bench."limit";
CREATE TABLE bench."limit" (LIKE bench_staging.{table});
\\copy bench."limit" FROM '{file}' (FORMAT binary, FREEZE)
ALTER TABLE bench."limit" ADD PRIMARY KEY (fid);
CREATE INDEX ON bench."limit" USING gist (geom);
ANALYZE bench."limit";
COMMIT;
"""


def limit(server: Server, prepared: Path) -> dict:
    """What PostgreSQL needs for the rows that our task has just stored, and for nothing else."""
    with server.database() as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'bench_staging'").fetchone()
        if not prepared.exists():
            with prepared.open("wb") as file, connection.cursor().copy(f"COPY bench_staging.{found[0]} TO STDOUT (FORMAT binary)") as copy:
                for part in copy:
                    file.write(part)
    script = prepared.with_suffix(".sql")
    script.write_text(LIMIT.format(table=found[0], file=prepared))
    return measured(["psql", "-qv", "ON_ERROR_STOP=1", "-f", str(script)], env={**os.environ, **programs.database(server)})


def ogr2ogr(server: Server, path: Path, *options: str) -> dict:
    environment = {**os.environ, **programs.database(server)}
    load = measured(
        ["ogr2ogr", "-f", "PostgreSQL", "PG:", str(path), "-nln", "bench.loaded", "-overwrite", "-lco", "GEOMETRY_NAME=geom",
            "-lco", "SPATIAL_INDEX=GIST", "-nlt", "PROMOTE_TO_MULTI", "-t_srs", "EPSG:4326", "--config", "PG_USE_COPY", "YES",
            *options], env=environment)  # fmt: skip
    analyze = measured(["psql", "-qc", "ANALYZE bench.loaded"], env=environment)
    return {
        "seconds": load["seconds"] + analyze["seconds"], "peak_mib": load["peak_mib"],
        "cpu_seconds": load["cpu_seconds"] + analyze["cpu_seconds"],
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- data


def source(name: str, count: int, folder: Path, results: Results) -> Path:
    """A GeoPackage of `count` features, always the same ones; kept for the next run."""
    CACHE.mkdir(exist_ok=True)
    kept = CACHE / f"{name}-{count}.gpkg"
    if not kept.exists():
        results.say(f"{count} {name} are generated")
        text = kept.with_suffix(".csv")
        with text.open("w") as file:
            file.write("wkt,id,name,value,day\n")
            file.writelines(rows(name, count))
        part = kept.with_suffix(".part.gpkg")
        part.unlink(missing_ok=True)
        subprocess.run(
            ["ogr2ogr", "-f", "GPKG", str(part), str(text), "-nln", name, "-oo", "GEOM_POSSIBLE_NAMES=wkt", "-oo",
                "KEEP_GEOM_COLUMNS=NO", "-oo", "AUTODETECT_TYPE=YES", "-a_srs", "EPSG:4326", "-nlt",
                "POLYGON" if name == "polygons" else "POINT"], check=True, timeout=300)  # fmt: skip
        part.rename(kept)
        text.unlink()
    placed = folder / f"{name}.gpkg"
    # Not by way of memory: a child's largest resident set begins with what its parent had.
    shutil.copyfile(kept, placed)
    return placed


def rows(name: str, count: int):
    """Parcels of 5 to 16 corners, one in 200 crossing itself; or points. Attributes: text, number, day."""
    draw = random.Random(1)
    for number in range(count):
        x, y = draw.uniform(-170, 170), draw.uniform(-75, 75)
        attributes = f"{number},place {draw.randrange(100_000)},{draw.uniform(0, 1e6):.3f},2026-{draw.randrange(12) + 1:02}-15\n"
        if name == "points":
            yield f"POINT ({x:.7f} {y:.7f}),{attributes}"
            continue
        corners = draw.randrange(5, 17)
        ring = []
        for corner in range(corners):
            angle, radius = 2 * math.pi * corner / corners, draw.uniform(0.0005, 0.001)
            ring.append(f"{x + radius * math.cos(angle):.7f} {y + radius * math.sin(angle):.7f}")
        if number % 200 == 0:
            ring[1], ring[2] = ring[2], ring[1]
        yield f'"POLYGON (({",".join(ring)},{ring[0]}))",{attributes}'


if __name__ == "__main__":
    sys.exit(main())
