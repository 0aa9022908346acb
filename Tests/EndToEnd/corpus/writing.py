"""Small writers the cases share."""

import json
import subprocess
from pathlib import Path


def text(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def feature(geometry: dict | None, properties: dict | None = None, **more) -> dict:
    return {"type": "Feature", "properties": properties or {}, "geometry": geometry, **more}


def collection(features: list[dict], **more) -> dict:
    return {"type": "FeatureCollection", **more, "features": features}


def point(x: float, y: float, *more: float) -> dict:
    return {"type": "Point", "coordinates": [x, y, *more]}


def line(*points: tuple[float, float]) -> dict:
    return {"type": "LineString", "coordinates": points}


def polygon(*rings: list[tuple[float, float]]) -> dict:
    return {"type": "Polygon", "coordinates": rings}


def square(x: float = 0, y: float = 0, size: float = 1) -> list[tuple[float, float]]:
    return [(x, y), (x + size, y), (x + size, y + size), (x, y + size), (x, y)]


def points(count: int) -> list[dict]:
    return [feature(point(n, n / 10), {"n": n, "name": f"p{n}"}) for n in range(count)]


def geojson(path: Path, features: list[dict], **more) -> Path:
    return text(path, json.dumps(collection(features, **more), ensure_ascii=False))


def ogr2ogr(*words: str | Path) -> None:
    done = subprocess.run(["ogr2ogr", *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def converted(path: Path, driver: str, features: list[dict], *options: str) -> Path:
    """The features in another format, written by ogr2ogr."""
    ogr2ogr("-f", driver, *options, path, geojson(path.with_name("source-of-" + path.stem + ".geojson"), features))
    return path
