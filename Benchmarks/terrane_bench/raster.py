"""Rasters: our process_raster task beside gdal_translate and rio cogeo, and a map tile beside TiTiler alone."""

import math
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import rasterio
import requests
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from rasterio.windows import Window

from . import programs
from .core_path import scratch_schema
from .ingest import CACHE, measured
from .ingest import ours as task
from .programs import CHECKOUT
from .results import Results, versions

ROUNDS = 5
BUDGET_SECONDS = 300
TILES = 1000
AFAR_TILES = 20
LARGE_ROUNDS = 1
# 2.1 gigapixels of Natural Earth's picture, made larger.
LARGE = (64_800, 32_400)

# side, bands, type, COG's creation options as ours chooses them, rio cogeo's profile
CASES = {
    "rgb": (10_000, 3, "uint8", ["COMPRESS=JPEG", "QUALITY=85"], "jpeg"),
    "heights": (8_000, 1, "float32", ["COMPRESS=LERC_DEFLATE", "MAX_Z_ERROR=0.001"], "lerc_deflate"),
    "spectral": (5_000, 4, "uint16", ["COMPRESS=DEFLATE", "PREDICTOR=YES"], "deflate"),
}

UNFAIR = [
    "gdal_translate and rio cogeo do less: ours looks whether the source is what it was, takes the SHA-256 of the file, puts it on the disk "
    "(fsync), opens it again and describes it. All of that is in ours' time; the pass that reads every pixel (validate_raster) is a task of its "
    "own and a line of its own.",
    "gdal_translate gets the creation options that ours chooses, and NUM_THREADS=ALL_CPUS as ours has (two). Its block cache is GDAL's default, a "
    "twentieth of the memory; ours is 64 MiB.",
    "rio cogeo runs its profile of the same codec with NUM_THREADS=ALL_CPUS, out of Python, with a newer GDAL (its wheel's). It makes an "
    "intermediate file by its nature. Its quality and bounds are its profile's.",
    "Our task runs as a worker runs it (assignment on standard input, reports on descriptor 3), without the limits on address space and niceness.",
    "A large raster: ours is the whole job (its plan, claims and adoption among it), two tasks at a time, beside one gdal_translate that writes one file; the pass that reads every pixel before, and the small picture of all tiles after, are lines "
    "of their own or in no line.",
    "From afar: tiles of zoom 4 to 8 around a raster of four bands with a value for nothing, of which three are shown. TiTiler reads as "
    "rio-tiler does. Kept: the tiles of the low zooms, drawn beforehand, beside TiTiler that draws them.",
    "Tiles: both are one uvicorn process asked by one client over one connection, with the same tiles in the same order, alternating tile by "
    "tile. Ours looks up the route in PostgreSQL for every request, checks the parameters, and says caching headers; TiTiler gets the path of the "
    "file in the query.",
]  # fmt: skip


def main(parts: tuple[str, ...] = (*CASES, "tiles", "large")) -> int:
    """With some parts only, the table is printed and nothing is kept."""
    whole = set(parts) >= {*CASES, "tiles", "large"}
    results = Results("raster", "Rasters", UNFAIR, {"rounds": ROUNDS, "tiles": TILES, "large_rounds": LARGE_ROUNDS, "seed": 1})
    with programs.installation() as (staged, place):
        roots = [place / "sources"]
        roots[0].mkdir()
        sources = {name: source(name, roots[0], results) for name in CASES}
        with programs.server(staged, place / "server", roots) as server:
            scratch_schema(server)
            for name in parts:
                if name in CASES:
                    case(server, name, sources[name], place, results)
            if "tiles" in parts:
                if "rgb" not in parts:
                    server.ready("bench/rgb/v1", sources["rgb"], timeout=600)
                tiles(server, results)
            if "large" in parts:
                large(server, roots[0], place, results)
            return results.finish(versions(server), keep=whole)


