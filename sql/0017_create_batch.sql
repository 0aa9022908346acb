-- The same answers as before for a fraction of the work: time grows with the rows of a batch and not with their square, tables
-- are only ever reached by an index, and a batch of new datasets (nearly every one) is not looked up again.
--
-- A session keeps the plans of a function for life, and it may have made them when the tables were empty: a sequential scan was
-- right then, and is a read of the whole table with every batch a day later. Hence enable_seqscan = off and the LATERAL look-ups.
--
-- `made`: this very row made the dataset; `created` is what is answered, also to a replay of the request that made it.
DROP FUNCTION datasets.create_batch(bytea[], text[], text[], text[], text[], text[], text[], text[], text[], bytea[], bytea[]);
CREATE FUNCTION datasets.create_batch(
  keys bytea[], namespaces text[], dataset_ids text[], resource_ids text[], version_ids text[], dataset_types text[],
  specs text[], first_parameters text[], actors text[], request_ids bytea[], body_hashes bytea[])
RETURNS TABLE (ord bigint, dataset_pk bigint, created boolean, decided boolean, request_id_reused boolean,
               made boolean)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  n integer := cardinality(keys);
  pks bigint[];        -- a number for each row, used where it makes a dataset
  mine boolean[];      -- rows without a request id, or the first with theirs
  fresh boolean[];     -- rows that made a dataset, and below it their places and what they made
  fresh_ords bigint[];
  fresh_pks bigint[];
  operations bigint[];
