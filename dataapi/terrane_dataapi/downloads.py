"""A whole collection as one file. PostgreSQL writes the lines (COPY); they pass through here as they come, so that neither side
holds more than a piece of them, and a client that reads slowly makes PostgreSQL wait."""

import asyncio
import logging
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

import asyncpg
from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tipg.collections import Column, _quote_ident
from tipg.resources.enums import MediaType

from .database import DOWNLOAD, Pool
from .problems import Problem
from .registry import Route
from .tables import ServedTable

log = logging.getLogger("terrane.dataapi")

# Seconds in which a client must take the next piece: whoever stands still gives its connection to the next.
STALL = 60
# Characters that JSON escapes, so that COPY finds nothing to quote and a line is the JSON as it stands.
_AS_IT_STANDS = {"format": "csv", "delimiter": "\x01", "quote": "\x02"}
# Coordinates as they are stored: PostGIS writes the shortest number that reads back as the same one.
_DIGITS = 15


class Form(StrEnum):
    """What comes after the dot."""

    GEOJSON = "geojson"
    GEOJSON_LINES = "geojsonl"
    CSV = "csv"


@dataclass(frozen=True)
class Format:
    """How a form is told of."""

    title: str
    media_type: MediaType


FORMATS = {
    Form.GEOJSON: Format("GeoJSON", MediaType.geojson),
    Form.GEOJSON_LINES: Format("GeoJSON, one feature a line", MediaType.geojsonseq),
    Form.CSV: Format("CSV, geometry as WKT", MediaType.csv),
}