def case(server, name: str, path: Path, place: Path, results: Results) -> None:
    # Once through the whole server: its planner writes the tasks' parameters.
    server.ready(f"bench/{name}/v1", path, timeout=600)
    parameters = {
        job: server.value(
            "SELECT j.parameters::text FROM coremachine.jobs j JOIN datasets.datasets d USING (operation_id) "
            "WHERE j.job_type = %s AND d.resource_id = %s", job, name)
        for job in ("validate_raster", "process_raster")
    }  # fmt: skip
    whole = server.value(
        "SELECT extract(epoch FROM o.ended_at - o.created_at)::float8 FROM coremachine.operations o JOIN datasets.datasets d "
        "USING (operation_id) WHERE d.resource_id = %s", name)  # fmt: skip
    *_, options, profile = CASES[name]
    creation = [word for option in [*options, "NUM_THREADS=ALL_CPUS", "BLOCKSIZE=512", "OVERVIEW_RESAMPLING=AVERAGE"] for word in ("-co", option)]
    rio = [str(Path(sys.executable).with_name("rio")), "cogeo", "create", "--cog-profile", profile, "--overview-resampling", "average",
        "--co", "NUM_THREADS=ALL_CPUS", "--quiet"]  # fmt: skip
    runs: dict[str, list[dict]] = {"ours": [], "validation": [], "gdal_translate": [], "rio cogeo": []}
    target = place / "peer.tif"
    began = time.monotonic()
    for number in range(ROUNDS):
        if time.monotonic() - began > BUDGET_SECONDS / len(CASES):
            results.say(f"{name}: time is up after {number} rounds")
            break
        runs["ours"].append(task(server, parameters["process_raster"], path, job_type="process_raster"))
        Path("/tmp/raster.tif").unlink(missing_ok=True)
        runs["gdal_translate"].append(measured(["gdal_translate", "-q", "-of", "COG", *creation, str(path), str(target)]))
        target.unlink()
        runs["rio cogeo"].append(measured([*rio, str(path), str(target)], cwd=place))
        target.unlink()
        runs["validation"].append(task(server, parameters["validate_raster"], path, job_type="validate_raster"))
        results.say(f"{name} {number + 1}: " + ", ".join(f"{who} {list_[-1]['seconds']:.2f} s" for who, list_ in runs.items()))

    def seconds(who: str) -> list[float]:
        return [run["seconds"] for run in runs[who]]

    fastest = min(("gdal_translate", "rio cogeo"), key=lambda who: statistics.median(seconds(who)))
    for peer, suffix in (("gdal_translate", ""), ("rio cogeo", "_rio")):
        results.add(f"raster_{name}{suffix}_seconds", "s", seconds("ours"), peer, seconds(peer),
            must="ratio <= 1.05" if peer == fastest else "")  # fmt: skip
        for key, unit in (("peak_mib", "MiB"), ("cpu_seconds", "s")):
            results.add(f"raster_{name}{suffix}_{key}", unit, [run[key] for run in runs["ours"]], peer, [run[key] for run in runs[peer]])
    results.add(f"raster_{name}_validation_seconds", "s", seconds("validation"))
    results.add(f"raster_{name}_validation_peak_mib", "MiB", [run["peak_mib"] for run in runs["validation"]])
    results.add(f"raster_{name}_create_to_ready", "s", [whole])


def large(server, folder: Path, place: Path, results: Results) -> None:
    """A picture of 2.1 gigapixels: our tiles on all processors beside one gdal_translate, by turns."""
    path = large_source(folder, results)
    runs: dict[str, list[float]] = {"ours": [], "mosaic": [], "peer": [], "peer with all processors": []}
    peaks: list[float] = []
    for number in range(LARGE_ROUNDS):
        sampler = Peaks(server)
        server.ready(f"bench/large/v{number}", path, timeout=1800)
        peaks.append(sampler.stop())
        spans = dict(server.rows(
            "SELECT j.job_type, extract(epoch FROM j.ended_at - j.started_at)::float8 FROM coremachine.jobs j"
            " JOIN datasets.datasets d ON d.operation_id = j.operation_id WHERE d.resource_id = 'large' AND d.version_id = %s",
            f"v{number}"))  # fmt: skip
        runs["ours"].append(spans["process_large_raster"])
        runs["mosaic"].append(spans["create_mosaic"])
        server.cli("delete", f"bench/large/v{number}", "--purge")
        for who, threads in (("peer", "1"), ("peer with all processors", "ALL_CPUS")):
            target = place / "large.tif"
            run = measured(["gdal_translate", "-q", "-of", "COG", "-co", "COMPRESS=JPEG", "-co", "QUALITY=85", "-co", f"NUM_THREADS={threads}",
                "-co", "OVERVIEW_RESAMPLING=AVERAGE", "-co", "BIGTIFF=IF_SAFER", str(path), str(target)])  # fmt: skip
            runs[who].append(run["seconds"])
            target.unlink()
        results.say(f"large {number + 1}: " + ", ".join(f"{who} {list_[-1]:.1f} s" for who, list_ in runs.items()) + f", {peaks[-1]:.0f} MiB")
    results.add("large_raster_seconds", "s", runs["ours"], "gdal_translate, NUM_THREADS=1", runs["peer"], must="ratio <= 0.8")
    results.add("large_raster_seconds_all", "s", runs["ours"], "gdal_translate, NUM_THREADS=ALL_CPUS", runs["peer with all processors"])
    results.add("large_raster_mosaic_seconds", "s", runs["mosaic"])
    results.add("large_raster_child_peak_mib", "MiB", peaks, must="ours <= 1536")


