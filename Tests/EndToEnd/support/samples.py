"""Sources made on the spot."""

import csv
import json
import os
import subprocess
from pathlib import Path


def ogr2ogr(*words: str | Path) -> None:
    subprocess.run(["ogr2ogr", *map(str, words)], check=True, capture_output=True, timeout=300)


def readable(*paths: Path) -> None:
    """The server's user may read them."""
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)


def places(count: int = 5, **properties) -> dict:
    """A GeoJSON FeatureCollection of points along the equator, numbered from 0."""
    features = [
        {
            "type": "Feature", "id": n, "properties": {"number": n, "name": f"Größe {n}", "half": n / 2, **properties},
            "geometry": {"type": "Point", "coordinates": [n % 170, n / 1000]},
        }
        for n in range(count)
    ]  # fmt: skip
    return {"type": "FeatureCollection", "features": features}


def geojson(path: Path, content: dict) -> Path:
    path.write_text(json.dumps(content, ensure_ascii=False))
    readable(path)
    return path


def shapefile(folder: Path, source: Path, name: str, *, without: tuple[str, ...] = ()) -> Path:
    """Its .shp; siblings beside it, but for those left out."""
    folder.mkdir(exist_ok=True)
    ogr2ogr("-f", "ESRI Shapefile", "-lco", "ENCODING=UTF-8", folder / f"{name}.shp", source)
    for suffix in without:
        (folder / f"{name}.{suffix}").unlink()
    readable(folder, *folder.iterdir())
    return folder / f"{name}.shp"


def zipped(archive: Path, shapefile: Path) -> Path:
    parts = [str(part) for part in shapefile.parent.iterdir() if part.stem == shapefile.stem]
    subprocess.run(["zip", "-q", "-j", str(archive), *parts], check=True, timeout=60)
    readable(archive)
    return archive


def many_points(path: Path, count: int) -> Path:
    """A GeoPackage of `count` points with enough columns that loading them takes a while."""
    table = path.with_suffix(".csv")
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["lon", "lat", "number", "name", "note", "value", "code"])
        for n in range(count):
            rows.writerow(
                [n % 3600 / 10 - 180, n // 3600 % 1700 / 10 - 85, n, f"feature {n}", "n" * (40 + n % 80), n / 7, f"{n % 97:03d}"]
            )
    # Written whole, then moved: GeoPackages are databases, and a reader might meet one in the making.
    made = path.with_name("making-" + path.name)
    ogr2ogr(
        "-f", "GPKG", made, table, "-nln", path.stem, "-oo", "X_POSSIBLE_NAMES=lon", "-oo", "Y_POSSIBLE_NAMES=lat",
        "-oo", "KEEP_GEOM_COLUMNS=NO", "-oo", "AUTODETECT_TYPE=YES", "-a_srs", "EPSG:4326", "-lco", "SPATIAL_INDEX=NO", "-gt", "65536",
    )  # fmt: skip
    os.replace(made, path)
    table.unlink()
    readable(path)
    return path
