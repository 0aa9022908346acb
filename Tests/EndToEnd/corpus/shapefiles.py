"""Shapefiles and their siblings."""

import struct
from pathlib import Path

from . import case
from .writing import converted, feature, point, points, polygon, square, text


def shapefile(folder: Path, features: list[dict], *options: str) -> Path:
    return converted(folder / "f.shp", "ESRI Shapefile", features, *options)


@case(3)
def shapefile_whole(folder: Path) -> Path:
    return shapefile(folder, points(3))


@case(3)
def shapefile_without_dbf(folder: Path) -> Path:
    path = shapefile(folder, points(3))
    path.with_suffix(".dbf").unlink()
    return path


@case(3)
def shapefile_without_shx(folder: Path) -> Path:
    path = shapefile(folder, points(3))
    path.with_suffix(".shx").unlink()
    return path


@case(3)
def shapefile_without_prj(folder: Path) -> Path:
    path = shapefile(folder, points(3))
    path.with_suffix(".prj").unlink()
    return path


@case(3)
def shapefile_with_a_prj_of_prose(folder: Path) -> Path:
    path = shapefile(folder, points(3))
    text(path.with_suffix(".prj"), "degrees, I think")
    return path


@case(2)
def shapefile_with_the_wrong_cpg(folder: Path) -> Path:
    features = [feature(point(n, n), {"name": "Größe"}) for n in range(2)]
    path = shapefile(folder, features, "-lco", "ENCODING=ISO-8859-1")
    text(path.with_suffix(".cpg"), "UTF-8")
    return path


@case(2)
def shapefile_with_a_cpg_nobody_knows(folder: Path) -> Path:
    path = shapefile(folder, points(2))
    text(path.with_suffix(".cpg"), "KLINGON")
    return path


@case(3)
def shapefile_cut(folder: Path) -> Path:
    path = shapefile(folder, points(3))
    return text(path, path.read_bytes()[:-10])


@case(3)
def shapefile_with_a_shorter_dbf(folder: Path) -> Path:
    path = shapefile(folder, points(3))
    table = path.with_suffix(".dbf")
    content = bytearray(table.read_bytes())
    content[4:8] = struct.pack("<I", 2)
    text(table, bytes(content))
    return path


@case(2)
def shapefile_with_a_deleted_row(folder: Path) -> Path:
    path = shapefile(folder, points(3))
    table = path.with_suffix(".dbf")
    content = bytearray(table.read_bytes())
    header, row = struct.unpack("<HH", content[8:12])
    content[header + row] = ord("*")
    text(table, bytes(content))
    return path


@case(3)
def shapefile_with_a_null_shape(folder: Path) -> Path:
    return shapefile(folder, [*points(2), feature(None, {"n": 2, "name": "nowhere"})])


@case(2)
def shapefile_with_dates_that_do_not_exist(folder: Path) -> Path:
    features = [feature(point(n, n), {"day": "2026-02-03"}) for n in range(2)]
    path = shapefile(folder, features, "-mapFieldType", "String=Date")
    table = path.with_suffix(".dbf")
    text(table, table.read_bytes().replace(b"20260203", b"20260231", 1))
    return path


@case(1)
def shapefile_with_rings_the_wrong_way(folder: Path) -> Path:
    path = shapefile(folder, [feature(polygon(square(0, 0, 3), square(1, 1)))])
    content = bytearray(path.read_bytes())
    # The points of the outer ring the other way about: 100 bytes of header, 8 of record, 44 of shape, 2 parts.
    start = 100 + 8 + 44 + 8
    ring = [content[start + n * 16 : start + n * 16 + 16] for n in range(5)]
    content[start : start + 80] = b"".join(reversed(ring))
    return text(path, bytes(content))
