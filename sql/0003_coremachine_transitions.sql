-- No row of CoreMachine changes its state in a way coremachine.transitions does not list, whoever writes it; and no
-- move goes unrecorded.

CREATE FUNCTION coremachine.refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  former text := CASE TG_OP WHEN 'INSERT' THEN 'NONE' ELSE to_jsonb(OLD) ->> 'state' END;
  legal text;
BEGIN
  SELECT string_agg(move || ' -> ' || to_state, ', ' ORDER BY to_state) INTO legal
    FROM coremachine.transitions WHERE resource = TG_ARGV[0] AND from_state = former;
  RAISE EXCEPTION '% %: % to % is no legal move', TG_ARGV[0], to_jsonb(NEW) ->> TG_ARGV[1], former, NEW.state
    USING ERRCODE = 'check_violation', CONSTRAINT = 'transition_' || TG_ARGV[0],
      DETAIL = 'legal: ' || COALESCE(legal, 'none, the state is terminal');
END $$;

-- The trigger's WHEN clause is written from the table, so that a legal move costs an expression and no call.
DO $$
DECLARE
  r record;
BEGIN
  FOR r IN
    SELECT v.resource, v.tab, v.key,
      (SELECT string_agg(quote_literal(state), ', ' ORDER BY state) FROM (
         SELECT from_state AS state FROM coremachine.transitions t WHERE t.resource = v.resource AND from_state <> 'NONE'
         UNION SELECT to_state FROM coremachine.transitions t WHERE t.resource = v.resource) s) AS states,
      (SELECT string_agg(quote_literal(to_state), ', ' ORDER BY to_state) FROM coremachine.transitions t
         WHERE t.resource = v.resource AND from_state = 'NONE') AS initial,
      (SELECT string_agg(quote_literal(from_state || '>' || to_state), ', ' ORDER BY from_state, to_state)
         FROM coremachine.transitions t WHERE t.resource = v.resource AND from_state <> 'NONE') AS moves
    FROM (VALUES ('operation', 'operations', 'operation_id'), ('job', 'jobs', 'job_id'), ('stage', 'stages', 'stage_id'),
                 ('task', 'tasks', 'task_id'), ('ledger', 'ledger', 'ledger_id')) AS v (resource, tab, key)
  LOOP
    EXECUTE format('ALTER TABLE coremachine.%I ADD CONSTRAINT %I CHECK (state IN (%s))', r.tab, r.tab || '_state', r.states);
    EXECUTE format('CREATE TRIGGER %I BEFORE INSERT ON coremachine.%I FOR EACH ROW WHEN (NEW.state NOT IN (%s))
                    EXECUTE FUNCTION coremachine.refuse_transition(%L, %L)',
                   r.resource || '_begins', r.tab, r.initial, r.resource, r.key);
    EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OF state ON coremachine.%I FOR EACH ROW
                    WHEN (OLD.state <> NEW.state AND (OLD.state || ''>'' || NEW.state) NOT IN (%s))
                    EXECUTE FUNCTION coremachine.refuse_transition(%L, %L)',
                   r.resource || '_moves', r.tab, r.moves, r.resource, r.key);
  END LOOP;
END $$;

