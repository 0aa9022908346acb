"""Fetches what a dataset serves and says what it holds: demo-fetch.py RECORD.json [--picture FILE.png]"""
import argparse
import io
import json
import shutil
import sys
import urllib.request
from pathlib import Path

import mapbox_vector_tile
import rasterio


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def show_vectors(collection: dict) -> None:
    items = json.loads(fetch(f"{collection['items_url']}?limit=3"))
    names = [next((str(v) for k, v in f["properties"].items() if "name" in k), f["id"]) for f in items["features"]]
    print(f"items:  {items['numberMatched']} features in '{collection['id']}', among them {', '.join(map(str, names))}")
    tile = fetch(collection["tiles_url"].replace("{z}", "0").replace("{x}", "0").replace("{y}", "0"))
    layers = {name: len(layer["features"]) for name, layer in mapbox_vector_tile.decode(tile).items()}
    print(f"tile:   0/0/0 has {len(tile)} bytes, features by layer {layers}")
    assert items["numberMatched"] == collection["feature_count"] > 0 and sum(layers.values()) > 0


def show_raster(raster: dict, endpoint: str, picture: Path | None) -> None:
    tile = fetch(raster["tiles_url"].format(z=0, x=0, y=0))
    assert tile.startswith(b"\x89PNG")
    print(f"tile:   0/0/0 is a PNG of {len(tile)} bytes")
    values = json.loads(fetch(f"{endpoint}/point/8.5,47.4"))["values"]
    print(f"point:  8.5 E, 47.4 N has the values {values}")
    with rasterio.open(io.BytesIO(fetch(raster["download_url"]))) as file:
        print(f"file:   {file.width} x {file.height} pixels, {file.count} bands, overviews {file.overviews(1)}")
    preview = fetch(raster["preview_url"])
    draw(preview)
    if picture:
        picture.write_bytes(preview)
        print(f"picture: {picture}")


def draw(png: bytes) -> None:
    """The picture in the terminal: each character two pixels, one above the other. Nothing where nobody looks."""
    if not sys.stdout.isatty():
        return
    columns = min(shutil.get_terminal_size().columns - 2, 100)
    with rasterio.open(io.BytesIO(png)) as file:
        rows = max(2, round(columns * file.height / file.width)) // 2 * 2
        pixels = file.read([1, 2, 3] if file.count >= 3 else [1, 1, 1], out_shape=(3, rows, columns))
    for row in range(0, rows, 2):
        cells = []
        for column in range(columns):
            upper, lower = (";".join(str(v) for v in pixels[:, row + half, column]) for half in (0, 1))
            cells.append(f"\x1b[38;2;{upper}m\x1b[48;2;{lower}m\u2580")
        print(" " + "".join(cells) + "\x1b[0m")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("record", type=Path)
parser.add_argument("--picture", type=Path, help="where a raster's picture is written")
arguments = parser.parse_args()
result = json.loads(arguments.record.read_text())["result"]
for one in result["collections"]:
    show_vectors(one)
for one in result.get("rasters", []):
    show_raster(one, result["endpoint"], arguments.picture)
item = json.loads(fetch(result["stac_item_url"]))
print(f"STAC:   item {item['collection']}/{item['id']}, bbox {[round(v, 2) for v in item['bbox']]}, {len(item['assets'])} assets")
print(f"page:   {result['endpoint']}/  (in a browser: a map of it)")
