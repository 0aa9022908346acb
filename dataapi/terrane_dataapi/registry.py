"""The routes registry: which build answers for which name. Read on every request and never cached, so that a dataset
that is published, replaced or withdrawn is so at once."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .database import Pool

PREVIEW_HEADER = b"x-terrane-preview"
DEFAULT_NAMESPACE = "default"

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


@dataclass(frozen=True)
class Name:
    """What a dataset's URL says: its identity without the generation."""

    namespace: str
    dataset: str
    resource: str
    version: str

    @property
    def path(self) -> str:
        namespace = "" if self.namespace == DEFAULT_NAMESPACE else f"@{self.namespace}/"
        return f"/api/data/{namespace}{self.dataset}/{self.resource}/{self.version}"

    @staticmethod
    def parse(path: str) -> "tuple[Name, str] | None":
        """The name a path below /api/data/ begins with, and the rest of the path ("" or "/…").

        `default` has one spelling, without @; no other text names a dataset, so nothing here is ever decoded twice.
        """
        parts = path.removeprefix("/api/data/").split("/")
        namespace = DEFAULT_NAMESPACE
        if parts[0].startswith("@"):
            namespace = parts.pop(0)[1:]
            if namespace == DEFAULT_NAMESPACE or not _NAMESPACE.fullmatch(namespace):
                return None
        if len(parts) < 3:
            return None
        for part, longest in zip(parts[:3], (255, 255, 50), strict=True):
            if len(part) > longest or not _IDENTIFIER.fullmatch(part):
                return None
        return Name(namespace, *parts[:3]), "".join("/" + part for part in parts[3:])


@dataclass(frozen=True)
class ServedCollection:
    """One served table: a row of serving.collections. It belongs to a build, so it never changes."""

    id: str
    schema_name: str
    table_name: str
    geometry_type: str | None
    title: str
    description: str
    feature_count: int
    bbox: list[float] | None


@dataclass(frozen=True)
class ServedRaster:
    """One served file: a row of serving.rasters. It belongs to a build, so it never changes."""

    id: str
    title: str
    # Below the folder of served files.
    file: str
    bytes: int
    bbox: list[float] | None
    # `raster`: what it is; `rendering`: how it is shown.
    details: dict[str, Any]


@dataclass(frozen=True)
class TileCache:
    """Map tiles that were drawn beforehand: an MBTiles file below the folder of served files."""

    file: str
    bytes: int
    # Zooms go from 0 to this.
    maxzoom: int


@dataclass(frozen=True)
class Route:
    """A row of serving.routes with its collections and rasters."""

    name: Name
    dataset_pk: int
    build: int
    kind: str
    is_preview: bool
    title: str
    description: str
    attribution: str
    license: str
    bbox: list[float] | None
    stac_collection: str | None
    stac_item: str | None
    published_at: datetime | None
    collections: list[ServedCollection] = field(default_factory=list)
    rasters: list[ServedRaster] = field(default_factory=list)
    tile_cache: TileCache | None = None
    # The build's STAC item, also before it is in the catalogue.
    item: dict[str, Any] | None = None

    @property
    def feature_count(self) -> int:
        return sum(c.feature_count for c in self.collections)

    def collection(self, collection_id: str) -> ServedCollection | None:
        return next((c for c in self.collections if c.id == collection_id), None)

    @property
    def fingerprint(self) -> bytes:
        """Changes whenever anything served under this route may change."""
        described = (self.dataset_pk, self.build, self.is_preview, self.kind, self.title, self.description)
        described += (
            self.attribution,
            self.license,
            self.bbox,
            self.stac_collection,
            self.stac_item,
            self.published_at,
        )
        return hashlib.sha256(repr((described, self.collections, self.rasters)).encode()).digest()


_COLUMNS = """
  r.namespace, r.dataset_id, r.resource_id, r.version_id, r.dataset_pk, r.build, r.kind, r.preview_token_sha256,
  r.title, r.description, r.attribution, r.license, r.bbox, r.stac_collection, r.stac_item, r.published_at"""

_LOOKUP = f"""
SELECT {_COLUMNS},
  (SELECT coalesce(json_agg(json_build_object(
      'id', c.collection_id, 'schema_name', c.schema_name, 'table_name', c.table_name,
      'geometry_type', c.geometry_type, 'title', c.title, 'description', c.description,
      'feature_count', c.feature_count, 'bbox', c.bbox) ORDER BY c.position, c.collection_id), '[]')
   FROM serving.collections c WHERE c.dataset_pk = r.dataset_pk AND c.build = r.build) AS collections,
  -- The first stands for all: a mosaic's scenes are looked up by place.
  (SELECT coalesce(json_agg(json_build_object(
      'id', s.raster_id, 'title', s.title, 'file', s.file, 'bytes', s.bytes, 'bbox', s.bbox, 'details', s.details)), '[]')
   FROM (SELECT * FROM serving.rasters s WHERE s.dataset_pk = r.dataset_pk AND s.build = r.build ORDER BY s.position LIMIT 1) s
  ) AS rasters,
  (SELECT json_build_object('file', s.file, 'bytes', s.bytes, 'maxzoom', s.details->'maxzoom')
   FROM serving.rasters s WHERE s.dataset_pk = r.dataset_pk AND s.build = r.build AND s.role = 'tiles') AS tile_cache,
  r.item
FROM serving.routes r
WHERE r.namespace = $1 AND r.dataset_id = $2 AND r.resource_id = $3 AND r.version_id = $4
  AND (r.preview_token_sha256 IS NOT NULL) = $5
"""

