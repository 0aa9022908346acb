-- A build's route: of a mosaic also its scenes' items.

CREATE OR REPLACE FUNCTION datasets.put_route(dataset bigint, build_number bigint, token_sha256 bytea, publication json)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  d datasets.datasets%ROWTYPE;
BEGIN
  SELECT * INTO STRICT d FROM datasets.datasets WHERE pk = dataset;
  DELETE FROM serving.routes r WHERE r.dataset_pk = dataset AND r.build = build_number;
  INSERT INTO serving.routes (namespace, dataset_id, resource_id, version_id, dataset_pk, build, kind, preview_token_sha256,
      title, description, attribution, license, bbox, stac_collection, stac_item, published_at, item)
    VALUES (d.namespace, d.dataset_id, d.resource_id, d.version_id, dataset, build_number, publication->>'kind', token_sha256,
      publication->>'title', coalesce(publication->>'description', ''), coalesce(publication->>'attribution', ''),
      coalesce(publication->>'license', ''), datasets.box(publication->'bbox'),
      publication->'stac'->'collection'->>'id', publication->'stac'->'item'->>'id',
      CASE WHEN token_sha256 IS NULL THEN now() END, publication->'stac'->'item');
  INSERT INTO serving.collections (dataset_pk, build, collection_id, position, schema_name, table_name, geometry_type, title,
      description, feature_count, bbox)
    SELECT dataset, build_number, c->>'id', (c->>'position')::int, c->>'schema', c->>'table', c->>'geometry_type',
      c->>'title', coalesce(c->>'description', ''), (c->>'feature_count')::bigint, datasets.box(c->'bbox')
    FROM json_array_elements(publication->'collections') c;
  INSERT INTO serving.rasters (dataset_pk, build, raster_id, position, title, file, bytes, bbox, details, role, item)
    SELECT dataset, build_number, r->>'id', (r->>'position')::int, r->>'title', r->>'file', (r->>'bytes')::bigint,
      datasets.box(r->'bbox'), r->'details', r->'details'->>'role', i
    FROM json_array_elements(CASE WHEN json_typeof(publication->'rasters') = 'array' THEN publication->'rasters' ELSE '[]' END)
      WITH ORDINALITY AS a (r, n)
    -- Items come in the order of their scenes.
    LEFT JOIN json_array_elements(CASE WHEN json_typeof(publication->'stac'->'items') = 'array'
      THEN publication->'stac'->'items' ELSE '[]' END) WITH ORDINALITY AS b (i, m) ON m = n;
END $$;
