-- Publishing and withdrawing: what is served of a dataset, as statements the server runs inside its own transactions.
-- A publication is JSON, kept with the dataset so that undelete can restore route and item:
--   {kind, title, description, attribution, license, bbox: [w,s,e,n] | null,
--    collections: [{id, position, schema, table, geometry_type, title, description, feature_count, bbox}],
--    stac: {collection: {…}, item: {…}}}

ALTER TABLE datasets.datasets ADD COLUMN publication json;

-- Writes the route of one build and its collections; with a token hash it is a preview.
CREATE FUNCTION datasets.put_route(dataset bigint, build_number bigint, token_sha256 bytea, publication json)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  d datasets.datasets%ROWTYPE;
BEGIN
  SELECT * INTO STRICT d FROM datasets.datasets WHERE pk = dataset;
  DELETE FROM serving.routes r WHERE r.dataset_pk = dataset AND r.build = build_number;
  INSERT INTO serving.routes (namespace, dataset_id, resource_id, version_id, dataset_pk, build, kind, preview_token_sha256,
      title, description, attribution, license, bbox, stac_collection, stac_item, published_at)
    VALUES (d.namespace, d.dataset_id, d.resource_id, d.version_id, dataset, build_number, publication->>'kind', token_sha256,
      publication->>'title', coalesce(publication->>'description', ''), coalesce(publication->>'attribution', ''),
      coalesce(publication->>'license', ''),
      CASE WHEN json_typeof(publication->'bbox') = 'array'
        THEN (SELECT array_agg(v::double precision) FROM json_array_elements_text(publication->'bbox') v) END,
      publication->'stac'->'collection'->>'id', publication->'stac'->'item'->>'id',
      CASE WHEN token_sha256 IS NULL THEN now() END);
  INSERT INTO serving.collections (dataset_pk, build, collection_id, position, schema_name, table_name, geometry_type, title,
      description, feature_count, bbox)
    SELECT dataset, build_number, c->>'id', (c->>'position')::int, c->>'schema', c->>'table', c->>'geometry_type',
      c->>'title', coalesce(c->>'description', ''), (c->>'feature_count')::bigint,
      CASE WHEN json_typeof(c->'bbox') = 'array'
        THEN (SELECT array_agg(v::double precision) FROM json_array_elements_text(c->'bbox') v) END
    FROM json_array_elements(publication->'collections') c;
END $$;

-- Sets a STAC collection's extent to what its items span. (pgstac's own collection_extent rests on statistics that a
-- fresh partition does not have yet.)
CREATE FUNCTION datasets.stretch_stac_extent(collection_id text) RETURNS void
LANGUAGE plpgsql SET search_path = pgstac, public AS $$
DECLARE
  span geometry;
  first timestamptz;
  last timestamptz;
