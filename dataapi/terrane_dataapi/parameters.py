"""Strict versions of tipg's query parameters.

They stand in for tipg's own dependencies (`dependency_overrides`), so a wrong value is refused here, with its reason,
before it can become a Python or SQL error further in.
"""

import math
import re
from typing import Annotated, Literal

from cql2 import Expr
from fastapi import Depends, Path, Query, Request
from morecantile import Tile
from pydantic import AwareDatetime, TypeAdapter, ValidationError
from tipg import dependencies as tipg

from . import filters
from .problems import Problem
from .tables import ServedTable, Tables

MOST_FEATURES = 10_000
MOST_IDS = 1_000
FURTHEST_OFFSET = 2**31
DEEPEST_ZOOM = 24
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_CRS84 = frozenset({
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "https://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "urn:ogc:def:crs:OGC:1.3:CRS84",
    "OGC:CRS84",
})  # fmt: skip
_datetime = TypeAdapter(AwareDatetime)


def _wrong(name: str, what: str) -> Problem:
    return Problem(400, "INVALID_PARAMETER", f"{name}: {what}")


async def served_table(
    request: Request, collectionId: Annotated[str, Path(description="Collection identifier")]
) -> ServedTable:
    """The table behind the collection in the URL; what the libraries call a collection."""
    tables: Tables = request.app.state.tables
    return await tables.get(request.state.route, collectionId)


Table = Annotated[ServedTable, Depends(served_table)]


def bbox(
    bbox: Annotated[str | None, Query(description="west,south,east,north in degrees.")] = None,
) -> list[float] | None:
    if not bbox:
        return None
    try:
        box = [float(part) for part in bbox.split(",")]
    except ValueError as error:
        raise _wrong("bbox", "four or six numbers") from error
    if len(box) == 6:
        box = [box[0], box[1], box[3], box[4]]
    if len(box) != 4 or not all(map(math.isfinite, box)):
        raise _wrong("bbox", "four or six numbers")
    west, south, east, north = box
    if abs(west) > 180 or abs(east) > 180 or abs(south) > 90 or abs(north) > 90:
        raise _wrong("bbox", "longitudes lie within ±180, latitudes within ±90")
    if south > north:
        raise _wrong("bbox", "south is north of north")
    if west > east:
        raise _wrong("bbox", "west is east of east; ask for the two sides of the antimeridian one by one")
    return box


def ids(ids: Annotated[str | None, Query(description="Comma-separated feature ids.")] = None) -> list[str] | None:
    if not ids:
        return None
    found = ids.split(",")
    if len(found) > MOST_IDS:
        raise _wrong("ids", f"at most {MOST_IDS}")
    return found


def instant(
    table: Table,
    datetime: Annotated[str | None, Query(description="RFC 3339 instant, or interval a/b with .. for open.")] = None,
) -> list[str] | None:
    if not datetime:
        return None
    if table.datetime_column is None:
        raise Problem(400, "NO_DATETIME", "This collection has no column of time to filter by.")
    ends = datetime.split("/")
    if len(ends) > 2:
        raise _wrong("datetime", "one instant, or two with / between them")
    parsed = []
    for end in ends:
        if end in ("", "..") and len(ends) == 2:
            continue
        try:
            parsed.append(_datetime.validate_python(end))
        except ValidationError as error:
            raise _wrong("datetime", "RFC 3339, such as 2025-01-31T12:00:00Z") from error
    if not parsed:
        raise _wrong("datetime", "at least one end of the interval must be given")
    if len(parsed) == 2 and parsed[0] > parsed[1]:
        raise _wrong("datetime", "the interval ends before it begins")
    return ends


def _known(table: ServedTable, names: list[str]) -> None:
    for name in names:
        if table.get_column(name) is None:
            raise Problem(400, "UNKNOWN_PROPERTY", f"There is no property {name[:60]!r}.")


def properties(
    table: Table, properties: Annotated[str | None, Query(description="Comma-separated names to return.")] = None
) -> list[str] | None:
    if properties is None:
        return None
    names = [name.strip() for name in properties.split(",")]
    _known(table, [name for name in names if name])
    return names


def sortby(
    table: Table,
    sortby: Annotated[str | None, Query(description="Comma-separated names, - before one: descending.")] = None,
) -> str | None:
    if not sortby:
        return None
    _known(table, [name.strip().lstrip("+-").strip() for name in sortby.split(",")])
    return ",".join(name.strip() for name in sortby.split(","))


async def condition(
    table: Table,
    filter: Annotated[str | None, Query(description="CQL2 filter.")] = None,
    filter_lang: Annotated[Literal["cql2-text", "cql2-json"] | None, Query(alias="filter-lang")] = None,
) -> Expr | None:
    # async: the parser then runs on the main thread, whose stack is the largest.
    if filter is None:
        return None
    tree = filters.parse(filter, filter_lang)
    return Expr(filters.check(tree, {column.name for column in table.properties}))


def tile(
    z: Annotated[int, Path(ge=0, description="Zoom level.")],
    x: Annotated[int, Path(ge=0, description="Column.")],
    y: Annotated[int, Path(ge=0, description="Row.")],
) -> Tile:
    if z > DEEPEST_ZOOM or x >= 1 << z or y >= 1 << z:
        raise Problem(404, "TILE_OUTSIDE", "There is no such tile in WebMercatorQuad.")
    return Tile(x, y, z)


async def others(request: Request) -> None:
    """Checks the parameters that tipg declares inside its endpoints, and those it would silently ignore."""
    given = request.query_params
    for name in ("crs", "bbox-crs", "filter-crs"):
        if name in given and given[name] not in _CRS84:
            raise _wrong(name, "this server answers in CRS84 only")
    for name, most in (
        ("limit", None),
        ("offset", FURTHEST_OFFSET),
        ("minzoom", DEEPEST_ZOOM),
        ("maxzoom", DEEPEST_ZOOM),
    ):
        if name in given:
            if not _INTEGER.fullmatch(given[name]) or int(given[name]) < (1 if name == "limit" else 0):
                raise _wrong(name, "a whole number, not negative" if name != "limit" else "a whole number from 1")
            if most is not None and int(given[name]) > most:
                raise _wrong(name, f"at most {most}")
    if "simplify" in given:
        try:
            threshold = float(given["simplify"])
        except ValueError as error:
            raise _wrong("simplify", "a number") from error
        if not 0 <= threshold <= 1e9:
            raise _wrong("simplify", "a number from 0")
    if "collectionId" not in request.path_params:
        return
    table = await served_table(request, request.path_params["collectionId"])
    geometry = given.get("geom-column")
    if geometry is not None and geometry.lower() != "none" and table.get_geometry_column(geometry) is None:
        raise Problem(400, "UNKNOWN_PROPERTY", f"There is no geometry column {geometry[:60]!r}.")
    moment = given.get("datetime-column")
    if moment is not None and table.get_datetime_column(moment) is None:
        raise Problem(400, "UNKNOWN_PROPERTY", f"There is no column of time {moment[:60]!r}.")
    tiled = "/tiles" in request.url.path.rpartition(f"/collections/{request.path_params['collectionId']}")[2]
    if tiled and (table.geometry_column is None or (geometry or "").lower() == "none"):
        raise Problem(404, "NO_GEOMETRY", "This collection has no geometry, so it has no tiles.")


OVERRIDES = {
    tipg.bbox_query: bbox,
    tipg.ids_query: ids,
    tipg.datetime_query: instant,
    tipg.properties_query: properties,
    tipg.sortby_query: sortby,
    tipg.filter_query: condition,
    tipg.TileParams: tile,
}
