-- What other modules call inside their own transactions (begin_operations, cancel_operation, touch), and the claim.

-- Takes change numbers and stamps the subjects with them. Always the last statement of a transaction: the counter's row
-- stays locked to the commit, which is what makes the numbers commit-ordered.
CREATE FUNCTION coremachine.touch(subjects bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  changed bigint[] := ARRAY(SELECT DISTINCT s FROM unnest(subjects) s WHERE s IS NOT NULL ORDER BY s);
  n integer := cardinality(changed);
  newest bigint;
BEGIN
  IF n = 0 THEN RETURN NULL; END IF;
  UPDATE coremachine.change_counter SET last = last + n RETURNING last INTO newest;
  INSERT INTO coremachine.subjects AS s (subject, status_seq)
    SELECT c.subject, newest - n + c.ord FROM unnest(changed) WITH ORDINALITY AS c (subject, ord)
    ON CONFLICT (subject) DO UPDATE SET status_seq = EXCLUDED.status_seq;
  PERFORM pg_notify('terrane_changes', newest::text);
  RETURN newest;
END $$;

-- Begins one operation for each element: the operation, its first job, stage and task. Answers the operation ids in the
-- order of the input. The caller touches the subjects at the end of its transaction.
-- first_steps > 1 (a retry): the steps before are carried over from retry_of, with what they left PRESENT in the ledger.
-- A subject that already has an operation which is not terminal: unique_violation, constraint operations_active.
CREATE FUNCTION coremachine.begin_operations(
  subjects bigint[], kinds text[], retry_of bigint[], first_job_types text[], parameters text[],
  first_steps integer[] DEFAULT NULL, input_bytes bigint[] DEFAULT NULL)
RETURNS bigint[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  ids bigint[];
  missing text;
BEGIN
  SELECT min(t) INTO missing FROM unnest(first_job_types) t
    WHERE NOT EXISTS (SELECT FROM coremachine.job_types j WHERE j.job_type = t);
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'job type % is not registered', missing USING ERRCODE = 'undefined_object';
  END IF;
  WITH input AS MATERIALIZED (
    SELECT i.*, COALESCE(i.first_step, 1) AS step, t.handler_version, t.first_stage, t.stage_count,
           nextval(pg_get_serial_sequence('coremachine.operations', 'operation_id')) AS operation_id,
           nextval(pg_get_serial_sequence('coremachine.jobs', 'job_id')) AS job_id,
           nextval(pg_get_serial_sequence('coremachine.stages', 'stage_id')) AS stage_id
    FROM unnest(subjects, kinds, retry_of, first_job_types, parameters, first_steps, input_bytes) WITH ORDINALITY
           AS i (subject, kind, retry_of, job_type, parameters, first_step, input_bytes, ord)
    JOIN coremachine.job_types t ON t.job_type = i.job_type
    ORDER BY i.ord
  ), o AS (
    INSERT INTO coremachine.operations (operation_id, subject, kind, retry_of, step, plan, step_weights)
      OVERRIDING SYSTEM VALUE
      SELECT i.operation_id, i.subject, i.kind, i.retry_of, i.step,
             CASE WHEN i.step > 1 THEN r.plan END, CASE WHEN i.step > 1 THEN r.step_weights END
      FROM input i LEFT JOIN coremachine.operations r ON r.operation_id = i.retry_of
  ), j AS (
    INSERT INTO coremachine.jobs (job_id, operation_id, step, job_type, handler_version, stage_count, parameters)
      OVERRIDING SYSTEM VALUE
      SELECT i.job_id, i.operation_id, i.step, i.job_type, i.handler_version, i.stage_count, i.parameters::json FROM input i
  ), s AS (
    INSERT INTO coremachine.stages (stage_id, job_id, ordinal, name, task_count, remaining) OVERRIDING SYSTEM VALUE
      SELECT i.stage_id, i.job_id, 1, i.first_stage, 1, 1 FROM input i
  ), t AS (
    INSERT INTO coremachine.tasks (stage_id, ordinal, operation_id, handler, input_bytes, parameters)
      SELECT i.stage_id, 0, i.operation_id, i.job_type || '/' || i.handler_version, COALESCE(i.input_bytes, 0),
             i.parameters::json
      FROM input i
  )
  SELECT array_agg(operation_id ORDER BY ord) INTO ids FROM input;

  INSERT INTO coremachine.jobs (operation_id, step, job_type, handler_version, stage_count, state, parameters, results,
                                carried_from, started_at, ended_at)
    SELECT n.operation_id, j.step, j.job_type, j.handler_version, j.stage_count, 'SUCCEEDED', j.parameters, j.results,
           COALESCE(j.carried_from, j.operation_id), j.started_at, j.ended_at
    FROM coremachine.operations n JOIN coremachine.jobs j ON j.operation_id = n.retry_of AND j.step < n.step
    WHERE n.operation_id = ANY (ids) AND n.step > 1 AND j.state = 'SUCCEEDED';
  UPDATE coremachine.ledger l SET operation_id = n.operation_id, updated_at = now()
    FROM coremachine.operations n
    WHERE n.operation_id = ANY (ids) AND n.step > 1 AND l.operation_id = n.retry_of AND l.step < n.step
      AND l.state = 'PRESENT';
  PERFORM pg_notify('terrane_tasks', '');
  RETURN ids;
END $$;

-- Compare and set against publishing, which locks the same row: exactly one of the two wins. Answers the state after the
-- call: CANCELLING or CANCELLED when the cancel holds (also when it already did), SUCCEEDED or FAILED when it came too
-- late, NULL when there is no such operation. Call it before locking rows of your own; touch the subject at the end.
CREATE FUNCTION coremachine.cancel_operation(operation bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  now_in text;
BEGIN
  UPDATE coremachine.operations o
    SET state = CASE o.state WHEN 'RUNNING' THEN 'CANCELLING' ELSE 'CANCELLED' END,
        stopping = o.state <> 'INPUT_REQUIRED',
        ended_at = CASE WHEN o.state <> 'RUNNING' THEN clock_timestamp() END
    WHERE o.operation_id = operation AND o.state IN ('QUEUED', 'RUNNING', 'INPUT_REQUIRED')
    RETURNING o.state INTO now_in;
  IF NOT FOUND THEN
    SELECT o.state INTO now_in FROM coremachine.operations o WHERE o.operation_id = operation;
    RETURN now_in;
  END IF;
  PERFORM pg_notify('terrane_cancel', operation::text);
  RETURN now_in;
END $$;

-- Tasks for as many slots as are free, oldest first. The operation of a first task becomes RUNNING (operation_started).
CREATE FUNCTION coremachine.claim_tasks(p_engine uuid, p_handlers text[], p_slots integer[], p_lease_ms bigint)
RETURNS TABLE (task_id bigint, attempt integer, slot integer, operation_id bigint, subject bigint, kind text,
               retry_of bigint, step integer, plan text, operation_started boolean, job_type text, stage text,
               stage_ordinal integer, parameters text, failures integer, input_bytes bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  picked bigint[];
  started bigint[];
BEGIN
  PERFORM coremachine.acting_as('engine:' || p_engine);
  UPDATE coremachine.tasks t SET state = 'QUEUED', not_before = NULL
    WHERE t.task_id IN (SELECT w.task_id FROM coremachine.tasks w
                        WHERE w.state = 'WAITING' AND w.not_before <= clock_timestamp()
                        ORDER BY w.not_before LIMIT 256 FOR UPDATE SKIP LOCKED);
  SELECT array_agg(q.task_id ORDER BY q.task_id) INTO picked FROM (
    SELECT t.task_id FROM coremachine.tasks t
    WHERE t.state = 'QUEUED' AND t.handler = ANY (p_handlers)
      AND EXISTS (SELECT FROM coremachine.operations o WHERE o.operation_id = t.operation_id
                  AND o.state IN ('QUEUED', 'RUNNING') AND NOT o.stopping)
    ORDER BY t.task_id LIMIT cardinality(p_slots) FOR UPDATE SKIP LOCKED) q;
  IF picked IS NULL THEN RETURN; END IF;

  UPDATE coremachine.stages s SET state = 'RUNNING'
    WHERE s.state = 'QUEUED' AND s.stage_id IN (
      SELECT x.stage_id FROM coremachine.stages x
      WHERE x.state = 'QUEUED' AND x.stage_id IN (SELECT t.stage_id FROM coremachine.tasks t WHERE t.task_id = ANY (picked))
      ORDER BY x.stage_id FOR NO KEY UPDATE);
  UPDATE coremachine.jobs j SET state = 'RUNNING', started_at = clock_timestamp()
    WHERE j.state = 'QUEUED' AND j.job_id IN (
      SELECT x.job_id FROM coremachine.jobs x
      WHERE x.state = 'QUEUED' AND x.job_id IN (
        SELECT s.job_id FROM coremachine.stages s JOIN coremachine.tasks t ON t.stage_id = s.stage_id
        WHERE t.task_id = ANY (picked))
      ORDER BY x.job_id FOR NO KEY UPDATE);
  WITH running AS (
    UPDATE coremachine.operations o SET state = 'RUNNING', started_at = clock_timestamp()
      WHERE o.state = 'QUEUED' AND o.operation_id IN (
        SELECT x.operation_id FROM coremachine.operations x
        WHERE x.state = 'QUEUED'
          AND x.operation_id IN (SELECT t.operation_id FROM coremachine.tasks t WHERE t.task_id = ANY (picked))
        ORDER BY x.operation_id FOR NO KEY UPDATE)
      RETURNING o.operation_id)
  SELECT array_agg(r.operation_id) INTO started FROM running r;

  -- An operation cancelled in the meantime keeps its tasks QUEUED: the sweep of cancelled operations ends them.
  RETURN QUERY
  WITH claimed AS (
    UPDATE coremachine.tasks t
      SET state = 'RUNNING', attempt = t.attempt + 1, started_at = clock_timestamp(), problem = NULL
      FROM unnest(picked) WITH ORDINALITY AS p (task_id, ord)
      WHERE t.task_id = p.task_id AND EXISTS (
        SELECT FROM coremachine.operations o WHERE o.operation_id = t.operation_id AND o.state = 'RUNNING')
      RETURNING t.*, p_slots[p.ord] AS slot
  ), leased AS (
    INSERT INTO coremachine.leases (task_id, attempt, operation_id, engine, slot, expires_at)
      SELECT c.task_id, c.attempt, c.operation_id, p_engine, c.slot, clock_timestamp() + p_lease_ms * interval '1 ms'
      FROM claimed c
      ON CONFLICT (task_id) DO UPDATE SET attempt = EXCLUDED.attempt, engine = EXCLUDED.engine, slot = EXCLUDED.slot,
        expires_at = EXCLUDED.expires_at
  )
  SELECT c.task_id, c.attempt, c.slot, o.operation_id, o.subject, o.kind, o.retry_of, o.step, o.plan::text,
         COALESCE(o.operation_id = ANY (started), false), j.job_type, s.name, s.ordinal, c.parameters::text, c.failures,
         c.input_bytes
  FROM claimed c
  JOIN coremachine.operations o ON o.operation_id = c.operation_id
  JOIN coremachine.stages s ON s.stage_id = c.stage_id
  JOIN coremachine.jobs j ON j.job_id = s.job_id
  ORDER BY c.task_id;
END $$;

-- How long until a WAITING task falls due, in ms; NULL: none waits.
CREATE FUNCTION coremachine.next_due_ms() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT GREATEST(0, ceil(extract(epoch FROM min(not_before) - clock_timestamp()) * 1000))::bigint
  FROM coremachine.tasks WHERE state = 'WAITING';
$$;

-- Tasks that have to stop: of operations being cancelled, and of stages in which a task failed for good.
CREATE FUNCTION coremachine.tasks_to_stop(p_limit integer)
RETURNS TABLE (task_id bigint, attempt integer, state text, engine uuid) LANGUAGE sql STABLE AS $$
  SELECT t.task_id, t.attempt, t.state, l.engine
  FROM (SELECT s.stage_id FROM coremachine.operations o JOIN coremachine.jobs j USING (operation_id)
          JOIN coremachine.stages s USING (job_id) WHERE o.stopping AND s.remaining > 0
        UNION SELECT s.stage_id FROM coremachine.stages s WHERE s.stopping) x
  JOIN coremachine.tasks t ON t.stage_id = x.stage_id AND t.state IN ('QUEUED', 'WAITING', 'RUNNING')
  LEFT JOIN coremachine.leases l ON l.task_id = t.task_id
  ORDER BY t.task_id LIMIT p_limit;
$$;

-- Renews in one statement; an attempt that is not in the answer has lost its lease. `stop`: the task has to stop.
CREATE FUNCTION coremachine.renew_leases(p_engine uuid, p_tasks bigint[], p_attempts integer[], p_lease_ms bigint)
RETURNS TABLE (task_id bigint, attempt integer, stop boolean) LANGUAGE sql AS $$
  UPDATE coremachine.leases l SET expires_at = clock_timestamp() + p_lease_ms * interval '1 ms'
    FROM unnest(p_tasks, p_attempts) AS mine (task_id, attempt)
    WHERE l.task_id = mine.task_id AND l.attempt = mine.attempt AND l.engine = p_engine
    RETURNING l.task_id, l.attempt,
      EXISTS (SELECT FROM coremachine.operations o WHERE o.operation_id = l.operation_id AND o.stopping)
      OR EXISTS (SELECT FROM coremachine.tasks t JOIN coremachine.stages s USING (stage_id)
                 WHERE t.task_id = l.task_id AND s.stopping);
$$;
