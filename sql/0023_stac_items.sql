-- A publication may have many STAC items, in a collection of their own:
--   stac: {collection: {…}, items: [{…}, …]} instead of {collection: {…}, item: {…}}

CREATE FUNCTION datasets.stac_items(publication json) RETURNS SETOF jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT i::jsonb FROM json_array_elements(CASE WHEN json_typeof(publication->'stac'->'items') = 'array'
    THEN publication->'stac'->'items' ELSE json_build_array(publication->'stac'->'item') END) i;
$$;

-- Upserts a dataset's STAC collection and items; of a collection of its own, those go that a new build no longer has.
CREATE FUNCTION datasets.put_stac_of(publication json) RETURNS void
LANGUAGE plpgsql SET search_path = pgstac, public AS $$
DECLARE
  described jsonb := (publication->'stac'->'collection')::jsonb;
  item jsonb;
BEGIN
  PERFORM datasets.one_stac_writer();
  PERFORM pgstac.upsert_collection(described);
  IF json_typeof(publication->'stac'->'items') = 'array' THEN
    DELETE FROM pgstac.items WHERE collection = described->>'id'
      AND id NOT IN (SELECT i->>'id' FROM datasets.stac_items(publication) i);
  END IF;
  FOR item IN SELECT i FROM datasets.stac_items(publication) i LOOP
    PERFORM pgstac.upsert_item(item);
  END LOOP;
  PERFORM datasets.stretch_stac_extent(described->>'id');
END $$;

-- Takes a dataset's STAC items away, and their collection with the last item.
CREATE FUNCTION datasets.drop_stac_of(publication json) RETURNS void
LANGUAGE plpgsql SET search_path = pgstac, public AS $$
DECLARE
  collection_id text := publication->'stac'->'collection'->>'id';
BEGIN
  PERFORM datasets.one_stac_writer();
  DELETE FROM pgstac.items WHERE collection = collection_id
    AND id IN (SELECT i->>'id' FROM datasets.stac_items(publication) i);
  IF NOT EXISTS (SELECT FROM pgstac.items WHERE collection = collection_id) THEN
    DELETE FROM pgstac.collections WHERE id = collection_id;
  ELSE
    PERFORM datasets.stretch_stac_extent(collection_id);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION datasets.withdraw(dataset bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  p json;
BEGIN
  DELETE FROM serving.routes WHERE dataset_pk = dataset;
  SELECT publication INTO p FROM datasets.datasets WHERE pk = dataset;
  IF p IS NOT NULL THEN
    PERFORM datasets.drop_stac_of(p);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION datasets.restore(dataset bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  d datasets.datasets%ROWTYPE;
BEGIN
  SELECT * INTO STRICT d FROM datasets.datasets WHERE pk = dataset;
  IF d.publication IS NOT NULL THEN
    PERFORM datasets.put_route(dataset, d.published_build, NULL, d.publication);
    UPDATE serving.routes SET published_at = d.published_at WHERE dataset_pk = dataset AND build = d.published_build;
    PERFORM datasets.put_stac_of(d.publication);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION datasets.publish(dataset bigint, build_number bigint, new_publication json, new_result json, actor text)
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
  PERFORM datasets.put_stac_of(new_publication);
  UPDATE datasets.datasets SET state = CASE WHEN state = 'DRAFT' THEN 'PUBLISHED' ELSE state END,
      published_build = build_number, publication = new_publication, result = new_result,
      published_at = now(), updated_at = now()
    WHERE pk = dataset;
  INSERT INTO datasets.events (dataset_pk, actor, move, from_state, to_state, operation_id)
    VALUES (dataset, actor, 'publish', d.state, CASE WHEN d.state = 'DRAFT' THEN 'PUBLISHED' ELSE d.state END, build_number);
END $$;