-- Who acts and why, for the history: valid to the end of the transaction.
CREATE FUNCTION coremachine.acting_as(actor text, reason text DEFAULT NULL, request_id text DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
  SELECT set_config('coremachine.actor', COALESCE(actor, ''), true),
         set_config('coremachine.reason', COALESCE(reason, ''), true),
         set_config('coremachine.request_id', COALESCE(request_id, ''), true);
$$;

CREATE FUNCTION coremachine.record_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  actor text := COALESCE(NULLIF(current_setting('coremachine.actor', true), ''), session_user::text);
  reason text := NULLIF(current_setting('coremachine.reason', true), '');
  request text := NULLIF(current_setting('coremachine.request_id', true), '');
BEGIN
  IF TG_TABLE_NAME = 'operations' THEN
    IF TG_OP = 'INSERT' THEN
      INSERT INTO coremachine.events (resource, resource_id, operation_id, from_state, to_state, actor, reason, request_id)
        SELECT 'operation', n.operation_id, n.operation_id, 'NONE', n.state, actor, reason, request FROM new_rows n;
    ELSE
      INSERT INTO coremachine.events (resource, resource_id, operation_id, from_state, to_state, actor, reason, request_id)
        SELECT 'operation', n.operation_id, n.operation_id, o.state, n.state, actor,
               COALESCE(reason, CASE WHEN n.state = 'FAILED' THEN n.problem ->> 'reason' END), request
        FROM new_rows n JOIN old_rows o USING (operation_id) WHERE n.state <> o.state;
    END IF;
  ELSIF TG_TABLE_NAME = 'jobs' THEN
    IF TG_OP = 'INSERT' THEN
      INSERT INTO coremachine.events (resource, resource_id, operation_id, from_state, to_state, attempt, actor, reason, request_id)
        SELECT 'job', n.job_id, n.operation_id, 'NONE', n.state, n.attempt, actor, reason, request FROM new_rows n;
    ELSE
      INSERT INTO coremachine.events (resource, resource_id, operation_id, from_state, to_state, attempt, actor, reason, request_id)
        SELECT 'job', n.job_id, n.operation_id, o.state, n.state, n.attempt, actor,
               COALESCE(reason, CASE WHEN n.state = 'FAILED' THEN n.problem ->> 'reason' END), request
        FROM new_rows n JOIN old_rows o USING (job_id) WHERE n.state <> o.state;
    END IF;
  ELSIF TG_TABLE_NAME = 'stages' THEN
    IF TG_OP = 'INSERT' THEN
      INSERT INTO coremachine.events (resource, resource_id, operation_id, from_state, to_state, actor, reason, request_id)
        SELECT 'stage', n.stage_id, j.operation_id, 'NONE', n.state, actor, reason, request
        FROM new_rows n JOIN coremachine.jobs j USING (job_id);
    ELSE
      INSERT INTO coremachine.events (resource, resource_id, operation_id, from_state, to_state, actor, reason, request_id)
        SELECT 'stage', n.stage_id, j.operation_id, o.state, n.state, actor,
               COALESCE(reason, CASE WHEN n.state = 'FAILED' THEN n.problem ->> 'reason' END), request
        FROM new_rows n JOIN old_rows o USING (stage_id) JOIN coremachine.jobs j ON j.job_id = n.job_id
        WHERE n.state <> o.state;
    END IF;
  ELSE
    IF TG_OP = 'INSERT' THEN
      INSERT INTO coremachine.events (resource, resource_id, operation_id, from_state, to_state, attempt, actor, reason, request_id)
        SELECT 'task', n.task_id, n.operation_id, 'NONE', n.state, n.attempt, actor, reason, request FROM new_rows n;
    ELSE
      INSERT INTO coremachine.events (resource, resource_id, operation_id, from_state, to_state, attempt, actor, reason, request_id)
        SELECT 'task', n.task_id, n.operation_id, o.state, n.state, n.attempt, actor,
               COALESCE(reason, CASE WHEN n.state IN ('FAILED', 'WAITING') THEN n.problem ->> 'reason'
                                     WHEN n.lost_leases > o.lost_leases THEN 'LEASE_LOST' END), request
        FROM new_rows n JOIN old_rows o USING (task_id) WHERE n.state <> o.state;
    END IF;
  END IF;
  RETURN NULL;
END $$;

DO $$
DECLARE
  tab text;
BEGIN
  FOREACH tab IN ARRAY ARRAY['operations', 'jobs', 'stages', 'tasks'] LOOP
    EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON coremachine.%I REFERENCING NEW TABLE AS new_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION coremachine.record_moves()', tab || '_begun', tab);
    EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON coremachine.%I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION coremachine.record_moves()', tab || '_moved', tab);
  END LOOP;
END $$;

-- Makes the partitions of this month and of the months ahead, and drops those that ended before `keep` ago. Runs as the
-- owner: the server's role may write rows, not tables.
CREATE FUNCTION coremachine.keep_event_partitions(months_ahead integer DEFAULT 2, keep interval DEFAULT '12 months')
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  month timestamptz := date_trunc('month', now(), 'UTC');
  first timestamptz;
  name text;
  changed integer := 0;
  r record;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('coremachine.events')) THEN RETURN 0; END IF;
  FOR i IN 0 .. months_ahead LOOP
    first := (month AT TIME ZONE 'UTC' + make_interval(months => i)) AT TIME ZONE 'UTC';
    name := 'events_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
    IF to_regclass('coremachine.' || name) IS NULL THEN
      EXECUTE format('CREATE TABLE coremachine.%I PARTITION OF coremachine.events FOR VALUES FROM (%L) TO (%L)', name, first,
                     (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
      changed := changed + 1;
    END IF;
  END LOOP;
  FOR r IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
           WHERE i.inhparent = 'coremachine.events'::regclass AND c.relname ~ '^events_\d{4}_\d{2}$'
             AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' < now() - keep
  LOOP
    EXECUTE format('DROP TABLE coremachine.%I', r.relname);
    changed := changed + 1;
  END LOOP;
  RETURN changed;
END $$;
-- Where no month was made ahead (a server that slept for long), moves are still recorded.
CREATE TABLE coremachine.events_unfiled PARTITION OF coremachine.events DEFAULT;
SELECT coremachine.keep_event_partitions();
