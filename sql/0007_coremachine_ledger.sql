-- The ledger of what exists, and the duties.

-- "May exist": committed before the thing is begun. Refused (no row) when the attempt holds no lease any more.
CREATE FUNCTION coremachine.ledger_intend(
  p_task bigint, p_attempt integer, p_kind text, p_identifier text, p_location text DEFAULT NULL)
RETURNS bigint LANGUAGE sql AS $$
  INSERT INTO coremachine.ledger (subject, operation_id, step, task_id, attempt, kind, identifier, location)
    SELECT o.subject, o.operation_id, j.step, t.task_id, p_attempt, p_kind, p_identifier, p_location
    FROM coremachine.leases l
    JOIN coremachine.tasks t ON t.task_id = l.task_id
    JOIN coremachine.stages s ON s.stage_id = t.stage_id JOIN coremachine.jobs j ON j.job_id = s.job_id
    JOIN coremachine.operations o ON o.operation_id = t.operation_id
    WHERE l.task_id = p_task AND l.attempt = p_attempt
    RETURNING ledger_id;
$$;

-- "Whole, staged": for an adopt hook, in its fenced transaction, before it touches the thing. Names a thing that was INTENT
-- or one that is new. What an earlier attempt of the task left under the same name is waited for while garbage collection
-- removes it; if it is still there afterwards, it is the hook's to replace.
CREATE FUNCTION coremachine.ledger_present(
  p_task bigint, p_attempt integer, p_kind text, p_identifier text, p_bytes bigint DEFAULT NULL, p_location text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  id bigint;
BEGIN
  UPDATE coremachine.ledger SET state = 'GONE', updated_at = clock_timestamp()
    WHERE kind = p_kind AND identifier = p_identifier AND COALESCE(location, '') = COALESCE(p_location, '')
      AND task_id = p_task AND attempt < p_attempt AND state = 'DOOMED';
  UPDATE coremachine.ledger SET state = 'PRESENT', bytes = p_bytes, updated_at = clock_timestamp()
    WHERE task_id = p_task AND attempt = p_attempt AND kind = p_kind AND identifier = p_identifier AND state = 'INTENT'
    RETURNING ledger_id INTO id;
  IF id IS NULL THEN
    INSERT INTO coremachine.ledger (subject, operation_id, step, task_id, attempt, kind, identifier, location, state, bytes)
      SELECT o.subject, o.operation_id, j.step, t.task_id, p_attempt, p_kind, p_identifier, p_location, 'PRESENT', p_bytes
      FROM coremachine.tasks t
      JOIN coremachine.stages s ON s.stage_id = t.stage_id JOIN coremachine.jobs j ON j.job_id = s.job_id
      JOIN coremachine.operations o ON o.operation_id = t.operation_id
      WHERE t.task_id = p_task AND t.attempt = p_attempt AND t.state = 'RUNNING'
      RETURNING ledger_id INTO id;
  END IF;
  IF id IS NULL THEN
    RAISE EXCEPTION 'attempt % of task % is not current', p_attempt, p_task USING ERRCODE = 'serialization_failure';
  END IF;
  RETURN id;
END $$;

-- Publishing: what the operation built is served.
CREATE FUNCTION coremachine.ledger_live(p_operation bigint) RETURNS bigint LANGUAGE sql AS $$
  WITH moved AS (
    UPDATE coremachine.ledger SET state = 'LIVE', updated_at = clock_timestamp()
      WHERE operation_id = p_operation AND state = 'PRESENT' RETURNING 1)
  SELECT count(*) FROM moved;
$$;

-- Publishing a replacement, or purge: all a subject has but what p_keep_operation built, to be removed after p_after.
CREATE FUNCTION coremachine.ledger_doom(p_subject bigint, p_keep_operation bigint, p_after interval) RETURNS bigint
LANGUAGE sql AS $$
  WITH moved AS (
    UPDATE coremachine.ledger SET state = 'DOOMED', doom_at = clock_timestamp() + p_after, updated_at = clock_timestamp()
      WHERE subject = p_subject AND state IN ('INTENT', 'PRESENT', 'LIVE')
        AND (p_keep_operation IS NULL OR operation_id <> p_keep_operation)
      RETURNING 1)
  SELECT count(*) FROM moved;
$$;

-- What operations left that failed or were cancelled before p_window ago, when no retry can use it any more.
CREATE FUNCTION coremachine.ledger_doom_failed(p_window interval) RETURNS bigint LANGUAGE sql AS $$
  WITH moved AS (
    UPDATE coremachine.ledger l SET state = 'DOOMED', doom_at = clock_timestamp(), updated_at = clock_timestamp()
      FROM coremachine.operations o
      WHERE o.operation_id = l.operation_id AND l.state IN ('INTENT', 'PRESENT')
        AND o.state IN ('FAILED', 'CANCELLED') AND o.ended_at < clock_timestamp() - p_window
      RETURNING 1)
  SELECT count(*) FROM moved;
$$;

-- One thing to remove now. The row stays locked while it is removed, in the caller's transaction.
CREATE FUNCTION coremachine.ledger_next_doomed(p_kinds text[], p_location text)
RETURNS TABLE (ledger_id bigint, kind text, identifier text, task_id bigint, attempt integer, subject bigint,
               operation_id bigint, failures integer) LANGUAGE sql AS $$
  SELECT d.ledger_id, d.kind, d.identifier, d.task_id, d.attempt, d.subject, d.operation_id, d.failures
  FROM coremachine.ledger d
  WHERE d.state = 'DOOMED' AND d.doom_at <= clock_timestamp() AND d.kind = ANY (p_kinds)
    AND (d.location IS NULL OR d.location = p_location)
  ORDER BY d.doom_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
$$;

-- A failure is kept and tried again: 1 s, 2 s, 4 s … 5 min.
CREATE FUNCTION coremachine.ledger_collected(p_ids bigint[], p_errors text[]) RETURNS void LANGUAGE sql AS $$
  UPDATE coremachine.ledger l SET
    state = CASE WHEN c.error IS NULL THEN 'GONE' ELSE 'DOOMED' END,
    failures = l.failures + (c.error IS NOT NULL)::integer,
    doom_at = CASE WHEN c.error IS NULL THEN l.doom_at
                   ELSE clock_timestamp() + LEAST(300, power(2, LEAST(l.failures, 10))) * interval '1 s' END,
    last_error = c.error, updated_at = clock_timestamp()
    FROM unnest(p_ids, p_errors) AS c (ledger_id, error)
    WHERE l.ledger_id = c.ledger_id AND l.state = 'DOOMED';
$$;

-- A duty that is there keeps its key: scheduling it again only brings it forward.
CREATE FUNCTION coremachine.schedule_duty(p_kind text, p_key text, p_payload text DEFAULT '{}', p_due timestamptz DEFAULT now())
RETURNS bigint LANGUAGE sql AS $$
  INSERT INTO coremachine.duties AS d (kind, key, payload, due_at) VALUES (p_kind, p_key, p_payload::json, p_due)
    ON CONFLICT (kind, key) DO UPDATE SET due_at = LEAST(d.due_at, EXCLUDED.due_at)
    RETURNING duty_id;
$$;

CREATE FUNCTION coremachine.claim_duties(p_engine uuid, p_kinds text[], p_limit integer, p_lease_ms bigint)
RETURNS TABLE (duty_id bigint, kind text, key text, payload text, attempt integer, failures integer) LANGUAGE sql AS $$
  UPDATE coremachine.duties d SET engine = p_engine, attempt = d.attempt + 1,
      leased_until = clock_timestamp() + p_lease_ms * interval '1 ms'
    WHERE d.duty_id IN (
      SELECT c.duty_id FROM coremachine.duties c
      WHERE c.due_at <= clock_timestamp() AND (c.leased_until IS NULL OR c.leased_until < clock_timestamp())
        AND c.kind = ANY (p_kinds)
      ORDER BY c.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
    RETURNING d.duty_id, d.kind, d.key, d.payload::text, d.attempt, d.failures;
$$;

-- Fenced by the attempt. p_next_ms NULL: done for ever.
CREATE FUNCTION coremachine.finish_duty(p_duty bigint, p_attempt integer, p_next_ms bigint, p_error text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  IF p_next_ms IS NULL THEN
    DELETE FROM coremachine.duties WHERE duty_id = p_duty AND attempt = p_attempt;
  ELSE
    UPDATE coremachine.duties SET engine = NULL, leased_until = NULL, last_error = p_error,
        failures = CASE WHEN p_error IS NULL THEN 0 ELSE failures + 1 END,
        due_at = clock_timestamp() + p_next_ms * interval '1 ms'
      WHERE duty_id = p_duty AND attempt = p_attempt;
  END IF;
  RETURN FOUND;
END $$;

-- Tasks of operations that ended before p_keep ago, and what hangs on them; operations and jobs stay. Answers how many
-- tasks went.
CREATE FUNCTION coremachine.forget_tasks(p_keep interval, p_limit integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  old bigint[];
  n bigint;
BEGIN
  old := ARRAY(
    SELECT t.task_id FROM coremachine.operations o JOIN coremachine.jobs j USING (operation_id)
      JOIN coremachine.stages s USING (job_id) JOIN coremachine.tasks t USING (stage_id)
    WHERE o.ended_at < now() - p_keep AND t.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') LIMIT p_limit);
  DELETE FROM coremachine.tasks WHERE task_id = ANY (old);
  GET DIAGNOSTICS n = ROW_COUNT;
  DELETE FROM coremachine.ledger WHERE state = 'GONE' AND updated_at < now() - p_keep;
  DELETE FROM coremachine.engines e WHERE e.started_at < now() - p_keep
    AND NOT EXISTS (SELECT FROM coremachine.leases l WHERE l.engine = e.engine);
  RETURN n;
END $$;

-- A reader that resumes has to know whether its numbers mean the same: another cluster, timeline or copy is another epoch.
CREATE FUNCTION coremachine.feed_state() RETURNS TABLE (epoch bigint, last bigint) LANGUAGE sql STABLE AS $$
  SELECT ('x' || left(encode(sha256(convert_to(format('%s/%s/%s', s.system_identifier, c.timeline_id, k.generation), 'UTF8')),
          'hex'), 16))::bit(64)::bigint, k.last
  FROM pg_control_system() s, pg_control_checkpoint() c, coremachine.change_counter k;
$$;

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'terrane_server') THEN
    REVOKE UPDATE, DELETE ON coremachine.events FROM terrane_server;
    REVOKE INSERT, UPDATE, DELETE ON coremachine.transitions FROM terrane_server;
    REVOKE EXECUTE ON FUNCTION coremachine.keep_event_partitions(integer, interval) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION coremachine.keep_event_partitions(integer, interval) TO terrane_server;
  END IF;
END $$;