# Everything public, newest first, with the keys of the page before to go on from.
_LIST = f"""
SELECT {_COLUMNS},
  (SELECT coalesce(json_agg(json_build_object(
      'id', c.collection_id, 'schema_name', c.schema_name, 'table_name', c.table_name,
      'geometry_type', c.geometry_type, 'title', c.title, 'description', '',
      'feature_count', c.feature_count, 'bbox', c.bbox) ORDER BY c.position, c.collection_id), '[]')
   FROM serving.collections c WHERE c.dataset_pk = r.dataset_pk AND c.build = r.build) AS collections,
  count(*) OVER () AS matched
FROM serving.routes r
WHERE r.preview_token_sha256 IS NULL
  AND ($1 = '' OR position(lower($1) IN lower(concat_ws(' ', r.title, r.dataset_id, r.resource_id, r.namespace))) > 0)
ORDER BY r.published_at DESC NULLS LAST, r.route_id DESC
LIMIT $2 OFFSET $3
"""


def _route(row) -> Route:
    return Route(
        name=Name(row["namespace"], row["dataset_id"], row["resource_id"], row["version_id"]),
        dataset_pk=row["dataset_pk"],
        build=row["build"],
        kind=row["kind"],
        is_preview=row["preview_token_sha256"] is not None,
        title=row["title"],
        description=row["description"],
        attribution=row["attribution"],
        license=row["license"],
        bbox=row["bbox"],
        stac_collection=row["stac_collection"],
        stac_item=row["stac_item"],
        published_at=row["published_at"],
        collections=[ServedCollection(**c) for c in row["collections"]],
        rasters=[ServedRaster(**r) for r in row.get("rasters") or []],
        tile_cache=TileCache(**row["tile_cache"]) if row.get("tile_cache") else None,
        item=row.get("item"),
    )


@dataclass(frozen=True)
class Scene:
    """One file of a mosaic, by what a map has to know of it."""

    id: str
    file: str
    bytes: int
    bbox: list[float]
    # `overview`: no scene, but all of them from afar.
    role: str | None
    width: int
    height: int


_SCENES = """
SELECT raster_id AS id, file, bytes, bbox, role, (details->'raster'->>'width')::int AS width, (details->'raster'->>'height')::int AS height
FROM serving.rasters WHERE dataset_pk = $1 AND build = $2 AND role IS DISTINCT FROM 'tiles' ORDER BY position
"""


# A band by what all scenes say of it; null where they do not agree, or one of them does not say.
_BANDS = """
SELECT
  CASE WHEN count(DISTINCT b.value->>'type') = 1 THEN min(b.value->>'type') END AS type,
  CASE WHEN count(DISTINCT b.value->>'colour') = 1 THEN min(b.value->>'colour') END AS colour,
  CASE WHEN count(DISTINCT b.value->>'description') = 1 THEN min(b.value->>'description') END AS description,
  CASE WHEN count(DISTINCT b.value->>'unit') = 1 THEN min(b.value->>'unit') END AS unit,
  CASE WHEN count(DISTINCT b.value->>'nodata') = 1 AND count(b.value->>'nodata') = count(*) THEN min(b.value->>'nodata') END AS nodata,
  CASE WHEN count(b.value->'statistics'->>'minimum') = count(*) THEN min((b.value->'statistics'->>'minimum')::float8) END AS minimum,
  CASE WHEN count(b.value->'statistics'->>'maximum') = count(*) THEN max((b.value->'statistics'->>'maximum')::float8) END AS maximum
FROM serving.rasters r, json_array_elements(r.details->'raster'->'bands') WITH ORDINALITY AS b(value, number)
WHERE r.dataset_pk = $1 AND r.build = $2 AND r.role IS NULL GROUP BY b.number ORDER BY b.number
"""


class Registry:
    """Reads serving.routes and serving.collections on the primary."""

    def __init__(self, pool: Pool):
        self._pool = pool

    async def find(self, name: Name, preview_token: bytes | None) -> Route | None:
        """The live route, or with a token the preview that the token opens, and only that."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(
                _LOOKUP, name.namespace, name.dataset, name.resource, name.version, preview_token is not None
            )
        if preview_token is None:
            return _route(rows[0]) if rows else None
        digest = hashlib.sha256(preview_token).digest()
        opened = [row for row in rows if hmac.compare_digest(row["preview_token_sha256"], digest)]
        return _route(opened[0]) if opened else None

    async def public(self, text: str, limit: int, offset: int) -> tuple[list[Route], int]:
        """Published datasets, newest first, and how many there are in all."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(_LIST, text, limit, offset)
        return [_route(row) for row in rows], (rows[0]["matched"] if rows else 0)

    async def answers(self) -> bool:
        async with self._pool.acquire() as connection:
            return await connection.fetchval("SELECT true FROM serving.routes UNION ALL SELECT true LIMIT 1")

    async def scenes(self, route: Route) -> list[Scene]:
        """The files of a mosaic, the uppermost first. They belong to a build, so they never change."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(_SCENES, route.dataset_pk, route.build)
        return [Scene(**row) for row in rows]

    async def bands(self, route: Route) -> list[dict[str, Any]]:
        """The bands of a mosaic, by what all its scenes say of them."""
        async with self._pool.acquire() as connection:
            return [dict(row) for row in await connection.fetch(_BANDS, route.dataset_pk, route.build)]

    async def scene_item(self, route: Route, scene: str) -> dict[str, Any] | None:
        """A scene's STAC item."""
        sql = "SELECT item FROM serving.rasters WHERE dataset_pk = $1 AND build = $2 AND raster_id = $3"
        async with self._pool.acquire() as connection:
            return await connection.fetchval(sql, route.dataset_pk, route.build, scene)
