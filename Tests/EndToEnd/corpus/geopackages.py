"""GeoPackages, which are databases and may hold anything."""

import sqlite3
import struct
from pathlib import Path

from . import case
from .writing import converted, feature, line, points


def geopackage(folder: Path, *options: str) -> Path:
    return converted(folder / "f.gpkg", "GPKG", points(3), "-nln", "f", *options)


def sql(path: Path, *statements: str) -> Path:
    """Runs statements on the file; GeoPackage's own triggers need functions that GDAL has and sqlite3 has not."""
    database = sqlite3.connect(path)
    for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
        database.create_function(name, 1, lambda _: 0)
    with database:
        for statement in statements:
            database.execute(statement)
    database.close()
    return path


@case(3)
def geopackage_with_a_trigger(folder: Path) -> Path:
    return sql(geopackage(folder), "CREATE TRIGGER t AFTER INSERT ON f BEGIN DELETE FROM f; END")


@case(3)
def geopackage_with_a_view(folder: Path) -> Path:
    return sql(
        geopackage(folder),
        "CREATE VIEW v AS SELECT fid AS fid, geom, n FROM f WHERE n > 0",
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES ('v', 'features', 'v', 4326)",
        "INSERT INTO gpkg_geometry_columns VALUES ('v', 'geom', 'POINT', 4326, 0, 0)",
    )


@case(3)
def geopackage_with_a_view_of_a_table_that_is_gone(folder: Path) -> Path:
    return sql(
        geopackage(folder),
        "CREATE VIEW v AS SELECT * FROM nowhere",
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES ('v', 'features', 'v', 4326)",
        "INSERT INTO gpkg_geometry_columns VALUES ('v', 'geom', 'POINT', 4326, 0, 0)",
    )


@case(3)
def geopackage_with_attributes_beside_features(folder: Path) -> Path:
    return sql(
        geopackage(folder),
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT)",
        "INSERT INTO notes (note) VALUES ('one'), ('two')",
        "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('notes', 'attributes', 'notes')",
    )


@case(3)
def geopackage_that_counts_wrong(folder: Path) -> Path:
    return sql(geopackage(folder), "UPDATE gpkg_ogr_contents SET feature_count = 2")


@case(3)
def geopackage_with_a_geometry_of_noise(folder: Path) -> Path:
    return sql(
        geopackage(folder, "-lco", "SPATIAL_INDEX=NO"), "UPDATE f SET geom = x'4750000100000000deadbeef' WHERE fid = 2"
    )


@case(3, "--max-rejects", "1")
def geopackage_with_a_geometry_of_noise_allowed(folder: Path) -> Path:
    return geopackage_with_a_geometry_of_noise(folder)


def geopackage_with_a_line_of(folder: Path, count: int) -> Path:
    """The second of two features is a line of `count` points."""
    path = folder / "f.gpkg"
    converted(path, "GPKG", [feature(line((0, 0), (1, 1)), {"n": n}) for n in range(2)], "-nln", "f", "-lco", "SPATIAL_INDEX=NO")
    header = b"GP\0\1" + struct.pack("<i", 4326)
    body = struct.pack("<BII", 1, 2, count) + b"".join(struct.pack("<dd", n % 170, n % 80) for n in range(count))
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE f SET geom = ? WHERE fid = 2", (header + body,))
    database.close()
    return path


@case(2)
def geopackage_with_a_geometry_of_40_megabytes(folder: Path) -> Path:
    return geopackage_with_a_line_of(folder, 2_500_000)


@case(2, "--max-rejects", "1")
def geopackage_with_a_geometry_of_40_megabytes_allowed(folder: Path) -> Path:
    return geopackage_with_a_line_of(folder, 2_500_000)


@case(3)
def geopackage_with_a_layer_named_like_an_attack(folder: Path) -> Path:
    return converted(folder / "f.gpkg", "GPKG", points(3), "-nln", 'x"; DROP SCHEMA datasets CASCADE; --')


@case(3)
def geopackage_with_binary_and_dates(folder: Path) -> Path:
    return sql(
        geopackage(folder, "-lco", "SPATIAL_INDEX=NO"),
        "ALTER TABLE f ADD COLUMN blob BLOB",
        "ALTER TABLE f ADD COLUMN at DATETIME",
        "ALTER TABLE f ADD COLUMN yes BOOLEAN",
        "UPDATE f SET blob = x'00ff', at = '2026-02-03T04:05:06.789Z', yes = 1 WHERE fid < 3",
        "UPDATE f SET at = 'yesterday' WHERE fid = 3",
    )


@case(3)
def geopackage_without_a_crs(folder: Path) -> Path:
    return sql(
        geopackage(folder), "UPDATE gpkg_geometry_columns SET srs_id = -1", "UPDATE gpkg_contents SET srs_id = -1"
    )


@case(3)
def geopackage_cut(folder: Path) -> Path:
    path = geopackage(folder)
    path.write_bytes(path.read_bytes()[:-5000])
    return path


@case(3)
def geopackage_that_is_plain_sqlite(folder: Path) -> Path:
    path = folder / "f.gpkg"
    return sql(path, "CREATE TABLE f (n INTEGER)", "INSERT INTO f VALUES (1), (2), (3)")
