-- The dataset as it is answered: one row with its current operation (the active one, else the last), its progress and its
-- place in the change feed. Times are microseconds since 1970.
CREATE VIEW datasets.records AS
SELECT d.pk, d.key, d.generation, d.namespace, d.dataset_id, d.resource_id, d.version_id, d.dataset_type, d.state,
  d.former_state, d.spec, d.created_by, d.published_build, d.result,
  (extract(epoch FROM d.created_at) * 1000000)::bigint AS created_us,
  (extract(epoch FROM greatest(d.updated_at, o.started_at, o.ended_at, p.updated_at)) * 1000000)::bigint AS updated_us,
  (extract(epoch FROM d.published_at) * 1000000)::bigint AS published_us,
  (extract(epoch FROM d.deleted_at) * 1000000)::bigint AS deleted_us,
  (extract(epoch FROM d.purge_at) * 1000000)::bigint AS purge_us,
  coalesce(s.status_seq, 0) AS status_seq,
  o.operation_id, o.kind AS operation_kind, o.state AS operation_state, o.retry_of, o.problem AS operation_problem,
  o.step AS operation_step, o.step_weights,
  (extract(epoch FROM o.created_at) * 1000000)::bigint AS operation_created_us,
  (extract(epoch FROM o.started_at) * 1000000)::bigint AS operation_started_us,
  (extract(epoch FROM o.ended_at) * 1000000)::bigint AS operation_ended_us,
  p.step AS progress_step, p.job_type AS progress_job_type, p.phase AS progress_phase, p.done AS progress_done,
  p.total AS progress_total, p.unit AS progress_unit, p.message AS progress_message, p.fraction AS progress_fraction,
  p.rate AS progress_rate, p.warnings::text AS progress_warnings
FROM datasets.datasets d
LEFT JOIN coremachine.subjects s ON s.subject = d.pk
LEFT JOIN coremachine.operations o ON o.operation_id = d.operation_id
LEFT JOIN coremachine.progress p ON p.operation_id = d.operation_id;
