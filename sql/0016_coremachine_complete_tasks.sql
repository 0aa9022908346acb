-- Two faults of complete_tasks that the model check found.
-- 1. It chose between rows of one task before it asked which of them may end it: a row that is refused (of an older attempt,
--    or LOST of a lease that was renewed meanwhile) hid the row of the current attempt in the same batch, whose worker was
--    told that it was stale, and its work was done again when its lease ran out. The fence is first now.
-- 2. A worker that had lost its lease and whose adoption was refused for that says CANCELLED. The attempt number is still
--    the task's while it waits for its next claim, so this cancelled a task of an operation that goes on. CANCELLED counts
--    only where there is something to stop.

-- Ends attempts. Outcomes: SUCCEEDED, FAILED (for good), RETRY (after delay_ms), LOST (the lease ran out), RELEASED (given
-- back), CANCELLED (only of what has to stop; also of a task that never ran). Fenced: an attempt that is not the current one
-- changes nothing and is not in the answer.
CREATE OR REPLACE FUNCTION coremachine.complete_tasks(
  p_actor text, p_tasks bigint[], p_attempts integer[], p_outcomes text[], p_results text[], p_problems text[],
  p_delays_ms bigint[], p_crash_loop integer)
RETURNS SETOF coremachine.completion_row LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  marked coremachine.completion_row[];
  at_zero bigint[];
  failing bigint;
  ended bigint[];
