-- The dataset as it is answered, as in 0013, with times as they are: turning nine of them into numbers took as long as all the
-- rest of a read.
DROP VIEW datasets.records;
CREATE VIEW datasets.records AS
SELECT d.pk, d.key, d.generation, d.namespace, d.dataset_id, d.resource_id, d.version_id, d.dataset_type, d.state,
  d.former_state, d.spec, d.created_by, d.published_build, d.result, d.created_at,
  greatest(d.updated_at, o.started_at, o.ended_at, p.updated_at) AS updated_at, d.published_at, d.deleted_at, d.purge_at,
  coalesce(s.status_seq, 0) AS status_seq,
  o.operation_id, o.kind AS operation_kind, o.state AS operation_state, o.retry_of, o.problem AS operation_problem,
  o.step AS operation_step, o.step_weights, o.created_at AS operation_created_at, o.started_at AS operation_started_at,
  o.ended_at AS operation_ended_at,
  p.step AS progress_step, p.job_type AS progress_job_type, p.phase AS progress_phase, p.done AS progress_done,
  p.total AS progress_total, p.unit AS progress_unit, p.message AS progress_message, p.fraction AS progress_fraction,
  p.rate AS progress_rate, p.warnings::text AS progress_warnings
FROM datasets.datasets d
LEFT JOIN coremachine.subjects s ON s.subject = d.pk
LEFT JOIN coremachine.operations o ON o.operation_id = d.operation_id
LEFT JOIN coremachine.progress p ON p.operation_id = d.operation_id;

-- A change carries its record: whoever watches a dataset hears of it in the notification and need not read it.
-- Payload: the change's number, the dataset's pk, and the record in the binary form of a composite value, as hex. Its
-- columns are those of DatasetRecord.columns, in their order (a test compares what is told with what is read).
--
-- Only for what exists (nobody watches a dataset before it does), for few changes of one transaction, and for records that
-- fit into a notification. A number that is not told is read: terrane_changes announces every one of them.
CREATE FUNCTION datasets.tell_record() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  nth integer := coalesce(nullif(current_setting('datasets.told', true), ''), '0')::integer + 1;
  told text;
BEGIN
  IF nth > 4 THEN RETURN NULL; END IF;
  PERFORM set_config('datasets.told', nth::text, true);
  SELECT encode(record_send(t), 'hex') INTO told FROM (
    SELECT pk, key, generation, namespace, dataset_id, resource_id, version_id, state, former_state, spec::text,
      result::text, status_seq, operation_id, operation_kind, operation_state, retry_of, operation_problem::text,
      step_weights, operation_created_at, operation_started_at, operation_ended_at, progress_step, progress_job_type,
      progress_phase, progress_done, progress_total, progress_unit, progress_message, progress_fraction, progress_rate,
      progress_warnings, created_at, updated_at, published_at, deleted_at, purge_at
    -- Touched again in the same transaction: only the last change has a record of its own.
    FROM datasets.records WHERE pk = NEW.subject AND status_seq = NEW.status_seq) t;
  told := NEW.status_seq || ' ' || NEW.subject || ' ' || told;
  -- PostgreSQL refuses payloads of 8,000 bytes.
  IF octet_length(told) < 8000 THEN PERFORM pg_notify('terrane_records', told); END IF;
  RETURN NULL;
END $$;

-- At the end of the transaction: the record is what will be committed, whatever came after the touch.
CREATE CONSTRAINT TRIGGER subjects_tell AFTER UPDATE ON coremachine.subjects
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION datasets.tell_record();
