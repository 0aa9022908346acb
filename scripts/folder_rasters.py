"""What check-folder compares of rasters: each as a dataset of its own, or all of a folder as one collection."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pystac
import rasterio
from folder_rows import Row
from pystac.extensions.raster import RasterExtension
from rasterio.enums import ColorInterp
from rasterio.windows import Window
from rio_cogeo.cogeo import cog_validate
from support import clients, desktop, rasters
from support.server import Server

# Zoom of the map tiles that are looked at.
ZOOM = 8
# Pixels of a side that are read at once.
PART = 2_048


def rasters_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in (".tif", ".tiff"))


def compare_raster(server: Server, record: dict, path: Path, row: Row) -> None:
    [served] = record["result"]["rasters"]
    treated = record["result"]["treatment"]["raster"]
    row.said = ", ".join(filter(None, [row.said, *warnings_of(record), served["kind"], treated["compression"]]))
    compare_file(path, rasters.file_of(server, record), treated, row)
    row.faults += rasters.statistics_faults(path, served["bands"])
    box = served["bbox"]
    check_tile(server, served, (box["west"], box["south"], box["east"], box["north"]), row)
    row.stac = "found" if clients.stac_item(server.public_url, record) else "missing"
    if row.stac == "missing":
        row.faults.append("pystac-client does not find the item")


def warnings_of(record: dict) -> list[str]:
    return [f"{warning['count']} {warning['reason']}" for warning in record["warnings"]]


def compare_file(source: Path, file: Path, treatment: dict, row: Row) -> None:
    """What is served of a raster is cloud-optimised, and has its pixels."""
    check_format(file, row)
    with rasterio.open(source) as before, rasterio.open(file) as after:
        row.source, row.served = before.width * before.height, after.width * after.height
        if (before.shape, before.count) != (after.shape, after.count):
            row.faults.append(f"{before.count} bands of {before.shape} became {after.count} of {after.shape}")
            return
        found = rasters.Difference()
        for y in range(0, before.height, PART):
            for x in range(0, before.width, PART):
                window = Window(x, y, min(PART, before.width - x), min(PART, before.height - y))
                found.add(before.read(window=window), after.read(window=window))
        if not treatment["lossy"]:
            row.attributes = "equal" if found.is_equal else "differ"
        elif before.dtypes[0] == "uint8":
            row.attributes = f"{found.psnr:.1f} dB"
        else:
            row.attributes = f"{found.largest:.2g} off"
        fault = rasters.codec_fault(found, treatment, before.dtypes[0])
    if fault:
        row.faults.append(fault)


def check_format(file: Path, row: Row) -> None:
    valid, errors, warnings = cog_validate(file, strict=True)
    if not valid:
        row.faults.append(f"no valid cloud-optimised GeoTIFF: {errors + warnings}")


def check_tile(server: Server, served: dict, box: desktop.Box, row: Row) -> None:
    """A map tile over the middle of a box is a picture."""
    column, line = clients.tile_at((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, ZOOM)
    tile = server.get(served["tiles_url"].format(z=ZOOM, x=column, y=line))
    row.tile = f"{len(tile.content)} B at z{ZOOM}"
    if tile.status_code != 200 or not tile.content.startswith(b"\x89PNG"):
        row.faults.append(f"the tile {ZOOM}/{column}/{line} is {tile.status_code}")


def check_collection(server: Server, paths: list[Path], name: str, options: tuple[str, ...], limit: float) -> list[Row]:
    """One row for each scene, and one for the mosaic they make."""
    whole = Row("the mosaic")
    more = [word for path in paths[1:] for word in ("--source", str(path))]
    began = time.monotonic()
    answer = server.create(name, paths[0], *more, *options, timeout=limit)
    whole.seconds = time.monotonic() - began
    if answer.code:
        whole.faults.append(f"exit {answer.code}: {answer.problem or answer.err[-300:]}")
        return [whole]
    record = server.record(name)
    if record["status"] != "ready":
        whole.faults.append(f"it is {record['status']}")
        return [whole]
    items = check_mosaic(server, record, whole)
    [mosaic] = record["result"]["rasters"]
    files = rasters.files_of(server, record)
    # The first lies uppermost, and is told of first.
    told = [scene["id"] for scene in server.get(mosaic["scenes_url"]).json()["scenes"]]
    if len(told) != len(paths):
        whole.faults.append(f"{len(paths)} files became {len(told)} scenes: {told}")
        return [whole]
    rows = []
    for path, scene in zip(paths, told, strict=True):
        print(f"{path.name} …", flush=True)
        row = Row(path.name)
        began = time.monotonic()
        attempt(row, check_scene, server, record, path, files[scene], items.get(scene), row)
        row.seconds = time.monotonic() - began
        rows.append(row)
    whole.source = sum(row.source or 0 for row in rows)
    return [*rows, whole]


def check_scene(server: Server, record: dict, path: Path, file: Path, item: pystac.Item | None, row: Row) -> None:
    compare_file(path, file, record["result"]["treatment"]["raster"], row)
    row.stac = "found" if item else "missing"
    if not item:
        row.faults.append("pystac-client does not find the item")
        return
    with rasterio.open(path) as source:
        colours = ["alpha" if colour == ColorInterp.alpha else colour.name for colour in source.colorinterp]
    bands = []
    for colour, band in zip(colours, RasterExtension.ext(item.assets["data"]).bands or [], strict=True):
        told = band.to_dict().get("statistics", {})
        if missing := {"minimum", "maximum", "mean", "stddev"} - told.keys():
            row.faults.append(f"the item's statistics have no {', '.join(sorted(missing))}")
            return
        bands.append({"colour": colour, "statistics": {**told, "standard_deviation": told["stddev"]}})
    row.faults += rasters.statistics_faults(path, bands)
    west, south, east, north = item.bbox or []
    check_tile(server, record["result"]["rasters"][0], (west, south, east, north), row)


def check_mosaic(server: Server, record: dict, row: Row) -> dict[str, pystac.Item]:
    """The catalogue's collection and its items, which are the answer, and the one map that desktops read."""
    [mosaic] = record["result"]["rasters"]
    files = rasters.files_of(server, record)
    treated = record["result"]["treatment"]["raster"]
    row.said = ", ".join([*warnings_of(record), f"{mosaic['scene_count']} scenes", mosaic["kind"], treated["compression"]])
    row.served = mosaic["width"] * mosaic["height"]
    row.dropped = sum(warning["count"] for warning in record["warnings"] if warning["reason"] == "FILE_REJECTED")
    for file in files.values():
        check_format(file, row)

    collection = pystac.Collection.from_dict(server.get(record["result"]["stac_collection_url"]).json())
    attempt(row, collection.validate)
    items = clients.stac_scenes(server.public_url, record)
    scenes = files.keys() - {"~overview"}
    row.stac = f"{len(items)} found"
    if items.keys() != scenes:
        row.faults.append(f"pystac-client does not find {sorted(scenes - items.keys())}, but {sorted(items.keys() - scenes)}")
    for scene in scenes & items.keys():
        attempt(row, clients.check_item, items[scene], files[scene])

    box = record["result"]["bbox"]
    attempt(row, check_tile, server, mosaic, (box["west"], box["south"], box["east"], box["north"]), row)
    with tempfile.TemporaryDirectory() as folder:
        # From afar, and in the middle pixel by pixel.
        for share in (1, min(1, desktop.SIDE / mosaic["width"])):
            attempt(row, lambda share=share: desktop.read_with_gdal(record, Path(folder), share=share))
    attempt(row, desktop.read_with_owslib, record, ZOOM)
    return items


def attempt(row: Row, check: Callable, *arguments) -> None:
    """What a check finds wrong is a fault of the row, and the next one goes on."""
    try:
        check(*arguments)
    except Exception as error:  # whatever a client trips over
        row.faults.append(f"{type(error).__name__}: {error}"[:500])
