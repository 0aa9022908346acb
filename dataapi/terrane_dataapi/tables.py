"""tipg's view of a served table.

tipg normally scans the whole database and installs functions in pg_temp for that; the data API's role may not even
make temporary objects. One table is described here from PostgreSQL's catalogue, and what the registry knows already
(extent, number of features) is not asked of the table again.
"""

import re
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from cql2 import Expr
from morecantile import Tile, TileMatrixSet
from pydantic import PrivateAttr
from tipg.collections import Column, Feature, PgCollection, _quote_ident

from . import tiles
from .database import Pool
from .problems import Problem
from .registry import Route, ServedCollection

# tipg knows these types by its own short names.
_TYPES = {
    "character varying": "text",
    "double precision": "float8",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}

_COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, col_description(a.attrelid, a.attnum) AS description,
  CASE WHEN t.typname = 'geometry' THEN postgis_typmod_type(a.atttypmod) END AS geometry_type,
  CASE WHEN t.typname = 'geometry' THEN coalesce(nullif(postgis_typmod_srid(a.atttypmod), 0), 4326) END AS srid,
  coalesce(i.indisprimary AND i.indnkeyatts = 1, false) AS is_key
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)
WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
  AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
ORDER BY a.attnum
"""


# What asyncpg and JSON both have a value for. Anything else leaves the database as text.
_PLAIN = frozenset({
    "smallint", "integer", "bigint", "real", "float8", "boolean", "text", "character", "uuid", "json", "jsonb", "date",
    "time without time zone", "timestamp", "timestamptz", "smallint[]", "integer[]", "bigint[]", "real[]",
    "double precision[]", "boolean[]", "text[]", "character varying[]",
})  # fmt: skip


# Of each table that is known: conditions, and ends of pages under them.
_MOST_REMEMBERED = 64
_LONGEST_CONDITION = 1_024


def _remember(memory: OrderedDict, key: Any, value: int) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _MOST_REMEMBERED:
        memory.popitem(last=False)


_INTEGERS = frozenset({"smallint", "integer", "bigint"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


def _exact(number: int) -> int | str:
    """cql2's numbers are floats, which are exact to 2^53 only: beyond that a number goes as a string, which PostgreSQL reads
    as the column's own type."""
    return number if abs(number) <= 2**53 else str(number)


def _one_of(key: str, ids: list[str]) -> Expr:
    """The condition that the key is one of `ids`."""
    exact: list[int] = []
    conditions: list[dict[str, Any]] = []
    for text in ids:
        if not _INTEGER.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
            raise Problem(404, "FEATURE_NOT_FOUND", f"There is no feature {text[:40]!r}.")
        if abs(int(text)) <= 2**53:
            exact.append(int(text))
        else:
            conditions.append({"op": "=", "args": [{"property": key}, _exact(int(text))]})
    if exact:
        conditions.append({"op": "in", "args": [{"property": key}, exact]})
    return Expr(conditions[0] if len(conditions) == 1 else {"op": "or", "args": conditions})


def _selected(column: Column) -> str:
    name = _quote_ident(column.name)
    if column.type == "bytea":
        return f"encode({name}, 'hex') AS {name}"
    if column.type == "numeric":
        return f"CAST({name} AS double precision) AS {name}"
    return name if column.type in _PLAIN else f"CAST({name} AS text) AS {name}"


