-- CreateDataset on the write path: one call for a whole group-commit batch, all arrays of one length.
-- A row is decided here where it makes a dataset, meets a draft with the very same request, or repeats a request id.
-- Every other cell of the state × body table (domain design, section 2) is left to a transaction of its own: `decided` is false.
CREATE FUNCTION datasets.create_batch(
  keys bytea[], namespaces text[], dataset_ids text[], resource_ids text[], version_ids text[], dataset_types text[],
  specs text[], first_parameters text[], actors text[], request_ids bytea[], body_hashes bytea[])
RETURNS TABLE (ord bigint, dataset_pk bigint, created boolean, decided boolean, request_id_reused boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  owned bigint[];      -- rows that are the first with their request id
  fresh_ords bigint[]; -- rows that made a dataset, and below it what they made
  fresh_pks bigint[];
  operations bigint[];
BEGIN
  -- 1. Request ids. A loser waits here for the winner's commit and reads its row in step 5.
  WITH firsts AS (
    SELECT DISTINCT ON (a, r) a, r, h, o FROM unnest(actors, request_ids, body_hashes) WITH ORDINALITY t(a, r, h, o)
    WHERE r IS NOT NULL ORDER BY a, r, o
  ), won AS (
    INSERT INTO datasets.requests (principal, method, request_id, body_sha256)
    SELECT a, 'CreateDataset', r, h FROM firsts ORDER BY a, r ON CONFLICT DO NOTHING RETURNING principal, request_id
  )
  SELECT coalesce(array_agg(f.o), '{}') INTO owned FROM firsts f JOIN won w ON w.principal = f.a AND w.request_id = f.r;

  -- 2. Datasets, in the order of their keys so that two batches cannot wait for each other.
  WITH input AS (
    SELECT t.* FROM unnest(keys, namespaces, dataset_ids, resource_ids, version_ids, dataset_types, specs, actors, request_ids)
      WITH ORDINALITY t(k, n, d, r, v, ty, s, a, q, o) WHERE q IS NULL OR o = ANY (owned)
  ), firsts AS (
    SELECT DISTINCT ON (k) * FROM input ORDER BY k, o
  ), made AS (
    INSERT INTO datasets.datasets AS x (key, generation, namespace, dataset_id, resource_id, version_id, dataset_type, spec, created_by)
    SELECT k, 1 + coalesce((SELECT max(g.generation) FROM datasets.datasets g WHERE g.key = k), 0), n, d, r, v, ty, s::json, a
    FROM firsts ORDER BY k ON CONFLICT DO NOTHING RETURNING x.pk, x.key
  )
  SELECT coalesce(array_agg(f.o ORDER BY m.pk), '{}'), coalesce(array_agg(m.pk ORDER BY m.pk), '{}')
    INTO fresh_ords, fresh_pks FROM made m JOIN firsts f ON f.k = m.key;

  -- 3. Their operations.
  IF cardinality(fresh_pks) > 0 THEN
    operations := coremachine.begin_operations(
      fresh_pks, array_fill('create'::text, ARRAY[cardinality(fresh_pks)]),
      array_fill(NULL::bigint, ARRAY[cardinality(fresh_pks)]), array_fill('probe'::text, ARRAY[cardinality(fresh_pks)]),
      (SELECT array_agg(first_parameters[f] ORDER BY i) FROM unnest(fresh_ords) WITH ORDINALITY u(f, i)));
    UPDATE datasets.datasets x SET operation_id = u.op
      FROM unnest(fresh_pks, operations) u(pk, op) WHERE x.pk = u.pk;
    INSERT INTO datasets.events (dataset_pk, actor, move, to_state, request_id, operation_id)
      SELECT u.pk, actors[u.o], 'create', 'DRAFT', request_ids[u.o], u.op
      FROM unnest(fresh_pks, fresh_ords, operations) u(pk, o, op);
  END IF;

  -- 4. What the owners of request ids answer; a row not decided here gives its id back.
  UPDATE datasets.requests q SET dataset_pk = x.pk, created = t.o = ANY (fresh_ords)
    FROM unnest(keys, actors, request_ids, specs) WITH ORDINALITY t(k, a, r, s, o)
    JOIN datasets.datasets x ON x.key = t.k AND x.state = 'DRAFT' AND x.spec::text = t.s
    WHERE t.o = ANY (owned) AND q.principal = t.a AND q.method = 'CreateDataset' AND q.request_id = t.r;
  DELETE FROM datasets.requests q USING unnest(actors, request_ids) WITH ORDINALITY t(a, r, o)
    WHERE t.o = ANY (owned) AND q.principal = t.a AND q.method = 'CreateDataset' AND q.request_id = t.r AND q.dataset_pk IS NULL;

  -- 5. The answers, in the order of the rows.
  RETURN QUERY
    SELECT t.o,
      CASE WHEN t.r IS NOT NULL AND NOT t.o = ANY (owned) THEN q.dataset_pk ELSE x.pk END,
      CASE WHEN t.r IS NOT NULL AND NOT t.o = ANY (owned) THEN coalesce(q.created, false) ELSE t.o = ANY (fresh_ords) END,
      CASE WHEN t.r IS NOT NULL AND NOT t.o = ANY (owned) THEN q.dataset_pk IS NOT NULL
        ELSE x.pk IS NOT NULL AND x.state = 'DRAFT' AND x.spec::text = t.s END,
      coalesce(t.r IS NOT NULL AND NOT t.o = ANY (owned) AND q.body_sha256 <> t.h, false)
    FROM unnest(keys, actors, request_ids, body_hashes, specs) WITH ORDINALITY t(k, a, r, h, s, o)
    LEFT JOIN datasets.datasets x ON x.key = t.k AND x.state NOT IN ('PURGING', 'PURGED')
    LEFT JOIN datasets.requests q ON q.principal = t.a AND q.method = 'CreateDataset' AND q.request_id = t.r
    ORDER BY t.o;
  IF cardinality(fresh_pks) > 0 THEN PERFORM coremachine.touch(fresh_pks); END IF;
END $$;
