"""Memory of the children that look at a source and load it, by format and size: what a reader holds grows with neither."""

import subprocess
import sys
from pathlib import Path

from . import programs
from .core_path import scratch_schema
from .ingest import ours, source
from .programs import Server
from .results import Results, versions

COUNTS = {"half a million": 500_000, "5 million": 5_000_000}
# How each format is written, and the name of its file.
FORMATS = {
    "geopackage": ("gpkg", ["-f", "GPKG"]),
    "flatgeobuf": ("fgb", ["-f", "FlatGeobuf"]),
    "shapefile": ("shp", ["-f", "ESRI Shapefile", "-lco", "ENCODING=UTF-8"]),
    "csv": ("csv", ["-f", "CSV", "-lco", "GEOMETRY=AS_WKT"]),
    "geojsonseq": ("geojsonl", ["-f", "GeoJSONSeq"]),
}
TASKS = ("probe", "ingest_vector")
UNFAIR = [
    "One run each: memory does not depend on what else the machine does. It is the largest resident set of the child "
    "(VmHWM), its libraries included; points with four attributes.",
]  # fmt: skip


def main() -> int:
    results = Results("formats", "Memory by format", UNFAIR, {"features": list(COUNTS.values()), "runs": 1})
    with programs.installation() as (staged, place):
        roots = [place / "sources"]
        roots[0].mkdir()
        with programs.server(staged, place / "server", roots) as server:
            scratch_schema(server)
            for words, count in COUNTS.items():
                points = source("points", count, roots[0], results)
                for name in FORMATS:
                    case(server, name, words, count, points, roots[0], results)
                points.unlink()
            return results.finish(versions(server))


def case(server: Server, name: str, words: str, count: int, points: Path, folder: Path, results: Results) -> None:
    suffix, options = FORMATS[name]
    path = folder / f"{name}.{suffix}"
    subprocess.run(["ogr2ogr", *options, str(path), str(points)], check=True, timeout=600)
    dataset = f"memory/{name}/n{count}"
    record = server.ready(dataset, path, timeout=1200)
    assert record["result"]["feature_count"] == count, record["result"]
    peaks = {}
    for task in TASKS:
        parameters = server.value(
            "SELECT j.parameters::text FROM coremachine.jobs j JOIN datasets.datasets d USING (operation_id) "
            "WHERE j.job_type = %s AND d.resource_id = %s AND d.version_id = %s", task, name, f"n{count}")  # fmt: skip
        peaks[task] = ours(server, parameters, path, task)["peak_mib"]
        results.add(f"{name}_{count}_{task}_memory", "MiB", [peaks[task]], must="ours <= 300")
    results.say(f"{name}, {words}: " + ", ".join(f"{task} {peak:.0f} MiB" for task, peak in peaks.items()))
    server.cli("delete", dataset, "--purge")
    with server.database() as connection:
        connection.execute("DROP SCHEMA IF EXISTS bench_staging CASCADE")
    for part in folder.glob(f"{name}.*"):
        part.unlink()


if __name__ == "__main__":
    sys.exit(main())
