-- What the data API reads, on every request. A route is one build of one dataset; live routes are found by name,
-- a preview only by its one-time token.

CREATE TABLE serving.routes (
  route_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  namespace text NOT NULL,
  dataset_id text NOT NULL,
  resource_id text NOT NULL,
  version_id text NOT NULL,
  dataset_pk bigint NOT NULL,
  build bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('vector', 'raster', 'mosaic')),
  -- NULL: the live route. Else a preview, which answers only to the token with this SHA-256.
  preview_token_sha256 bytea CHECK (octet_length(preview_token_sha256) = 32),
  title text NOT NULL,
  description text NOT NULL DEFAULT '',
  attribution text NOT NULL DEFAULT '',
  license text NOT NULL DEFAULT '',
  -- west, south, east, north in degrees, EPSG:4326
  bbox double precision[] CHECK (array_length(bbox, 1) = 4),
  stac_collection text,
  stac_item text,
  published_at timestamptz,
  UNIQUE (dataset_pk, build)
);
CREATE UNIQUE INDEX routes_live ON serving.routes (namespace, dataset_id, resource_id, version_id)
  WHERE preview_token_sha256 IS NULL;

CREATE TABLE serving.collections (
  dataset_pk bigint NOT NULL,
  build bigint NOT NULL,
  collection_id text NOT NULL,
  position integer NOT NULL,
  schema_name text NOT NULL,
  table_name text NOT NULL,
  -- NULL: an attribute table without geometry
  geometry_type text,
  title text NOT NULL,
  description text NOT NULL DEFAULT '',
  feature_count bigint NOT NULL,
  bbox double precision[] CHECK (array_length(bbox, 1) = 4),
  PRIMARY KEY (dataset_pk, build, collection_id),
  FOREIGN KEY (dataset_pk, build) REFERENCES serving.routes (dataset_pk, build) ON DELETE CASCADE
);
