"""Whatever a format can hold comes back as OGR reads it from the file: every feature, geometry to 1e-9 degrees, every value.

The data is drawn anew in every run; `TERRANE_SEED` repeats one. Each format's own losses (a shapefile's names of ten
characters, KML's lack of types) happen in the file, before we see it, and are a table in docs/formats.md.
"""

import json
import math
import os
import random
from pathlib import Path

import pytest

from support import features, samples
from support.server import Server

SEED = int(os.environ.get("TERRANE_SEED") or random.SystemRandom().randrange(2**31))
ALPHABET = "abc XYZ 0123 äöüß éñ Ж 漢字 😀 '\"\\;,%&<>{}$\t"


def text(draw: random.Random) -> str:
    return "".join(draw.choice(ALPHABET) for _ in range(draw.randrange(1, 40))).strip() or "x"


def properties(draw: random.Random, number: int) -> dict:
    def or_null(value):
        return None if draw.random() < 0.1 else value

    return {
        "number": number,
        "big": or_null(draw.randrange(-(2**53), 2**53)),
        "value": or_null(draw.choice([0.5, -1e-7, 1e20, draw.uniform(-1e6, 1e6)])),
        "label": or_null(text(draw)),
        "day": or_null(f"{draw.randrange(1900, 2100)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}"),
        "truth": or_null(draw.random() < 0.5),
    }


def star(draw: random.Random, x: float, y: float, size: float) -> list[list[float]]:
    """A ring around a point that does not cross itself."""
    corners = draw.randrange(3, 12)
    at = [(2 * math.pi * n / corners, draw.uniform(size / 2, size)) for n in range(corners)]
    ring = [[x + r * math.cos(a), y + r * math.sin(a)] for a, r in at]
    return [*ring, ring[0]]


def geometry(draw: random.Random, family: str) -> dict:
    def place() -> list[float]:
        return [draw.uniform(-170, 170), draw.uniform(-80, 80)]

    if family == "Point":
        return {"type": "Point", "coordinates": place()}
    if family == "MultiPoint":
        return {"type": "MultiPoint", "coordinates": [place() for _ in range(draw.randrange(1, 5))]}
    if family == "LineString":
        x, y = place()
        return {"type": "LineString", "coordinates": [[x + draw.uniform(0, 3), y + draw.uniform(0, 3)] for _ in range(draw.randrange(2, 20))]}
    x, y = place()
    outer = star(draw, x, y, 2)
    rings = [outer] + ([star(draw, x, y, 0.2)[::-1]] if draw.random() < 0.3 else [])
    if family == "Polygon":
        return {"type": "Polygon", "coordinates": rings}
    return {"type": "MultiPolygon", "coordinates": [rings, [star(draw, x + 5, y, 1)]]}


def parts(geometry: dict) -> tuple[str, list]:
    """The family and the single parts, so that a point equals a multi-point of one."""
    kind, coordinates = geometry["type"], geometry["coordinates"]
    return (kind[5:], coordinates) if kind.startswith("Multi") else (kind, [coordinates])


def flat(geometry: dict) -> dict:
    def two(part):
        return part[:2] if isinstance(part[0], (int, float)) else [two(inner) for inner in part]

    return {**geometry, "coordinates": two(geometry["coordinates"])}


def closest(a, b) -> float:
    """The largest difference of two nested lists of numbers; infinite where their shapes differ."""
    if isinstance(a, list) != isinstance(b, list):
        return math.inf
    if not isinstance(a, list):
        return abs(a - b)
    if len(a) != len(b):
        return math.inf
    return max((closest(one, other) for one, other in zip(a, b, strict=True)), default=0)


FORMATS = {
    "gpkg": ("GPKG", ()),
    "fgb": ("FlatGeobuf", ()),
    "geojson": ("GeoJSON", ("-lco", "COORDINATE_PRECISION=15")),
    "geojsonl": ("GeoJSONSeq", ("-lco", "COORDINATE_PRECISION=15")),
    "shp": ("ESRI Shapefile", ("-lco", "ENCODING=UTF-8")),
    "csv": ("CSV", ("-lco", "GEOMETRY=AS_WKT", "-lco", "GEOMETRY_NAME=wkt")),
    "kml": ("LIBKML", ()),
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("family", ["Point", "MultiPoint", "LineString", "Polygon", "MultiPolygon"])
def test_comes_back_as_it_was(family: str, suffix: str, server: Server, folder: Path, name: str):
    seed = f"{SEED}/{family}/{suffix}"
    draw = random.Random(seed)
    drawn = [
        {"type": "Feature", "properties": properties(draw, n), "geometry": geometry(draw, family)} for n in range(40)
    ]
    plain = samples.geojson(folder / "drawn.geojson", {"type": "FeatureCollection", "features": drawn})
    driver, options = FORMATS[suffix]
    path = folder / f"layer.{suffix}"
    samples.ogr2ogr("-f", driver, *options, path, plain, "-nln", "layer")
    samples.readable(*folder.iterdir())
    record = server.ready(name, path)
    [collection] = record["result"]["collections"]
    read_as = f"GeoJSONSeq:{path}" if suffix == "geojsonl" else str(path)
    source = features.read(read_as, *features.table_options(path), "-t_srs", "EPSG:4326", "-lco", "COORDINATE_PRECISION=15")
    served = features.read_served(record["result"]["endpoint"], collection["id"])
    assert len(served.features) == len(drawn), f"seed {seed}"
    # A CSV's rows have no id of their own; ogr2ogr and we both number them.
    assert features.differences(source, served, collection["columns"], compare_bounds=True) == [], f"seed {seed}"
    wrong = []
    repaired = {w["reason"] for w in record["warnings"]} & features.RESHAPING
    assert not repaired, f"seed {seed}: what was drawn is valid"
    for number, expected in source.geometries.items():
        # Heights are dropped with a warning: KML's writer gives every point one.
        (kind, one), (other_kind, other) = parts(flat(expected)), parts(served.geometries[number])
        if kind != other_kind or closest(one, other) > 1e-9:
            wrong.append(f"{number}: {json.dumps(expected)[:200]} is served as {json.dumps(served.geometries[number])[:200]}")
    assert wrong == [], f"seed {seed}"
