"""Vector tiles that stay small, whatever the table holds.

A tile of few features is drawn as tipg draws it. Where there are too many, or too many bytes, the tile is thinned: of what is
smaller than a cell of a grid each cell shows one feature, of what is larger the largest come first; what would vanish (an area
below a pixel) is drawn as a pixel. Nothing is lost: the next zoom level shows more, and items have everything.
"""

from typing import Any

import asyncpg
from cql2 import Expr
from morecantile import Tile, TileMatrixSet
from tipg.collections import PgCollection, _quote_ident
from tipg.settings import MVTSettings

# Features of a tile that is drawn whole.
MOST_FEATURES = 10_000
# Bytes of a tile. A client fetches dozens at once.
MOST_BYTES = 500_000
# Cells across a tile, the first that fits. A client draws a tile 256 or 512 pixels wide.
GRIDS = (128, 64, 32, 16)
_PIXELS = 256

_settings = MVTSettings()

_COUNT = "SELECT count(*) FROM (SELECT FROM {table} {where} LIMIT {most}) AS found"

_THINNED = """
WITH boxes AS MATERIALIZED (
  SELECT {key}, Box3D({geom}) AS box FROM {table} {where}
), found AS MATERIALIZED (
  SELECT {key}, (ST_XMin(box) + ST_XMax(box)) / 2 AS x, (ST_YMin(box) + ST_YMax(box)) / 2 AS y,
    greatest((ST_XMax(box) - ST_XMin(box)) / {width}, (ST_YMax(box) - ST_YMin(box)) / {height}) AS size
  FROM boxes
), chosen AS (
  (SELECT {key}, size FROM found WHERE size >= 1.0 / {grid} ORDER BY size DESC, {key} LIMIT {grid} * {grid})
  UNION ALL
  SELECT min({key}), 0 FROM found WHERE size < 1.0 / {grid}
  GROUP BY floor((x - {west}) / {width} * {grid}), floor((y - {south}) / {height} * {grid})
), drawn AS (
  SELECT {columns}, ST_AsMVTGeom(
    ST_Transform(CASE
      WHEN ST_Dimension({geom}) = 0 THEN {geom}
      WHEN greatest(ST_XMax({geom}) - ST_XMin({geom}), ST_YMax({geom}) - ST_YMin({geom})) >= 2 * {pixel}
        THEN ST_Simplify({geom}, {pixel} / 2, true)
      WHEN ST_Dimension({geom}) = 2 THEN ST_Expand({geom}, {pixel} / 2, {pixel} / 2)
      ELSE ST_BoundingDiagonal(ST_Expand({geom}, {pixel} / 2, 0))
    END, {srid}), ST_MakeEnvelope({bounds}, {srid}), {extent}, {buffer}, true) AS geom
  FROM {table} JOIN chosen USING ({key})
)
SELECT ST_AsMVT(drawn.*, $1, {extent}, 'geom') FROM drawn
"""


async def count(table: PgCollection, connection: asyncpg.Connection, where: Expr | None) -> int:
    """The features of a tile, as far as it matters: one more than are drawn whole means many."""
    sql = _COUNT.format(table=table._qualified_name, where=table._where_clause(where), most=MOST_FEATURES + 1)
    return await connection.fetchval(sql)


async def thinned(
    table: PgCollection, connection: asyncpg.Connection, tms: TileMatrixSet, tile: Tile, where: Expr | None,
    properties: list[str] | None, geometry: str,
) -> bytes:  # fmt: skip
    """The tile on the finest grid on which it is small enough; on the coarsest if on none."""
    degrees, metres = tms.bounds(tile), tms.xy_bounds(tile)
    values: dict[str, Any] = {
        "table": table._qualified_name,
        "where": table._where_clause(where),
        "key": _quote_ident(table.id_column.name),
        "geom": _quote_ident(geometry),
        "columns": ", ".join(table._select_property_columns(properties)) or "NULL AS nothing",
        "west": degrees.left,
        "south": degrees.bottom,
        "width": degrees.right - degrees.left,
        "height": degrees.top - degrees.bottom,
        "pixel": (degrees.right - degrees.left) / _PIXELS,
        "bounds": f"{metres.left}, {metres.bottom}, {metres.right}, {metres.top}",
        "srid": tms.crs.to_epsg(),
        "extent": int(_settings.tile_resolution),
        "buffer": int(_settings.tile_buffer),
    }
    body = b""
    for grid in GRIDS:
        body = bytes(await connection.fetchval(_THINNED.format(grid=grid, **values), "default"))
        if len(body) <= MOST_BYTES:
            break
    return body
