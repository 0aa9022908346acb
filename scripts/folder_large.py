"""What check-folder --as large does: all rasters of a folder as one very large raster, which is served in tiles without seams."""

import math
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from folder_rasters import attempt, check_mosaic
from folder_rows import Row
from rasterio.windows import Window
from support import rasters
from support.processes import Process
from support.server import Server

# Bytes a task may have used at its highest.
MOST_MEMORY = 1_500_000_000
# Pixels on each side of a seam that are compared, and as many along it are read at once.
BESIDE = 8
ALONG = 4_096
# The smallest overviews that are compared.
SMALLEST = 16
# Sides of the raster are multiples of this. Else the one piece's overviews are of no whole pixels and differ from those of its parts.
WHOLE = 16
# A sample of the tasks' memory, and a line of progress, this many seconds apart.
SAMPLE, LINE = 0.25, 10
# As terraned has it, in MB.
LARGE = 2_000


def write_source(paths: list[Path], folder: Path, scale: float) -> Path:
    """All rasters laid together, `scale` times as large."""
    together, source = folder / "together.vrt", folder / "large.tif"
    run("gdalbuildvrt", "-q", "-strict", together, *paths)
    with rasterio.open(together) as whole:
        width, height = (math.ceil(side * scale / WHOLE) * WHOLE for side in whole.shape[::-1])
        is_picture = whole.count == 3 and set(whole.dtypes) == {"uint8"}
        size = pixel_size(whole) * width * height
    # Where nothing makes it smaller: the source, tiles, the one piece and its overviews while they are made.
    needed = size if is_picture else 5 * size
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SystemExit(f"check-folder: {needed / 1e9:.0f} GB may be needed below {folder}, and {free / 1e9:.0f} GB are free")
    print(f"Writing {width} × {height} pixels, {size / 1e9:.2f} GB without compression …", flush=True)
    compression = ["COMPRESS=JPEG", "PHOTOMETRIC=YCBCR"] if is_picture else ["COMPRESS=DEFLATE", "PREDICTOR=YES"]
    run("gdal_translate", "-outsize", width, height, "-r", "bilinear",
        *options("-co", "TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "BIGTIFF=YES", *compression), together, source)  # fmt: skip
    source.chmod(0o644)
    return source


def limit_for(source: Path) -> int:
    """The --large-raster that makes it a large one: what terraned has by itself, if that does."""
    with rasterio.open(source) as file:
        size = pixel_size(file) * file.width * file.height
    return max(1, min(LARGE, math.ceil(size / 1e6) - 1))


def check_large(server: Server, source: Path, name: str, more: tuple[str, ...], limit: float) -> list[Row]:
    row = Row(source.name)
    began = time.monotonic()
    peak = create(server, source, name, more, limit, row)
    row.seconds = time.monotonic() - began
    if row.faults:
        return [row]
    record = server.record(name)
    if record["status"] != "ready" or record["result"]["rasters"][0]["scene_count"] == 0:
        row.faults.append(f"it is {record['status']}, and in one piece")
        return [row]
    with rasterio.open(source) as file:
        row.source = file.width * file.height
    print("Looking at the catalogue and the map …", flush=True)
    check_mosaic(server, record, row)
    row.said += f"; tasks used up to {peak / 1e6:.0f} MB"
    if peak > MOST_MEMORY:
        row.faults.append(f"a task used {peak / 1e6:.0f} MB")
    attempt(row, compare_seams, server, record, source, row)
    if own := Process.of(os.getpid()):
        row.said += f"; the check itself used up to {own.peak_memory / 1e6:.0f} MB"
    return [row]


def create(server: Server, source: Path, name: str, more: tuple[str, ...], limit: float, row: Row) -> int:
    """Makes the dataset and watches; the most memory any of its tasks used, in bytes."""
    watcher = server.begin(name, source, *more)
    began = shown = time.monotonic()
    peak = 0
    while watcher.process.poll() is None:
        peak = max([peak, *(task.peak_memory for task in server.tasks)])
        now = time.monotonic()
        if now - shown >= LINE and watcher.statuses:
            shown, progress = now, watcher.statuses[-1].get("progress", {})
            done = f"{progress.get('done', 0)} of {progress.get('total', '?')} {progress.get('unit', '')}"
            print(f"  {now - began:.0f} s: {progress.get('step')}, {done}, tasks up to {peak / 1e6:.0f} MB", flush=True)
        if now - began > limit:
            watcher.kill()
            row.faults.append(f"not made within {limit:.0f} s")
            return peak
        time.sleep(SAMPLE)  # Between two samples of memory, which nothing announces; the loop ends with the watcher.
    if code := watcher.end():
        row.faults.append(f"exit {code}: {watcher.statuses[-1:]} {''.join(watcher.errors)[-300:]}")
    return peak


@dataclass(frozen=True)
class Tile:
    """A tile and where it lies in the whole, in pixels."""

    scene: str
    file: Path
    x: int
    y: int


@dataclass(frozen=True)
class Seam:
    """Where two tiles meet: `before` lies on the left, or above."""

    before: Tile
    after: Tile

    @property
    def is_upright(self) -> bool:
        return self.before.y == self.after.y


def compare_seams(server: Server, record: dict, source: Path, row: Row) -> None:
    """Beside every seam are the pixels that one piece would have."""
    treatment = record["result"]["treatment"]["raster"]
    piece = source.with_name("one-piece.tif")
    print("Writing it in one piece …", flush=True)
    began = time.monotonic()
    run("gdal_translate", "-of", "COG", *options("-co", *one_piece(record)), source, piece)
    row.said += f"; one piece by GDAL in {time.monotonic() - began:.0f} s"
    with rasterio.Env(GDAL_CACHEMAX=64):
        with rasterio.open(source) as file:
            tiles = list(tiles_of(server, record, file))
            dtype = file.dtypes[0]
        seams = list(seams_of(tiles))
        worst: dict[int, rasters.Difference] = {}
        largest = 0.0
        shown = time.monotonic()
        for number, seam in enumerate(seams, 1):
            for factor, found in compare_seam(seam, piece):
                largest = max(largest, found.largest)
                if factor not in worst or found.psnr < worst[factor].psnr:
                    worst[factor] = found
                if fault := rasters.codec_fault(found, treatment, dtype):
                    row.faults.append(f"seam of {seam.before.scene} and {seam.after.scene}, 1/{factor}: {fault}")
            if time.monotonic() - shown >= LINE or number == len(seams):
                shown = time.monotonic()
                print(f"  {number} of {len(seams)} seams", flush=True)
    if not seams or worst.keys() != {1, 2, 4, 8, SMALLEST}:
        row.faults.append(f"{len(seams)} seams were compared, at 1/{sorted(worst)}")
    least = min((found.psnr for found in worst.values()), default=0)
    row.attributes = "equal" if math.isinf(least) else f"{least:.1f} dB"
    levels = ", ".join(f"1/{factor} {found.psnr:.1f} dB" for factor, found in sorted(worst.items()))
    row.said += f"; {len(tiles)} tiles, {len(seams)} seams, the worst {levels}, largest difference {largest:g}"


def one_piece(record: dict) -> list[str]:
    """How the tiles are written, of which GDAL makes one file."""
    treatment = record["result"]["treatment"]["raster"]
    compression = treatment["compression"]
    resampling = "MODE" if record["result"]["rasters"][0]["kind"] == "categorical" else "AVERAGE"
    words = ["BLOCKSIZE=512", "BIGTIFF=IF_SAFER", "NUM_THREADS=ALL_CPUS", f"OVERVIEW_RESAMPLING={resampling}"]
    if compression in ("jpeg", "webp"):
        return [*words, f"COMPRESS={compression.upper()}", "QUALITY=85"]
    if compression == "lerc":
        return [*words, "COMPRESS=LERC_DEFLATE", f"MAX_Z_ERROR={0.001 if treatment['lossy'] else 0}"]
    return [*words, f"COMPRESS={compression.upper()}", f"PREDICTOR={'NO' if resampling == 'MODE' else 'YES'}"]


def tiles_of(server: Server, record: dict, whole: rasterio.DatasetReader) -> Iterator[Tile]:
    for scene, file in rasters.files_of(server, record).items():
        if scene == "~overview":
            continue
        with rasterio.open(file) as tile:
            column, row = ~whole.transform @ (tile.transform.c, tile.transform.f)
        assert max(abs(column - round(column)), abs(row - round(row))) < 0.01, f"{scene} lies between pixels, at {column}, {row}"
        yield Tile(scene, file, round(column), round(row))


def seams_of(tiles: list[Tile]) -> Iterator[Seam]:
    xs, ys = sorted({tile.x for tile in tiles}), sorted({tile.y for tile in tiles})
    grid = {(xs.index(tile.x), ys.index(tile.y)): tile for tile in tiles}
    assert len(grid) == len(tiles) == len(xs) * len(ys), f"{len(tiles)} tiles make no grid of {len(xs)} × {len(ys)}"
    for (column, row), tile in sorted(grid.items()):
        for neighbour in ((column + 1, row), (column, row + 1)):
            if neighbour in grid:
                yield Seam(tile, grid[neighbour])


def compare_seam(seam: Seam, piece: Path) -> Iterator[tuple[int, rasters.Difference]]:
    """How far both sides of a seam are from the one piece, at each resolution that all have, by its factor."""
    levels = [factors_of(file) for file in (seam.before.file, seam.after.file, piece)]
    for factor in sorted(set.intersection(*map(set, levels))):
        found = rasters.Difference()
        readers = [at(file, factor) for file in (seam.before.file, seam.after.file, piece)]
        before, after, one = readers
        try:
            along = min(before.height, after.height) if seam.is_upright else min(before.width, after.width)
            for start in range(0, along, ALONG):
                length = min(ALONG, along - start)
                for tile, file, across in ((seam.before, before, -BESIDE), (seam.after, after, 0)):
                    if seam.is_upright:
                        window = Window(file.width + across if across else 0, start, BESIDE, length)
                    else:
                        window = Window(start, file.height + across if across else 0, length, BESIDE)
                    there = Window(window.col_off + tile.x // factor, window.row_off + tile.y // factor, window.width, window.height)
                    found.add(one.read(window=there), file.read(window=window))
        finally:
            for reader in readers:
                reader.close()
        yield factor, found


def factors_of(file: Path) -> list[int]:
    with rasterio.open(file) as dataset:
        return [1, *(factor for factor in dataset.overviews(1) if factor <= SMALLEST)]


def at(file: Path, factor: int) -> rasterio.DatasetReader:
    return rasterio.open(file) if factor == 1 else rasterio.open(file, overview_level=factors_of(file).index(factor) - 1)


def pixel_size(raster: rasterio.DatasetReader) -> int:
    """Bytes of a pixel, all bands."""
    return sum(np.dtype(kind).itemsize for kind in raster.dtypes)


def options(flag: str, *values: str) -> list[str]:
    return [word for value in values for word in (flag, value)]


def run(*words: object) -> None:
    """A program of GDAL's, which shows how far it is."""
    subprocess.run([str(word) for word in (words[0], "--config", "GDAL_CACHEMAX", "256", *words[1:])], check=True)
