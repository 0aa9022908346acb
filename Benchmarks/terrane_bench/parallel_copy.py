"""Whether a second COPY beside the first pays: one ingest_vector task of all polygons beside two tasks of half of them each, at
the same time, into two tables. Two tasks are the most that layers or ranges of feature ids in parallel could gain: nothing is
shared, no table is extended by two, and both keep the shortcut of a table made in the same transaction (no WAL, FREEZE)."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import ingest, programs
from .programs import Server
from .results import Results, versions

ROUNDS = 7
UNFAIR = [
    "The two tasks start two processes and open two connections, and each makes its own two indexes: four at once at the end.",
    "Half a table has a smaller index than a whole one; who splits one table over two connections would not have that.",
]  # fmt: skip


def main() -> int:
    results = Results("parallel_copy", "Parallel COPY", UNFAIR, {"rounds": ROUNDS, "features": ingest.CASES["polygons"]})
    with programs.installation() as (staged, place):
        root = place / "sources"
        root.mkdir()
        whole = ingest.source("polygons", ingest.CASES["polygons"], root, results)
        halves = [half(whole, number) for number in range(2)]
        with programs.server(staged, place / "server", [root]) as server:
            planned = {path.stem: (parameters(server, path), path) for path in (whole, *halves)}
            one, two = [], []
            for number in range(ROUNDS):
                one.append(together(server, [planned[whole.stem]]))
                two.append(together(server, [planned[path.stem] for path in halves]))
                results.say(f"{number + 1}: one {one[-1]:.2f} s, two at once {two[-1]:.2f} s")
            results.add("parallel_copy_seconds", "s", two, "one COPY", one)
            results.add("parallel_copy_processors", "", [os.cpu_count() or 1])
            return results.finish(versions(server))


def half(whole: Path, number: int) -> Path:
    path = whole.with_name(f"half_{number}.gpkg")
    subprocess.run(
        ["ogr2ogr", "-f", "GPKG", str(path), str(whole), "-nln", path.stem, "-where", f"fid % 2 = {number}"],
        check=True, timeout=300,
    )  # fmt: skip
    return path


def parameters(server: Server, path: Path) -> str:
    """What the planner gives the task that loads `path`."""
    server.ready(f"bench/{path.stem}/v1", path, timeout=240)
    return server.value(
        "SELECT j.parameters::text FROM coremachine.jobs j JOIN datasets.datasets d USING (operation_id) "
        "WHERE j.job_type = 'ingest_vector' AND d.resource_id = %s", path.stem)  # fmt: skip


def together(server: Server, tasks: list[tuple[str, Path]]) -> float:
    """Seconds from the start of the first to the end of the last."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(tasks)) as pool:
        list(pool.map(
            lambda numbered: ingest.ours(server, *numbered[1], schema=f"bench_staging_{numbered[0]}"), enumerate(tasks)
        ))  # fmt: skip
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