BEGIN
  PERFORM coremachine.acting_as(p_actor);
  WITH input AS (
    SELECT i.*
    FROM unnest(p_tasks, p_attempts, p_outcomes, p_results, p_problems, p_delays_ms) WITH ORDINALITY
      AS i (task_id, attempt, outcome, result, problem, delay_ms, ord)
  ), locked AS (
    SELECT i.*, t.stage_id, t.lost_leases, t.operation_id, (o.stopping OR s.stopping) AS stopping
    FROM input i
    JOIN coremachine.tasks t ON t.task_id = i.task_id
    JOIN coremachine.stages s ON s.stage_id = t.stage_id
    JOIN coremachine.operations o ON o.operation_id = t.operation_id
    WHERE t.attempt = i.attempt
      AND (t.state = 'RUNNING' OR (i.outcome = 'CANCELLED' AND t.state IN ('QUEUED', 'WAITING')))
      AND (i.outcome <> 'CANCELLED' OR o.stopping OR s.stopping)
      -- A lease renewed since the reaper looked is not lost.
      AND (i.outcome <> 'LOST' OR NOT EXISTS (
        SELECT FROM coremachine.leases l WHERE l.task_id = i.task_id AND l.attempt = i.attempt
          AND l.expires_at > clock_timestamp()))
    ORDER BY t.task_id FOR NO KEY UPDATE OF t
  ), decided AS (
    -- Of two rows that may both end the attempt (the reaper's and the worker's own) the first counts.
    SELECT DISTINCT ON (l.task_id) l.*,
      CASE
        WHEN l.outcome IN ('SUCCEEDED', 'FAILED', 'CANCELLED') THEN l.outcome
        WHEN l.stopping THEN 'CANCELLED'
        WHEN l.outcome = 'RETRY' THEN 'WAITING'
        WHEN l.outcome = 'LOST' AND l.lost_leases + 1 >= p_crash_loop THEN 'FAILED'
        WHEN l.outcome IN ('LOST', 'RELEASED') THEN 'QUEUED'
      END AS new_state
    FROM locked l ORDER BY l.task_id, l.ord
  ), updated AS (
    UPDATE coremachine.tasks t SET
      state = d.new_state,
      result = CASE WHEN d.new_state = 'SUCCEEDED' THEN d.result::json END,
      problem = CASE
        WHEN d.outcome = 'LOST' AND d.new_state = 'FAILED' THEN json_build_object('reason', 'CRASH_LOOP', 'message',
          format('the worker of this task was lost %s times', d.lost_leases + 1), 'transient', false)
        WHEN d.new_state IN ('FAILED', 'WAITING') THEN d.problem::json END,
      failures = t.failures + (d.outcome = 'RETRY')::integer,
      lost_leases = t.lost_leases + (d.outcome = 'LOST')::integer,
      not_before = CASE WHEN d.new_state = 'WAITING' THEN clock_timestamp() + d.delay_ms * interval '1 ms' END,
      ended_at = CASE WHEN d.new_state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') THEN clock_timestamp() END
    FROM decided d WHERE t.task_id = d.task_id
    RETURNING d.ord, t.task_id, t.state, t.stage_id, t.problem
  ), unleased AS (
    DELETE FROM coremachine.leases l USING decided d WHERE l.task_id = d.task_id AND l.attempt = d.attempt
  ), doomed AS (
    -- What the attempt may have left and nobody adopted; of an attempt that did not succeed, the adopted things too.
    UPDATE coremachine.ledger g SET state = 'DOOMED', doom_at = clock_timestamp(), updated_at = clock_timestamp()
      FROM decided d WHERE g.task_id = d.task_id AND g.attempt = d.attempt
        AND (g.state = 'INTENT' OR (g.state = 'PRESENT' AND d.new_state <> 'SUCCEEDED'))
  )
  SELECT array_agg(ROW('task', u.ord::integer, u.task_id, u.state, u.stage_id, NULL, NULL, u.problem::text, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::coremachine.completion_row ORDER BY u.task_id)
    INTO marked FROM updated u;
  IF marked IS NULL THEN RETURN; END IF;
  RETURN QUERY SELECT * FROM unnest(marked);
  IF EXISTS (SELECT FROM unnest(marked) m WHERE m.state IN ('QUEUED', 'WAITING')) THEN
    PERFORM pg_notify('terrane_tasks', '');
  END IF;

  -- Counters in id order, each decremented once by the number of its tasks that ended here.
  PERFORM FROM coremachine.stages s WHERE s.stage_id IN (
    SELECT m.stage_id FROM unnest(marked) m WHERE m.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED'))
    ORDER BY s.stage_id FOR NO KEY UPDATE;
  WITH ended AS (
    SELECT m.stage_id, count(*)::integer AS n,
      (array_agg(m.problem ORDER BY m.ordinal) FILTER (WHERE m.state = 'FAILED'))[1] AS problem
    FROM unnest(marked) m WHERE m.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') GROUP BY m.stage_id
  ), counted AS (
    UPDATE coremachine.stages s SET
      remaining = s.remaining - e.n,
      problem = COALESCE(s.problem, e.problem::json),
      stopping = (s.stopping OR e.problem IS NOT NULL) AND s.remaining > e.n
    FROM ended e WHERE s.stage_id = e.stage_id
    RETURNING s.stage_id, s.remaining, s.stopping, s.job_id
  )
  SELECT array_agg(c.stage_id ORDER BY c.stage_id) FILTER (WHERE c.remaining = 0),
         min(c.stage_id) FILTER (WHERE c.stopping)
    INTO at_zero, failing FROM counted c;
  IF failing IS NOT NULL THEN PERFORM pg_notify('terrane_cancel', ''); END IF;
  IF at_zero IS NULL THEN RETURN; END IF;

  -- A stage at 0 may end its job and its operation: nobody cancels or extends them until this transaction ends.
  PERFORM FROM coremachine.jobs j WHERE j.job_id IN (
    SELECT s.job_id FROM coremachine.stages s WHERE s.stage_id = ANY (at_zero)) ORDER BY j.job_id FOR NO KEY UPDATE;
  SELECT array_agg(DISTINCT j.operation_id) INTO ended FROM coremachine.stages s JOIN coremachine.jobs j USING (job_id)
    WHERE s.stage_id = ANY (at_zero);
  PERFORM FROM coremachine.operations o WHERE o.operation_id = ANY (ended) ORDER BY o.operation_id FOR NO KEY UPDATE;
  UPDATE coremachine.stages s SET
    state = CASE WHEN o.state <> 'RUNNING' THEN 'CANCELLED' WHEN s.problem IS NOT NULL THEN 'FAILED' ELSE 'SUCCEEDED' END
    FROM coremachine.jobs j JOIN coremachine.operations o USING (operation_id)
    WHERE s.stage_id = ANY (at_zero) AND j.job_id = s.job_id;
  UPDATE coremachine.operations o SET stopping = false WHERE o.operation_id = ANY (ended) AND o.stopping;

  RETURN QUERY
    SELECT 'stage', NULL::integer, NULL::bigint, s.state, s.stage_id, s.ordinal, s.name, s.problem::text,
      CASE WHEN s.state = 'SUCCEEDED' THEN ARRAY(
        SELECT t.result::text FROM coremachine.tasks t WHERE t.stage_id = s.stage_id ORDER BY t.ordinal) END,
      j.job_id, j.job_type, j.handler_version, j.step, j.parameters::text,
      o.operation_id, o.subject, o.kind, o.state, o.retry_of, o.plan::text
    FROM coremachine.stages s JOIN coremachine.jobs j USING (job_id) JOIN coremachine.operations o USING (operation_id)
    WHERE s.stage_id = ANY (at_zero) ORDER BY o.operation_id;
  RETURN QUERY
    SELECT 'job', NULL::integer, NULL::bigint, j.state, NULL::bigint, NULL::integer, NULL, NULL, j.results::text[],
      j.job_id, j.job_type, j.handler_version, j.step, j.parameters::text,
      j.operation_id, NULL::bigint, NULL, NULL, NULL::bigint, NULL
    FROM coremachine.jobs j WHERE j.operation_id = ANY (ended) AND j.state = 'SUCCEEDED' ORDER BY j.operation_id, j.step;
END $$;
