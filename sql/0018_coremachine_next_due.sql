-- Milliseconds until a task that waits falls due; NULL where none waits. (GREATEST ignores NULLs: 0004's answered 0, and an idle
-- engine asked again every few milliseconds.)
CREATE OR REPLACE FUNCTION coremachine.next_due_ms() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT GREATEST(0, ceil(extract(epoch FROM min(not_before) - clock_timestamp()) * 1000))::bigint
  FROM coremachine.tasks WHERE state = 'WAITING' HAVING min(not_before) IS NOT NULL;
$$;