class Download(Response):
    """The body is written while it is sent: an error before its first byte is an answer like any other, a later one breaks the
    connection off, so that nobody takes half a file for a whole one."""

    def __init__(self, pool: Pool, route: Route, table: ServedTable, form: Form):
        self.status_code = 200
        self.background = None
        self._pool = pool
        self._table = table
        self._form = form
        name = f"{route.name.dataset}-{route.name.resource}-{route.name.version}-{table.id}.{form}"
        self.init_headers({
            "Content-Type": FORMATS[form].media_type.value,
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        })  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        copy = _Copy(self, send)
        try:
            await self._run(copy, receive)
        except Exception as error:
            if not copy.started:
                raise
            # The server closes a connection whose response is not complete; more cannot be said any more.
            log.warning("download broke off", extra={"path": scope["path"], "said": str(error)[:300], "kind": type(error).__name__})

    async def _run(self, copy: "_Copy", receive: Receive) -> None:
        async with self._pool.acquire() as connection:
            copying = asyncio.create_task(copy.run(connection, self._table, self._form))
            leaving = asyncio.create_task(_left(receive))
            try:
                await asyncio.wait({copying, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                # Cancelled, asyncpg has PostgreSQL end the statement.
                for task in (copying, leaving):
                    task.cancel()
                await asyncio.wait({copying, leaving})
            if not copying.cancelled():
                copying.result()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Copy:
    """One run of COPY into one response."""

    def __init__(self, response: Response, send: Send):
        self._response = response
        self._send = send
        self.started = False
        self._held = b""

    async def run(self, connection: asyncpg.Connection, table: ServedTable, form: Form) -> None:
        columns = [column for column in table.properties if not column.is_geometry]
        if form == Form.CSV:
            await self._copy(connection, csv_query(table, columns), self._write, format="csv", header=True)
        elif form == Form.GEOJSON_LINES:
            await self._copy(connection, feature_query(table, columns), self._write, **_AS_IT_STANDS)
        else:
            self._held = b'{"type":"FeatureCollection","features":[\n'
            await self._copy(connection, feature_query(table, columns), self._write_members, **_AS_IT_STANDS)
            await self._write(self._held.removesuffix(b",\n") + b"\n]}\n")
        # An empty table has no piece to begin with.
        await self._write(b"")
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _copy(self, connection: asyncpg.Connection, query: str, output, **options) -> None:
        await connection.copy_from_query(query, output=output, timeout=DOWNLOAD, **options)

    async def _write_members(self, piece: bytes) -> None:
        """Lines become members of an array. A piece may end anywhere; what may be the last comma is held back."""
        piece = self._held + piece.replace(b"\n", b",\n")
        self._held = b",\n" if piece.endswith(b",\n") else b""
        await self._write(piece.removesuffix(b",\n"))

    async def _write(self, piece: bytes) -> None:
        if not self.started:
            self.started = True
            headers = self._response.raw_headers
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        if piece:
            await asyncio.wait_for(self._send({"type": "http.response.body", "body": piece, "more_body": True}), STALL)


def _key(table: ServedTable) -> str:
    if table.id_column is None:
        raise Problem(404, "NOT_FOUND", "This collection has no key to be read by.")
    return _quote_ident(table.id_column.name)


def _json_value(column: Column) -> str:
    """A column as the value `items` has for it."""
    name = f"t.{_quote_ident(column.name)}"
    match column.type:
        case "bytea":
            return f"encode({name}, 'hex')"
        case "json":
            # Line ends stand between JSON's tokens only; here they would end the feature.
            return f"translate({name}::text, E'\\n\\r', '  ')::json"
        case "float8" | "real" | "numeric":
            # JSON has no such numbers.
            return f"CASE WHEN {name}::float8 IN ('NaN', 'Infinity', '-Infinity') THEN NULL ELSE {name} END"
        case _:
            return name


def feature_query(table: ServedTable, columns: list[Column]) -> str:
    """One feature a row, as text."""
    key = _key(table)
    properties = ", ".join(f"{_json_value(column)} AS {_quote_ident(column.name)}" for column in columns)
    geometry = "'null'"
    if table.geometry_column is not None:
        geometry = f"coalesce(ST_AsGeoJSON(t.{_quote_ident(table.geometry_column.name)}, {_DIGITS}), 'null')"
    return (
        f"""SELECT '{{"type":"Feature","id":' || to_json(t.{key})::text || ',"geometry":' || {geometry}"""
        f""" || ',"properties":' || row_to_json(p)::text || '}}'"""
        f" FROM {table._qualified_name} t, LATERAL (SELECT {properties}) p ORDER BY t.{key}"
    )


def _csv_value(column: Column) -> str:
    name = f"t.{_quote_ident(column.name)}"
    if column.is_geometry:
        return f"ST_AsText({name}, {_DIGITS})"
    if column.type == "bytea":
        return f"encode({name}, 'hex')"
    if column.type == "boolean" or column.type in ("json", "jsonb"):
        return f"{name}::text"
    if column.is_datetime or column.type.endswith("[]"):
        # ISO 8601, and lists as JSON: what is read by most.
        return f"to_json({name}) #>> '{{}}'"
    return name


def _name_of_geometry(columns: list[Column]) -> str:
    """`WKT`, which readers look for; `_WKT`, `_WKT_` … where a column has that name, which GDAL looks for too."""
    taken = {column.name.lower() for column in columns}
    name = "WKT"
    while name.lower() in taken:
        name = "_WKT" if name == "WKT" else name + "_"
    return name


def csv_query(table: ServedTable, columns: list[Column]) -> str:
    """A row of values, in which every reader of CSV finds the geometry."""
    values = [f"{_csv_value(column)} AS {_quote_ident(column.name)}" for column in columns]
    if table.geometry_column is not None:
        values.append(f"{_csv_value(table.geometry_column)} AS {_quote_ident(_name_of_geometry(columns))}")
    values = ", ".join(values)
    return f"SELECT {values} FROM {table._qualified_name} t ORDER BY t.{_key(table)}"


def links(request: Request, table: ServedTable) -> list[dict[str, str]]:
    """The files of a collection, for its `links`."""
    return [
        {"rel": "enclosure", "title": f"All of it as {told.title}", "type": told.media_type.value, "href": url(request, table.id, form)}
        for form, told in FORMATS.items()
    ]


def url(request: Request, collection_id: str, form: Form) -> str:
    path = request.app.url_path_for("download", collectionId=collection_id, form=form.value)
    return str(path.make_absolute_url(base_url=str(request.base_url)))
