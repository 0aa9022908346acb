"""Datasets to serve: tables in schema data, their routes, and their STAC items."""

import hashlib
import json
from pathlib import Path

import numpy as np
import psycopg
import rasterio
from rasterio.transform import from_origin

PREVIEW_TOKEN = "5e" * 32

# name: (namespace, dataset, resource, version, dataset_pk, build)
PLACES = ("default", "places", "cities", "v1.0", 1, 10)
HILLS = ("default", "hills", "heights", "v1", 3, 30)
PIECES = ("default", "pieces", "picture", "v1", 4, 40)
WORLD = ("default", "world", "picture", "v1", 5, 50)
HALVES = ("default", "halves", "picture", "v1", 6, 60)
MIXED = ("survey-2", "field.work", "site_A", "2025-01", 2, 20)

_PLACES = """
CREATE TABLE data.d1_b{build}_t1 (
  fid bigint PRIMARY KEY, geom geometry(Point, 4326), name text, population bigint, rank integer, height double precision,
  founded date, seen timestamptz, capital boolean, tags text[], extra json, "Odd Name" text, code bytea, price numeric);
INSERT INTO data.d1_b{build}_t1
SELECT i, ST_SetSRID(ST_MakePoint(-170 + (i * 37 % 3400) / 10.0, -60 + (i * 53 % 1300) / 10.0), 4326),
  CASE WHEN i = 1 THEN '<script>alert(1)</script>' ELSE {name} || i END, i * 1000, i % 7, i / 3.0,
  date '1900-01-01' + i, timestamptz '2020-01-01Z' + i * interval '1 hour', i % 2 = 0, ARRAY['a', 'b' || i],
  json_build_object('n', i), 'odd', '\\x00ff'::bytea, 1.5
FROM generate_series(1, {count}) i;
CREATE INDEX ON data.d1_b{build}_t1 USING gist (geom);
ANALYZE data.d1_b{build}_t1;
"""

_MIXED = """
CREATE TABLE data.d2_b20_t1 (fid bigint PRIMARY KEY, geom geometry(MultiPolygon, 4326), kind text);
INSERT INTO data.d2_b20_t1
SELECT i, ST_Multi(ST_MakeEnvelope(i * 10 - 180, -90 + i, i * 10 - 172, 80, 4326)), 'zone ' || i FROM generate_series(1, 30) i;
CREATE TABLE data.d2_b20_t2 (fid bigint PRIMARY KEY, geom geometry(MultiLineString, 4326), length double precision);
INSERT INTO data.d2_b20_t2 SELECT i, ST_Multi(ST_SetSRID(ST_MakeLine(ST_MakePoint(i, i), ST_MakePoint(i + 5, i + 3)), 4326)), i
FROM generate_series(1, 40) i;
CREATE TABLE data.d2_b20_t3 (fid bigint PRIMARY KEY, note text);
INSERT INTO data.d2_b20_t3 SELECT i, 'note ' || i FROM generate_series(1, 5) i;
"""


def places(admin: psycopg.Connection, build: int, count: int, name: str = "Place ") -> None:
    """A table of points for dataset 1; another build is another table, as terraned makes them."""
    admin.execute("SET ROLE terrane_server")
    admin.execute(_PLACES.format(build=build, count=count, name=f"'{name}'"))
    # As terraned does when it takes a table over: the right goes with the table, there is no default.
    admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA data TO terrane_dataapi, terrane_task")
    admin.execute("RESET ROLE")


def route(admin: psycopg.Connection, of: tuple, collections: list[tuple], *, token: str | None = None, **more) -> None:
    """Publishes (or previews, with a token) a build: a row of serving.routes and rows of serving.collections."""
    namespace, dataset, resource, version, pk, build = of
    row = {"title": "A title", "description": "", "attribution": "", "license": "", "stac_collection": None, **more}
    admin.execute(
        """INSERT INTO serving.routes (namespace, dataset_id, resource_id, version_id, dataset_pk, build, kind,
             preview_token_sha256, title, description, attribution, license, bbox, stac_collection, stac_item, published_at)
           VALUES (%s, %s, %s, %s, %s, %s, 'vector', %s, %s, %s, %s, %s, %s, %s, %s, '2026-03-01Z')""",
        (namespace, dataset, resource, version, pk, build,
         hashlib.sha256(token.encode()).digest() if token else None,
         row["title"], row["description"], row["attribution"], row["license"], [-180, -90, 180, 90],
         row["stac_collection"], version if row["stac_collection"] else None),
    )  # fmt: skip
    for position, (collection, table, geometry, count, bbox) in enumerate(collections):
        admin.execute(
            "INSERT INTO serving.collections VALUES (%s, %s, %s, %s, 'data', %s, %s, %s, '', %s, %s)",
            (pk, build, collection, position, table, geometry, f"Title of {collection}", count, bbox),
        )