class Peaks:
    """The most memory any task process of a server had, looked at while they run."""

    def __init__(self, server):
        self._server = server
        self._most = 0.0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ends.wait(0.1):
            for task in self._server.tasks:
                try:
                    status = Path(f"/proc/{task.pid}/status").read_text()
                except OSError:
                    continue
                if found := re.search(r"VmHWM:\s+(\d+) kB", status):
                    self._most = max(self._most, int(found[1]) / 1024)

    def stop(self) -> float:
        self._ends.set()
        self._thread.join()
        return self._most


def tiles(server, results: Results) -> None:
    """The same tiles of the same file from both, by turns."""
    port = _free_port()
    alone = subprocess.Popen([sys.executable, "-m", "terrane_bench.titiler_alone", str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert alone.stdout.readline().strip() == "ready"
        _wait_for(port)
        rgb = server.record("bench/rgb/v1")["result"]["rasters"][0]
        compare(server, "tile", "rgb", _tiles_of(rgb["bbox"], TILES, 10, 14), {}, port, results, must="ratio <= 1.1")
        afar = from_afar(server, results)
        shown = {"rescale": [f"{low!r},{high!r}" for low, high in afar["rescale"]]}
        compare(server, "tile_from_afar", "afar", _tiles_of(afar["bbox"], AFAR_TILES, 4, 8), shown, port, results, must="ratio <= 1.1")
        kept = server.record("bench/kept/v1")["result"]["rasters"][0]
        compare(server, "tile_kept", "kept", _tiles_of(kept["bbox"], TILES, 7, kept["tile_cache_maxzoom"]), {}, port, results)
    finally:
        alone.terminate()
        alone.wait(10)


def compare(server, figure: str, name: str, asked: list, query: dict, port: int, results: Results, must: str = "") -> None:
    [served] = server.record(f"bench/{name}/v1")["result"]["rasters"]
    [(file,)] = server.rows(
        "SELECT file FROM serving.rasters r JOIN serving.routes USING (dataset_pk, build) WHERE resource_id = %s AND role IS NULL", name)  # fmt: skip
    path = server.data / "files" / file
    both = requests.Session(), requests.Session()
    found: dict[str, list[float]] = {"ours": [], "theirs": []}
    sizes, differing = [], 0
    for number, (z, x, y) in enumerate(asked):
        asks = {
            "ours": (both[0], served["tiles_url"].format(z=z, x=x, y=y), {}),
            "theirs": (both[1], f"http://127.0.0.1:{port}/tiles/WebMercatorQuad/{z}/{x}/{y}.png",
                {"url": str(path), "bidx": ["1", "2", "3"], **query}),
        }  # fmt: skip
        # Who comes first finds the file's pages less often in a processor's cache.
        turn = ("ours", "theirs") if number % 2 else ("theirs", "ours")
        first, second = (_timed(*asks[who], found[who]) for who in turn)
        differing += first != second
        sizes.append(len(first))
    # Of a tile that the raster covers less than half of, ours reads that part: the nearest of two pixels may be the other one.
    assert differing * 100 <= len(asked) or figure != "tile", f"{differing} tiles differ"
    results.say(f"{figure}: {len(sizes)} of {statistics.mean(sizes):,.0f} bytes, {differing} of them drawn otherwise")
    for share in (50, 99):
        cut = {who: statistics.quantiles(values, n=100)[share - 1] * 1000 for who, values in found.items()}
        results.add(f"{figure}_p{share}", "ms", [cut["ours"]], "TiTiler alone", [cut["theirs"]], must=must)


def from_afar(server, results: Results) -> dict:
    """A raster with a value for nothing, and one whose tiles are kept; how the first is shown."""
    folder = Path(server.roots[0])
    path = folder / "afar.tif"
    with rasterio.open(folder / "spectral-5000.tif") as source:
        profile = {**source.profile, "nodata": 0}
        with rasterio.open(path, "w", **profile) as file:
            for _, window in source.block_windows(1):
                file.write(source.read(window=window), window=window)
    path.chmod(0o644)
    record = server.ready("bench/afar/v1", path, timeout=600)
    server.ready("bench/kept/v1", folder / "rgb-10000.tif", "--tiles", timeout=900)
    [(rendering,)] = server.rows(
        "SELECT details->'rendering' FROM serving.rasters r JOIN serving.routes USING (dataset_pk, build) WHERE resource_id = 'afar'")
    return {"bbox": record["result"]["rasters"][0]["bbox"], "rescale": [rendering["rescale"][band - 1] for band in rendering["bands"]]}


def _timed(session: requests.Session, url: str, query: dict, into: list[float]) -> bytes:
    began = time.perf_counter()
    answer = session.get(url, params=query, timeout=120)
    into.append(time.perf_counter() - began)
    assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text[:200]}"
    return answer.content


def _tiles_of(box: dict, count: int, lowest: int, highest: int) -> list[tuple[int, int, int]]:
    """Tiles inside the raster of some zooms, always the same."""
    draw = np.random.default_rng(1)
    chosen = []
    while len(chosen) < count:
        zoom = int(draw.integers(lowest, highest + 1))
        # Well inside: the box of degrees is larger than the raster in it.
        longitude = box["west"] + draw.uniform(0.08, 0.92) * (box["east"] - box["west"])
        latitude = box["south"] + draw.uniform(0.08, 0.92) * (box["north"] - box["south"])
        side = 2**zoom
        y = int((1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2 * side)
        chosen.append((zoom, int((longitude + 180) / 360 * side), y))
    return chosen


def _free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]


def _wait_for(port: int) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # Between two tries of a port that will open; nothing is measured yet.
    raise SystemExit("TiTiler does not listen")


# ------------------------------------------------------------------------------------------------------------- data


def source(name: str, folder: Path, results: Results) -> Path:
    """A tiled GeoTIFF without compression, always the same one; kept for the next run."""
    side, bands, kind, *_ = CASES[name]
    CACHE.mkdir(exist_ok=True)
    kept = CACHE / f"{name}-{side}.tif"
    if not kept.exists():
        results.say(f"{name}: {side} x {side} x {bands} {kind} is drawn")
        made = kept.with_suffix(".part")
        with rasterio.open(
            made, "w", driver="GTiff", width=side, height=side, count=bands, dtype=kind, crs="EPSG:25832",
            transform=from_origin(500_000, 5_500_000, 10, 10), tiled=True, blockxsize=512, blockysize=512,
        ) as file:  # fmt: skip
            for y in range(0, side, 512):
                rows = min(512, side - y)
                file.write(_pixels(name, side, y, rows).astype(kind), window=Window(0, y, side, rows))
            if name == "rgb":
                file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
            if name == "heights":
                file.units = ["m"]
        made.rename(kept)
    place = folder / kept.name
    shutil.copyfile(kept, place)
    place.chmod(0o644)
    return place


def large_source(folder: Path, results: Results) -> Path:
    CACHE.mkdir(exist_ok=True)
    kept = CACHE / f"earth-{LARGE[0]}.tif"
    if not kept.exists():
        results.say(f"{LARGE[0]} x {LARGE[1]} pixels of the earth are drawn")
        made = kept.with_suffix(".part.tif")
        subprocess.run(
            ["gdal_translate", "-q", "-r", "bilinear", "-outsize", str(LARGE[0]), str(LARGE[1]), "-co", "TILED=YES", "-co", "COMPRESS=JPEG",
             "-co", "PHOTOMETRIC=YCBCR", "-co", "BIGTIFF=YES", str(CHECKOUT / ".setup/data/natural-earth.tif"), str(made)],
            check=True,
        )  # fmt: skip
        made.rename(kept)
    place = folder / kept.name
    shutil.copyfile(kept, place)
    place.chmod(0o644)
    return place


def _pixels(name: str, side: int, y: int, rows: int) -> np.ndarray:
    """Waves of several lengths and a little noise: as hard to compress as a landscape."""
    draw = np.random.default_rng(y)
    ys, xs = np.mgrid[y : y + rows, 0:side].astype("float32")
    base = np.sin(xs / 211) * np.cos(ys / 173) + 0.5 * np.sin(xs / 37 + ys / 53) + 0.2 * np.sin(xs / 7) * np.sin(ys / 11)
    if name == "heights":
        return (base * 400 + 800 + draw.normal(0, 0.3, base.shape).astype("float32"))[np.newaxis]
    bands = CASES[name][1]
    scale, offset = (45, 120) if name == "rgb" else (2_000, 5_000)
    noise = [draw.normal(0, scale / 30, base.shape).astype("float32") for _ in range(bands)]
    return np.clip(np.stack([base * scale * (1 + band / 9) + offset + noise[band] for band in range(bands)]), 1, scale * 200)


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:])) if sys.argv[1:] else main())