BEGIN
  IF n = 0 THEN RETURN; END IF;
  pks := ARRAY(SELECT nextval(pg_get_serial_sequence('datasets.datasets', 'pk')) FROM generate_series(1, n));

  -- 1. Request ids, as if each made its dataset. A loser waits here for the winner's commit and reads its row in step 5.
  WITH input AS MATERIALIZED (
    SELECT * FROM unnest(actors, request_ids, body_hashes, pks) WITH ORDINALITY t(a, r, h, p, o)
  ), firsts AS MATERIALIZED (
    SELECT DISTINCT ON (a, r) a, r, h, p, o FROM input WHERE r IS NOT NULL ORDER BY a, r, o
  ), won AS (
    INSERT INTO datasets.requests (principal, method, request_id, body_sha256, dataset_pk, created)
    SELECT a, 'CreateDataset', r, h, p, true FROM firsts ORDER BY a, r ON CONFLICT DO NOTHING RETURNING principal, request_id
  )
  SELECT array_agg(t.r IS NULL OR w.o IS NOT NULL ORDER BY t.o) INTO mine
    FROM input t LEFT JOIN (SELECT f.o FROM firsts f JOIN won w ON w.principal = f.a AND w.request_id = f.r) w ON w.o = t.o;

  -- 2. Datasets, in the order of their keys so that two batches cannot wait for each other.
  WITH firsts AS MATERIALIZED (
    SELECT DISTINCT ON (k) *
    FROM unnest(keys, namespaces, dataset_ids, resource_ids, version_ids, dataset_types, specs, actors, pks, mine)
      WITH ORDINALITY t(k, n, d, r, v, ty, s, a, p, m, o) WHERE m ORDER BY k, o
  ), made AS (
    INSERT INTO datasets.datasets AS x (pk, key, generation, namespace, dataset_id, resource_id, version_id, dataset_type, spec, created_by)
    OVERRIDING SYSTEM VALUE
    SELECT p, k, 1 + coalesce((SELECT max(g.generation) FROM datasets.datasets g WHERE g.key = k), 0), n, d, r, v, ty, s::json, a
    FROM firsts ORDER BY k ON CONFLICT DO NOTHING RETURNING x.pk
  )
  SELECT coalesce(array_agg(f.o ORDER BY f.o), '{}'), coalesce(array_agg(f.p ORDER BY f.o), '{}')
    INTO fresh_ords, fresh_pks FROM made m JOIN firsts f ON f.p = m.pk;

  -- 3. Their operations.
  IF cardinality(fresh_pks) > 0 THEN
    operations := coremachine.begin_operations(
      fresh_pks, array_fill('create'::text, ARRAY[cardinality(fresh_pks)]),
      array_fill(NULL::bigint, ARRAY[cardinality(fresh_pks)]), array_fill('probe'::text, ARRAY[cardinality(fresh_pks)]),
      ARRAY(SELECT p.p FROM unnest(first_parameters) WITH ORDINALITY p(p, o) JOIN unnest(fresh_ords) f(o) ON f.o = p.o ORDER BY p.o));
    UPDATE datasets.datasets x SET operation_id = u.op
      FROM unnest(fresh_pks, operations) u(pk, op) WHERE x.pk = u.pk AND x.pk = ANY (fresh_pks);
    INSERT INTO datasets.events (dataset_pk, actor, move, to_state, request_id, operation_id)
      SELECT u.pk, t.a, 'create', 'DRAFT', t.r, u.op
      FROM unnest(fresh_pks, fresh_ords, operations) u(pk, o, op)
      JOIN unnest(actors, request_ids) WITH ORDINALITY t(a, r, o) ON t.o = u.o;
  END IF;
  IF cardinality(fresh_pks) = n THEN
    RETURN QUERY SELECT u.o, u.pk, true, true, false, true FROM unnest(fresh_ords, fresh_pks) u(o, pk) ORDER BY u.o;
    PERFORM coremachine.touch(fresh_pks);
    RETURN;
  END IF;

  -- 4. What the owners of request ids answer that made no dataset; a row not decided here gives its id back.
  SELECT array_agg(f.o IS NOT NULL ORDER BY t.o) INTO fresh
    FROM generate_series(1, n) t(o) LEFT JOIN unnest(fresh_ords) f(o) ON f.o = t.o;
  INSERT INTO datasets.requests AS q (principal, method, request_id, body_sha256, dataset_pk, created)
    SELECT t.a, 'CreateDataset', t.r, t.h, x.pk, false
    FROM unnest(keys, actors, request_ids, body_hashes, specs, mine, fresh) t(k, a, r, h, s, m, f)
    LEFT JOIN LATERAL (
      SELECT x.pk FROM datasets.datasets x
      WHERE x.key = t.k AND x.state NOT IN ('PURGING', 'PURGED') AND x.state = 'DRAFT' AND x.spec::text = t.s LIMIT 1) x ON true
    WHERE t.m AND t.r IS NOT NULL AND NOT t.f
    ON CONFLICT (principal, method, request_id) DO UPDATE SET dataset_pk = EXCLUDED.dataset_pk, created = false;
  DELETE FROM datasets.requests q USING unnest(actors, request_ids, mine, fresh) t(a, r, m, f)
    WHERE t.m AND t.r IS NOT NULL AND NOT t.f
      AND q.principal = t.a AND q.method = 'CreateDataset' AND q.request_id = t.r AND q.dataset_pk IS NULL;

  -- 5. The answers, in the order of the rows.
  RETURN QUERY
    SELECT t.o,
      CASE WHEN t.m THEN x.pk ELSE q.dataset_pk END,
      CASE WHEN t.m THEN t.f ELSE coalesce(q.created, false) END,
      CASE WHEN t.m THEN x.pk IS NOT NULL AND x.state = 'DRAFT' AND x.spec = t.s ELSE q.dataset_pk IS NOT NULL END,
      coalesce(NOT t.m AND q.body_sha256 <> t.h, false), t.f
    FROM unnest(keys, actors, request_ids, body_hashes, specs, mine, fresh) WITH ORDINALITY t(k, a, r, h, s, m, f, o)
    LEFT JOIN LATERAL (
      SELECT x.pk, x.state, x.spec::text AS spec FROM datasets.datasets x
      WHERE x.key = t.k AND x.state NOT IN ('PURGING', 'PURGED') LIMIT 1) x ON true
    LEFT JOIN LATERAL (
      SELECT q.dataset_pk, q.created, q.body_sha256 FROM datasets.requests q
      WHERE q.principal = t.a AND q.method = 'CreateDataset' AND q.request_id = t.r LIMIT 1) q ON true
    ORDER BY t.o;
  IF cardinality(fresh_pks) > 0 THEN PERFORM coremachine.touch(fresh_pks); END IF;
END $$;

-- A dataset's row is changed in the transaction that makes it, and often afterwards: with room on its page the change needs no
-- entry in any index.
ALTER TABLE datasets.datasets SET (fillfactor = 70);