def withdraw(admin: psycopg.Connection, of: tuple) -> None:
    admin.execute("DELETE FROM serving.routes WHERE dataset_pk = %s AND build = %s", of[4:])


def publish_places(admin: psycopg.Connection, build: int, count: int, **more) -> None:
    of = (*PLACES[:5], build)
    route(admin, of, [("cities", f"d1_b{build}_t1", "Point", count, [-170, -60, 170, 70])],
          **{"title": "Cities <b>of</b> the world", "description": "Every \"city\" & more.",
             "attribution": "© <i>Someone</i>", "license": "CC0-1.0", "stac_collection": "default:places:cities", **more},
    )  # fmt: skip


def publish_mixed(admin: psycopg.Connection) -> None:
    admin.execute("SET ROLE terrane_server")
    admin.execute(_MIXED)
    # As terraned does when it takes a table over: the right goes with the table, there is no default.
    admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA data TO terrane_dataapi, terrane_task")
    admin.execute("RESET ROLE")
    collections = [
        ("zones", "d2_b20_t1", "MultiPolygon", 30, [-170, -89, 128, 80]),
        ("tracks", "d2_b20_t2", "MultiLineString", 40, [1, 1, 45, 43]),
        ("notes", "d2_b20_t3", None, 5, None),
    ]
    route(admin, MIXED, collections, title="Field work")


def catalogue(admin: psycopg.Connection) -> None:
    """One collection with three items in pgstac, written as terraned writes them."""
    collection = {
        "type": "Collection", "id": "default:places:cities", "stac_version": "1.0.0", "description": "Cities",
        "license": "CC0-1.0", "links": [],
        "extent": {"spatial": {"bbox": [[-170, -60, 170, 70]]}, "temporal": {"interval": [["2025-01-01T00:00:00Z", None]]}},
    }  # fmt: skip
    admin.execute("SET search_path = pgstac, public")
    admin.execute("SELECT pgstac.upsert_collection(%s::text::jsonb)", (json.dumps(collection),))
    for n, version in enumerate(("v1.0", "v0.9", "v0.8")):
        item = {
            "type": "Feature", "stac_version": "1.0.0", "id": version, "collection": "default:places:cities", "links": [],
            "geometry": {"type": "Polygon", "coordinates": [[[-170, -60], [170, -60], [170, 70], [-170, 70], [-170, -60]]]},
            "bbox": [-170, -60, 170, 70],
            "properties": {"datetime": f"2025-0{n + 1}-01T00:00:00Z", "title": version, "terrane:rows": 100 * n},
            "assets": {},
        }  # fmt: skip
        admin.execute("SELECT pgstac.upsert_item(%s::text::jsonb)", (json.dumps(item),))
    admin.execute("RESET search_path")


def publish_raster(admin: psycopg.Connection, files: Path) -> None:
    """Two bands of whole numbers from 0 to 998, tiled, in a system of metres."""
    name = "3/30/1-1.tif"
    (files / name).parent.mkdir(parents=True)
    y, x = np.mgrid[0:600, 0:600]
    pixels = np.stack([(x + y) % 999, (x * y) % 777]).astype("uint16")
    with rasterio.open(
        files / name, "w", driver="GTiff", count=2, height=600, width=600, dtype="uint16", crs="EPSG:32632",
        transform=from_origin(500_000, 5_500_000, 100, 100), tiled=True, blockxsize=256, blockysize=256,
    ) as file:  # fmt: skip
        file.write(pixels)
    band = {"type": "uint16", "colour": "gray", "unit": "", "description": "",
            "statistics": {"minimum": 0, "maximum": 998, "mean": 499, "standardDeviation": 288, "validShare": 1}}  # fmt: skip
    details = {
        "raster": {"width": 600, "height": 600, "kind": "continuous", "crs": "EPSG:32632", "bands": [band, {**band, "colour": "undefined"}]},
        "rendering": {"bands": [1], "rescale": [[0, 998], [10, 500.5]], "colormap": "viridis"},
    }
    box = [9.0, 49.11, 9.83, 49.66]
    route(admin, HILLS, [], title="Hills <i>of</i> nowhere", stac_collection="default:hills:heights")
    admin.execute("UPDATE serving.routes SET kind = 'raster', bbox = %s, item = %s WHERE dataset_pk = 3", (box, json.dumps({
        "type": "Feature", "stac_version": "1.1.0", "id": "v1", "collection": "default:hills:heights", "properties": {}, "assets": {}})))
    admin.execute(
        "INSERT INTO serving.rasters VALUES (3, 30, 'raster', 0, 'Hills', %s, %s, %s, %s)",
        (name, (files / name).stat().st_size, box, json.dumps(details)),
    )