class ServedTable(PgCollection):
    """A table of a build. A published build never changes, so what was counted when it was loaded is still right."""

    # None for a preview: it is read to find out whether what was counted is right.
    feature_count: int | None

    def _select_property_columns(self, properties: list[str] | None) -> list[str]:
        wanted = set(self.columns(properties))
        return [_selected(column) for column in self.properties if column.name in wanted]

    def cql_where(self, ids: list[str] | None = None, **others: Any) -> Expr | None:
        if not ids or self.id_column is None or self.id_column.type not in _INTEGERS:
            return super().cql_where(ids=ids, **others)
        chosen = _one_of(self.id_column.name, ids)
        rest = super().cql_where(**others)
        return chosen if rest is None else chosen + rest

    async def _features_count_query(self, conn: asyncpg.Connection, *, where: Expr | None = None, **rest: Any) -> int:
        if where is None and self.feature_count is not None:
            return self.feature_count
        condition = self._where_clause(where) if where is not None else ""
        if (known := self._counts.get(condition)) is not None:
            return known
        found = await super()._features_count_query(conn, where=where, **rest)
        # A preview has counted nothing yet, and is asked to find out what there is.
        if self.feature_count is not None and len(condition) <= _LONGEST_CONDITION:
            _remember(self._counts, condition, found)
        return found

    # What conditions were met by: a build never changes.
    _counts: OrderedDict[str, int] = PrivateAttr(default_factory=OrderedDict)

    async def _features_query(
        self,
        conn: asyncpg.Connection,
        *,
        where: Expr | None = None,
        sortby: str | None = None,
        offset: int | None = None,
        **rest: Any,
    ) -> AsyncIterator[Feature]:
        """Pages begin at a key: PostgreSQL reads past every row that an OFFSET leaves out, geometry and all, so that a client
        that follows `next` to the end would read the table once a page."""
        if sortby or not self._has_integer_key:
            async for feature in super()._features_query(conn, where=where, sortby=sortby, offset=offset, **rest):
                yield feature
            return
        condition = self._where_clause(where) if where is not None else ""
        place, last = offset or 0, None
        if offset:
            first = await self._key_at(conn, offset) if where is None else await self._key_under(conn, condition, offset)
            if first is None:
                return
            start = Expr({"op": ">=", "args": [{"property": self.id_column.name}, _exact(first)]})
            where, offset = start if where is None else where + start, 0
        async for feature in super()._features_query(conn, where=where, sortby=sortby, offset=offset, **rest):
            place, last = place + 1, feature["id"]
            yield feature
        if condition and last is not None and len(condition) <= _LONGEST_CONDITION:
            _remember(self._page_ends, (condition, place), last)

    # Where pages under a condition ended, so that the next one begins there: by condition and number of rows before.
    _page_ends: OrderedDict[tuple[str, int], int] = PrivateAttr(default_factory=OrderedDict)

    async def _key_under(self, conn: asyncpg.Connection, condition: str, offset: int) -> int | None:
        """The key of the row at `offset` under a condition. Whoever follows `next` comes from the page before, whose end is
        known; else rows are counted up to there, without what would be shown of them."""
        key = _quote_ident(self.id_column.name)
        end = self._page_ends.get((condition, offset))
        if end is not None:
            return end + 1
        return await conn.fetchval(
            f"SELECT {key} FROM {self._qualified_name} {condition} ORDER BY {key} LIMIT 1 OFFSET {int(offset)}"
        )

    # Smallest key, where keys have no gaps; else None. Unknown before it is asked for.
    _first_key: int | None = PrivateAttr(default=None)
    _knows_first_key: bool = PrivateAttr(default=False)

    @property
    def _has_integer_key(self) -> bool:
        return self.id_column is not None and self.id_column.type in _INTEGERS

    async def _key_at(self, conn: asyncpg.Connection, offset: int) -> int | None:
        """The key of the row at `offset` in the order of keys. Without gaps it is computed; else the index alone is read."""
        key = _quote_ident(self.id_column.name)
        if not self._knows_first_key and self.feature_count is not None:
            least, most = await conn.fetchrow(f"SELECT min({key}), max({key}) FROM {self._qualified_name}")
            if least is not None and most - least + 1 == self.feature_count:
                self._first_key = least
            self._knows_first_key = True
        if self._first_key is not None:
            return self._first_key + offset if offset < self.feature_count else None
        return await conn.fetchval(f"SELECT {key} FROM {self._qualified_name} ORDER BY {key} LIMIT 1 OFFSET {int(offset)}")

    async def get_tile(
        self,
        conn: asyncpg.Connection,
        *,
        tms: TileMatrixSet,
        tile: Tile,
        properties: list[str] | None = None,
        geom: str | None = None,
        **rest: Any,
    ) -> bytes:
        """A tile of at most `tiles.MOST_BYTES`, unless the request says itself how it is to be thinned."""
        column = self.get_geometry_column(geom)
        its_own = any(rest.get(name) is not None for name in ("limit", "simplify", "sortby"))
        if its_own or column is None or not self._has_integer_key:
            return await super().get_tile(conn, tms=tms, tile=tile, properties=properties, geom=geom, **rest)
        filters = {name.removesuffix("_filter"): rest.get(name) for name in _TILE_FILTERS}
        where = self.cql_where(**filters, geom=geom, dt=rest.get("dt"), tms=tms, tile=tile)
        found = await tiles.count(self, conn, where)
        if found == 0:
            return b""
        if found <= tiles.MOST_FEATURES:
            body = await super().get_tile(conn, tms=tms, tile=tile, properties=properties, geom=geom, **rest)
            # Empty: everything in it is too small to be drawn.
            if body and len(body) <= tiles.MOST_BYTES:
                return body
        return await tiles.thinned(self, conn, tms, tile, where, properties, column.name)


_TILE_FILTERS = ("ids_filter", "bbox_filter", "datetime_filter", "properties_filter", "cql_filter")


async def describe(
    connection: asyncpg.Connection, served: ServedCollection, feature_count: int | None
) -> ServedTable | None:
    """The table as tipg wants it, or None if it is gone (its build was replaced a while ago)."""
    rows = await connection.fetch(_COLUMNS, served.schema_name, served.table_name)
    if not rows:
        return None
    columns = []
    for row in rows:
        column: dict[str, Any] = {"name": row["name"], "description": row["description"]}
        column["type"] = _TYPES.get(row["type"], row["type"])
        if row["geometry_type"] is not None:
            column |= {"type": "geometry", "geometry_type": row["geometry_type"], "srid": row["srid"]}
            column["bounds"] = served.bbox or [-180.0, -90.0, 180.0, 90.0]
        columns.append(Column(**column))
    key = next((c for c, row in zip(columns, rows, strict=True) if row["is_key"]), None)
    return ServedTable(
        type="Table",
        id=served.id,
        schema=served.schema_name,
        table=served.table_name,
        title=served.title,
        description=served.description or None,
        table_columns=columns,
        properties=columns,
        id_column=key,
        geometry_column=next((c for c in columns if c.is_geometry), None),
        datetime_column=next((c for c in columns if c.is_datetime), None),
        feature_count=feature_count,
    )


class Tables:
    """Described tables by dataset, build and collection: least recently used ones are forgotten."""

    def __init__(self, pool: Pool, capacity: int = 512):
        self._pool = pool
        self._capacity = capacity
        self._known: OrderedDict[tuple[int, int, str, bool], ServedTable] = OrderedDict()

    async def get(self, route: Route, collection_id: str) -> ServedTable:
        served = route.collection(collection_id)
        if served is None:
            raise Problem(404, "COLLECTION_NOT_FOUND", f"This dataset has no collection {collection_id!r}.")
        key = (route.dataset_pk, route.build, collection_id, route.is_preview)
        if (table := self._known.get(key)) is not None:
            self._known.move_to_end(key)
            return table
        async with self._pool.acquire() as connection:
            table = await describe(connection, served, None if route.is_preview else served.feature_count)
        if table is None:
            raise Problem(404, "DATASET_WITHDRAWN", "The data behind this collection is no longer there.")
        self._known[key] = table
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return table