BEGIN
  SELECT ST_SetSRID(ST_Extent(geometry)::geometry, 4326), min(datetime), max(end_datetime) INTO span, first, last
    FROM pgstac.items WHERE collection = collection_id;
  IF span IS NULL THEN RETURN; END IF;
  UPDATE pgstac.collections SET content = jsonb_set(content, '{extent}', jsonb_build_object(
      'spatial', jsonb_build_object('bbox', jsonb_build_array(jsonb_build_array(
        ST_XMin(span), ST_YMin(span), ST_XMax(span), ST_YMax(span)))),
      'temporal', jsonb_build_object('interval', jsonb_build_array(jsonb_build_array(
        to_char(first AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        to_char(last AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))))))
    WHERE id = collection_id;
END $$;

-- pgstac makes a partition with a collection's first item and drops it with the collection. Two transactions that do so at
-- once deadlock, or one looks for what the other has not committed: they go one after the other. Taken after the dataset's
-- own rows and before the change counter.
CREATE FUNCTION datasets.one_stac_writer() RETURNS void LANGUAGE sql AS $$
  SELECT pg_advisory_xact_lock(hashtextextended('terrane.stac', 0));
$$;

-- Upserts a dataset's STAC collection and item. The collection's extent is what its items span.
CREATE FUNCTION datasets.put_stac(collection jsonb, item jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pgstac, public AS $$
BEGIN
  PERFORM datasets.one_stac_writer();
  PERFORM pgstac.upsert_collection(collection);
  PERFORM pgstac.upsert_item(item);
  PERFORM datasets.stretch_stac_extent(collection->>'id');
END $$;

-- Takes a dataset's STAC item away, and its collection with the last item.
CREATE FUNCTION datasets.drop_stac(collection_id text, item_id text) RETURNS void
LANGUAGE plpgsql SET search_path = pgstac, public AS $$
BEGIN
  PERFORM datasets.one_stac_writer();
  DELETE FROM pgstac.items WHERE id = item_id AND collection = collection_id;
  IF NOT EXISTS (SELECT FROM pgstac.items WHERE collection = collection_id) THEN
    DELETE FROM pgstac.collections WHERE id = collection_id;
  ELSE
    PERFORM datasets.stretch_stac_extent(collection_id);
  END IF;
END $$;

-- Makes a build the one that is served: route, STAC item, state, result. The caller has compared and set the operation.
CREATE FUNCTION datasets.publish(dataset bigint, build_number bigint, new_publication json, new_result json, actor text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  d datasets.datasets%ROWTYPE;
BEGIN
  SELECT * INTO STRICT d FROM datasets.datasets WHERE pk = dataset FOR UPDATE;
  IF d.state NOT IN ('DRAFT', 'PUBLISHED', 'DEPRECATED') THEN
    RAISE EXCEPTION 'dataset % is % and cannot be published', dataset, d.state
      USING ERRCODE = 'check_violation', CONSTRAINT = 'datasets_transition';
  END IF;
  DELETE FROM serving.routes WHERE dataset_pk = dataset;
  PERFORM datasets.put_route(dataset, build_number, NULL, new_publication);
  PERFORM datasets.put_stac((new_publication->'stac'->'collection')::jsonb, (new_publication->'stac'->'item')::jsonb);
  UPDATE datasets.datasets SET state = CASE WHEN state = 'DRAFT' THEN 'PUBLISHED' ELSE state END,
      published_build = build_number, publication = new_publication, result = new_result,
      published_at = now(), updated_at = now()
    WHERE pk = dataset;
  INSERT INTO datasets.events (dataset_pk, actor, move, from_state, to_state, operation_id)
    VALUES (dataset, actor, 'publish', d.state, CASE WHEN d.state = 'DRAFT' THEN 'PUBLISHED' ELSE d.state END, build_number);
END $$;

-- Withdraws what is served of a dataset: route and item. Tables stay until purge.
CREATE FUNCTION datasets.withdraw(dataset bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  p json;
BEGIN
  DELETE FROM serving.routes WHERE dataset_pk = dataset;
  SELECT publication INTO p FROM datasets.datasets WHERE pk = dataset;
  IF p IS NOT NULL THEN
    PERFORM datasets.drop_stac(p->'stac'->'item'->>'collection', p->'stac'->'item'->>'id');
  END IF;
END $$;

-- Puts route and item of the last published build back.
CREATE FUNCTION datasets.restore(dataset bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  d datasets.datasets%ROWTYPE;
BEGIN
  SELECT * INTO STRICT d FROM datasets.datasets WHERE pk = dataset;
  IF d.publication IS NOT NULL THEN
    PERFORM datasets.put_route(dataset, d.published_build, NULL, d.publication);
    UPDATE serving.routes SET published_at = d.published_at WHERE dataset_pk = dataset AND build = d.published_build;
    PERFORM datasets.put_stac((d.publication->'stac'->'collection')::jsonb, (d.publication->'stac'->'item')::jsonb);
  END IF;
END $$;