def publish_mosaic(admin: psycopg.Connection, files: Path) -> None:
    """Four scenes in a row, each of one value, and a small picture of all of them; the last two lie over the antimeridian's sides."""
    route(admin, PIECES, [], title="Pieces", stac_collection="default:pieces:picture:v1")
    box = [-180.0, 0.0, 180.0, 10.0]
    admin.execute("UPDATE serving.routes SET kind = 'mosaic', bbox = %s, stac_item = NULL WHERE dataset_pk = 4", (box,))
    places = {"east": (0.0, 40), "west": (-20.0, 80), "far-east": (170.0, 120), "far-west": (-180.0, 160)}
    rows = [(name, west, np.full((200, 200), value, "uint8"), 0.05, None) for name, (west, value) in places.items()]
    whole = np.zeros((10, 360), "uint8")
    for west, value in places.values():
        whole[:, int(west) + 180 : int(west) + 190] = value
    rows.append(("~overview", -180.0, whole, 1.0, "overview"))
    for position, (name, west, pixels, size, role) in enumerate(rows):
        scene(admin, files, PIECES, position, name, pixels, (west, 10.0), size, role)


def publish_world(admin: psycopg.Connection, files: Path) -> None:
    """A raster and a mosaic of the whole world, bright in the north. The mosaic's upper scene has the larger pixels."""
    for of, kind in ((WORLD, "raster"), (HALVES, "mosaic")):
        route(admin, of, [], title=f"World, a {kind}")
        admin.execute("UPDATE serving.routes SET kind = %s WHERE dataset_pk = %s", (kind, of[4]))
    scene(admin, files, WORLD, 0, "raster", north_and_south(720, 1440), (-180.0, 90.0), 0.25)
    scene(admin, files, HALVES, 0, "west", north_and_south(180, 180), (-180.0, 90.0), 1.0)
    scene(admin, files, HALVES, 1, "east", north_and_south(720, 720), (0.0, 90.0), 0.25)


def north_and_south(height: int, width: int) -> np.ndarray:
    return np.repeat(np.array([200, 100], "uint8"), height // 2)[:, None].repeat(width, 1)


def scene(
    admin: psycopg.Connection, files: Path, of: tuple, position: int, name: str, pixels: np.ndarray,
    corner: tuple[float, float], size: float, role: str | None = None,
) -> None:  # fmt: skip
    """A file of degrees, `size` a pixel, whose upper left `corner` is told, and its row of serving.rasters."""
    pk, build = of[4:]
    west, north = corner
    height, width = pixels.shape
    file = f"{pk}/{build}/{position + 1}-1.tif"
    (files / file).parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        files / file, "w", driver="GTiff", count=1, height=height, width=width, dtype="uint8", crs="EPSG:4326",
        transform=from_origin(west, north, size, size), nodata=0,
    ) as made:  # fmt: skip
        made.write(pixels, 1)
    band = {"type": "uint8", "colour": "gray", "unit": "", "description": ""}
    details = {
        "raster": {"width": width, "height": height, "kind": "continuous", "crs": "EPSG:4326", "bands": [band]},
        "rendering": {"bands": [1]},
    }
    item = None if role else json.dumps({"type": "Feature", "id": name, "properties": {}, "assets": {}})
    bounds = [west, north - height * size, west + width * size, north]
    admin.execute(
        "INSERT INTO serving.rasters VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (pk, build, name, position, name, file, (files / file).stat().st_size, bounds, json.dumps(details), role, item),
    )
