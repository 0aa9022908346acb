"""GeoTIFFs made on the spot, and what is compared of them."""

import json
import math
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, from_origin
from rasterio.windows import Window

# 10 m pixels in southern Germany.
UTM = "EPSG:25832"
PLACE = from_origin(500_000, 5_500_000, 10, 10)


def write(
    path: Path, pixels: np.ndarray, *, crs: Any = UTM, transform: Affine | None = PLACE, colours: list[ColorInterp] | None = None,
    colormap: dict[int, tuple] | None = None, units: str = "", **profile: Any,
) -> Path:  # fmt: skip
    """A GeoTIFF of (bands, rows, columns)."""
    if pixels.ndim == 2:
        pixels = pixels[np.newaxis]
    count, height, width = pixels.shape
    made = path.with_name("making-" + path.name)
    place = {} if transform is None else {"transform": transform}
    with rasterio.open(
        made, "w", driver="GTiff", count=count, height=height, width=width, dtype=pixels.dtype, crs=crs, **place, **profile
    ) as file:  # fmt: skip
        file.write(pixels)
        if colours:
            file.colorinterp = colours
        if colormap:
            file.write_colormap(1, colormap)
        if units:
            file.units = [units] * count
    os.replace(made, path)
    path.chmod(0o644)
    return path


def picture(side: int = 700, bands: int = 3) -> np.ndarray:
    """Bytes that change gently, as a photograph's do."""
    y, x = np.mgrid[0:side, 0:side].astype("float64")
    waves = [127 + 90 * np.sin(x / (31 + 7 * band)) * np.cos(y / (43 - 5 * band)) + 20 * np.sin((x + y) / 97) for band in range(bands)]
    return np.clip(np.stack(waves), 1, 255).astype("uint8")


def heights(side: int = 700) -> np.ndarray:
    y, x = np.mgrid[0:side, 0:side].astype("float64")
    return (500 + 400 * np.sin(x / 90) * np.cos(y / 70) + x / 7).astype("float32")


def noise(side: int, bands: int = 1, dtype: str = "uint8") -> np.ndarray:
    """What no codec makes smaller."""
    draw = np.random.default_rng(7)
    return draw.integers(0, 255, (bands, side, side), dtype=dtype)


def big(path: Path, side: int = 9_000) -> Path:
    """A raster that takes seconds to write."""
    return write(path, noise(side), tiled=True, blockxsize=512, blockysize=512)


def wide(path: Path, width: int, height: int) -> Path:
    """Bytes that change gently, as many as are wanted: written by rows, since all of it may be too much for the memory."""
    made = path.with_name("making-" + path.name)
    with rasterio.open(
        made, "w", driver="GTiff", count=1, height=height, width=width, dtype="uint8", crs=UTM, transform=PLACE, tiled=True
    ) as file:  # fmt: skip
        for y in range(0, height, 512):
            rows = min(512, height - y)
            ys, xs = np.mgrid[y : y + rows, 0:width].astype("float32")
            block = 127 + 90 * np.sin(xs / 31) * np.cos(ys / 43) + 20 * np.sin((xs + ys) / 97)
            file.write(block.astype("uint8"), 1, window=Window(0, y, width, rows))
    os.replace(made, path)
    path.chmod(0o644)
    return path


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal to noise of bytes, decibels."""
    error = float(np.mean((a.astype("float64") - b.astype("float64")) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


@dataclass
class Difference:
    """How far pixels are from those they should be, gathered part by part: a whole raster may be too much for the memory."""

    count: int = 0
    squares: float = 0
    largest: float = 0
    is_equal: bool = True

    def add(self, expected: np.ndarray, found: np.ndarray) -> None:
        """Two values that are no number are equal."""
        off = expected != found
        if expected.dtype.kind == "f":
            off &= ~(np.isnan(expected) & np.isnan(found))
        self.count += off.size
        if not off.any():
            return
        self.is_equal = False
        steps = np.abs(expected[off].astype("float64") - found[off])
        steps[np.isnan(steps)] = math.inf
        self.squares += float(np.sum(steps**2))
        self.largest = max(self.largest, float(steps.max()))

    @property
    def psnr(self) -> float:
        """Peak signal to noise of bytes, decibels."""
        return math.inf if self.squares == 0 else 10 * math.log10(255**2 * self.count / self.squares)


def codec_fault(difference: Difference, treatment: dict, dtype: str) -> str | None:
    """What lies beyond the bound of the codec a raster was written with; `treatment` is that of its record."""
    if not treatment["lossy"]:
        return None if difference.is_equal else f"the pixels differ, by up to {difference.largest:g}"
    if dtype == "uint8":
        return None if difference.psnr >= 35 else f"the pixels differ by {difference.psnr:.1f} dB"
    # LERC's 0.001, and what a float may add.
    return None if difference.largest <= 0.0011 else f"a value differs by {difference.largest:g}"


def file_of(server, record: dict) -> Path:
    """Where the server keeps the one file of a raster dataset."""
    [(name,)] = server.rows(
        "SELECT r.file FROM serving.rasters r JOIN datasets.datasets d ON d.pk = r.dataset_pk AND d.published_build = r.build"
        " WHERE d.key = %s",
        bytes.fromhex(record["dataset_key"]),
    )
    return server.data / "files" / name


def files_of(server, record: dict) -> dict[str, Path]:
    """Where the server keeps the files of a mosaic, by the ids of its scenes."""
    rows = server.rows(
        "SELECT r.raster_id, r.file FROM serving.rasters r JOIN datasets.datasets d ON d.pk = r.dataset_pk AND d.published_build = r.build"
        " WHERE d.key = %s",
        bytes.fromhex(record["dataset_key"]),
    )
    return {name: server.data / "files" / file for name, file in rows}


def statistics_faults(source: Path, bands: list[dict]) -> list[str]:
    """Where the bands' statistics are not what GDAL counts of the source, every pixel of it; one in a million is allowed."""
    with tempfile.TemporaryDirectory() as folder:
        # Through a dataset without the file's notes: statistics that somebody once wrote into it would be taken as they are.
        bare = f"{folder}/bare.vrt"
        subprocess.run(["gdalbuildvrt", "-q", bare, str(source)], check=True, timeout=60)
        # What is counted is not to be noted beside the source, which is not ours: GDAL would write an .aux.xml there.
        words = ["gdalinfo", "--config", "GDAL_PAM_ENABLED", "NO", "-json", "-stats", bare]
        done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=300)
    told = json.loads(re.sub(r"\b(nan|NaN|inf|Infinity)\b", "null", done.stdout))
    faults = []
    for number, (ours, theirs) in enumerate(zip(bands, told["bands"], strict=True), 1):
        if ours["colour"] == "alpha":
            continue
        for key, other in (("minimum", "STATISTICS_MINIMUM"), ("maximum", "STATISTICS_MAXIMUM"), ("mean", "STATISTICS_MEAN"),
                           ("standard_deviation", "STATISTICS_STDDEV")):  # fmt: skip
            expected = float(theirs["metadata"][""][other])
            if not math.isclose(ours["statistics"][key], expected, rel_tol=1e-6, abs_tol=1e-12):
                faults.append(f"band {number}: {key} is {ours['statistics'][key]}, and gdalinfo says {expected}")
    return faults
