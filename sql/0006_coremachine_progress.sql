-- What tasks report, one row a report. Fenced: a report of an attempt that holds no lease is left out. What is shown of a
-- step never goes back. Touches the subjects, so it is the last statement of its transaction.
-- p_warnings: [{"reason", "count", "examples": [...]}], cumulative within the task.
-- Answers how many reports counted.
CREATE FUNCTION coremachine.write_progress(
  p_tasks bigint[], p_attempts integer[], p_phases text[], p_units text[], p_done bigint[], p_totals bigint[],
  p_messages text[], p_fractions double precision[], p_warnings text[])
RETURNS integer LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  counted bigint[];
  touched bigint[];
BEGIN
  WITH input AS (
    SELECT DISTINCT ON (i.task_id) i.*
    FROM unnest(p_tasks, p_attempts, p_done, p_totals, p_fractions) WITH ORDINALITY
      AS i (task_id, attempt, done, total, fraction, ord)
    ORDER BY i.task_id, i.ord DESC
  ), written AS (
    INSERT INTO coremachine.task_progress AS p (task_id, attempt, operation_id, stage_id, fraction, done, total)
      SELECT i.task_id, i.attempt, t.operation_id, t.stage_id, i.fraction, i.done, i.total
      FROM input i JOIN coremachine.leases l ON l.task_id = i.task_id AND l.attempt = i.attempt
        JOIN coremachine.tasks t ON t.task_id = i.task_id
      ORDER BY i.task_id
      ON CONFLICT (task_id) DO UPDATE SET attempt = EXCLUDED.attempt, fraction = EXCLUDED.fraction, done = EXCLUDED.done,
        total = EXCLUDED.total
      RETURNING p.task_id)
  SELECT array_agg(w.task_id ORDER BY w.task_id) INTO counted FROM written w;
  IF counted IS NULL THEN RETURN 0; END IF;

  -- Counts of an attempt that was given up are replaced by those of the next.
  DELETE FROM coremachine.warnings w USING coremachine.tasks t
    WHERE t.task_id = ANY (counted) AND w.operation_id = t.operation_id AND w.task_id = t.task_id AND w.attempt < t.attempt;
  INSERT INTO coremachine.warnings AS w (operation_id, task_id, reason, attempt, step, count, examples)
    SELECT DISTINCT ON (t.task_id, e ->> 'reason') t.operation_id, t.task_id, e ->> 'reason', t.attempt, j.step,
           (e ->> 'count')::bigint, COALESCE(e -> 'examples', '[]')
    FROM unnest(p_tasks, p_warnings) WITH ORDINALITY AS i (task_id, warnings, ord)
    JOIN coremachine.tasks t ON t.task_id = i.task_id
    JOIN coremachine.stages s ON s.stage_id = t.stage_id JOIN coremachine.jobs j ON j.job_id = s.job_id
    CROSS JOIN json_array_elements(i.warnings::json) e
    WHERE i.task_id = ANY (counted)
    ORDER BY t.task_id, e ->> 'reason', i.ord DESC
    ON CONFLICT (operation_id, task_id, reason) DO UPDATE SET count = EXCLUDED.count, examples = EXCLUDED.examples,
      attempt = EXCLUDED.attempt;

  WITH latest AS (
    SELECT DISTINCT ON (t.operation_id) t.operation_id, t.stage_id, j.step, j.job_type, j.stage_count, s.ordinal,
      s.task_count, s.remaining, i.phase, i.unit, i.message
    FROM unnest(p_tasks, p_phases, p_units, p_messages) WITH ORDINALITY AS i (task_id, phase, unit, message, ord)
    JOIN coremachine.tasks t ON t.task_id = i.task_id
    JOIN coremachine.stages s ON s.stage_id = t.stage_id JOIN coremachine.jobs j ON j.job_id = s.job_id
    WHERE i.task_id = ANY (counted) ORDER BY t.operation_id, i.ord DESC
  ), summed AS (
    SELECT l.*, a.done, CASE WHEN a.reports = l.task_count THEN a.total END AS total,
      -- Ended tasks count whole, running ones by their share; then the stage within the job.
      LEAST(1, (l.ordinal - 1 + (l.task_count - l.remaining + a.running) / l.task_count) / l.stage_count) AS fraction
    FROM latest l CROSS JOIN LATERAL (
      SELECT sum(p.done)::bigint AS done, CASE WHEN bool_and(p.total IS NOT NULL) THEN sum(p.total)::bigint END AS total,
        count(*) AS reports, COALESCE(sum(p.fraction) FILTER (WHERE t.state = 'RUNNING'), 0) AS running
      FROM coremachine.task_progress p JOIN coremachine.tasks t USING (task_id)
      WHERE p.operation_id = l.operation_id AND p.stage_id = l.stage_id) a
  )
  INSERT INTO coremachine.progress AS p (operation_id, step, job_type, phase, done, total, unit, message, fraction, warnings)
    SELECT s.operation_id, s.step, s.job_type, s.phase, s.done, s.total, s.unit, s.message, s.fraction,
      COALESCE((SELECT jsonb_object_agg(r.reason, r.n) FROM (
        SELECT w.reason, sum(w.count)::bigint AS n FROM coremachine.warnings w
        WHERE w.operation_id = s.operation_id GROUP BY w.reason) r), '{}')
    FROM summed s ORDER BY s.operation_id
    ON CONFLICT (operation_id) DO UPDATE SET
      step = EXCLUDED.step, job_type = EXCLUDED.job_type, phase = EXCLUDED.phase, unit = EXCLUDED.unit,
      message = EXCLUDED.message, total = EXCLUDED.total, warnings = EXCLUDED.warnings,
      done = CASE WHEN p.step = EXCLUDED.step AND p.phase = EXCLUDED.phase THEN GREATEST(p.done, EXCLUDED.done)
                  ELSE EXCLUDED.done END,
      fraction = CASE WHEN p.step = EXCLUDED.step THEN GREATEST(p.fraction, EXCLUDED.fraction) ELSE EXCLUDED.fraction END,
      step_began_at = CASE WHEN p.step = EXCLUDED.step THEN p.step_began_at ELSE clock_timestamp() END,
      rate = CASE WHEN p.step = EXCLUDED.step AND clock_timestamp() > p.step_began_at
                  THEN EXCLUDED.done / extract(epoch FROM clock_timestamp() - p.step_began_at)::double precision END,
      updated_at = clock_timestamp()
    -- A straggler of an earlier step changes nothing that is shown.
    WHERE p.step <= EXCLUDED.step;
  SELECT array_agg(DISTINCT o.subject) INTO touched FROM coremachine.tasks t JOIN coremachine.operations o USING (operation_id)
    WHERE t.task_id = ANY (counted);
  PERFORM coremachine.touch(touched);
  RETURN cardinality(counted);
END $$;
