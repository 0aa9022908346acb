"""MosaicJSON 0.0.3 (developmentseed/mosaicjson-spec): which scenes lie in which tile, by quadkey."""

import math
from collections.abc import Sequence
from typing import Any

from .pages import extents
from .registry import Scene

# Tiles of the index; a coarser zoom is taken where there would be more.
_MOST_TILES = 20_000


def of(name: str, scenes: Sequence[tuple[Scene, str]], minzoom: int, maxzoom: int) -> dict[str, Any]:
    """The document. `scenes`: the uppermost first, each with the URL of its file."""
    zoom = max(0, min(minzoom, maxzoom))
    while zoom > 0 and sum(_count(scene, zoom) for scene, _ in scenes) > _MOST_TILES:
        zoom -= 1
    tiles: dict[str, list[str]] = {}
    for scene, url in scenes:
        for west, south, east, north in extents(scene.bbox):
            first, last = _tile(west, north, zoom), _tile(east, south, zoom)
            for x in range(first[0], last[0] + 1):
                for y in range(first[1], last[1] + 1):
                    tiles.setdefault(_quadkey(x, y, zoom), []).append(url)
    boxes = [box for scene, _ in scenes for box in extents(scene.bbox)]
    bounds = [min(box[0] for box in boxes), min(box[1] for box in boxes), max(box[2] for box in boxes), max(box[3] for box in boxes)]
    return {
        "mosaicjson": "0.0.3", "name": name, "version": "1.0.0", "minzoom": zoom, "maxzoom": maxzoom, "quadkey_zoom": zoom,
        "bounds": bounds, "center": [(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2, zoom], "tiles": tiles,
    }  # fmt: skip


def _count(scene: Scene, zoom: int) -> int:
    count = 0
    for west, south, east, north in extents(scene.bbox):
        first, last = _tile(west, north, zoom), _tile(east, south, zoom)
        count += (last[0] - first[0] + 1) * (last[1] - first[1] + 1)
    return count


def _tile(longitude: float, latitude: float, zoom: int) -> tuple[int, int]:
    side = 2**zoom
    latitude = max(-85.0511, min(85.0511, latitude))
    x = int((longitude + 180) / 360 * side)
    y = int((1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2 * side)
    return min(max(x, 0), side - 1), min(max(y, 0), side - 1)


def _quadkey(x: int, y: int, zoom: int) -> str:
    return "".join(str((x >> bit & 1) + 2 * (y >> bit & 1)) for bit in range(zoom - 1, -1, -1))
