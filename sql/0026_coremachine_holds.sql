-- Holds: what one operation built on what another has made, so that it stays as long as it is used.

CREATE TABLE coremachine.holds (
  -- Who uses it: an operation, and its subject.
  holder bigint NOT NULL,
  holder_operation bigint NOT NULL,
  position integer NOT NULL,
  -- Whose it is, and which operation made it.
  subject bigint NOT NULL,
  operation_id bigint NOT NULL,
  -- NULL: in use. Else let go: readers that are on their way have until then.
  until timestamptz,
  PRIMARY KEY (holder, holder_operation, position)
);
CREATE INDEX holds_of_operation ON coremachine.holds (subject, operation_id);

-- Garbage collection leaves what is held: what an operation made (its bytes are known), not what it only meant to make or worked in.
CREATE OR REPLACE FUNCTION coremachine.ledger_next_doomed(p_kinds text[], p_location text)
RETURNS TABLE (ledger_id bigint, kind text, identifier text, task_id bigint, attempt integer, subject bigint,
               operation_id bigint, failures integer) LANGUAGE sql AS $$
  SELECT d.ledger_id, d.kind, d.identifier, d.task_id, d.attempt, d.subject, d.operation_id, d.failures
  FROM coremachine.ledger d
  WHERE d.state = 'DOOMED' AND d.doom_at <= clock_timestamp() AND d.kind = ANY (p_kinds)
    AND (d.location IS NULL OR d.location = p_location)
    AND (d.bytes IS NULL OR NOT EXISTS (
      SELECT FROM coremachine.holds h WHERE h.subject = d.subject AND h.operation_id = d.operation_id
        AND (h.until IS NULL OR h.until > clock_timestamp())))
  ORDER BY d.doom_at LIMIT 1 FOR NO KEY UPDATE OF d SKIP LOCKED;
$$;

-- All a holder has but what p_keep_operation holds: let go p_after from now. What was let go before and is over is forgotten.
CREATE FUNCTION coremachine.let_go(p_holder bigint, p_keep_operation bigint, p_after interval) RETURNS void LANGUAGE sql AS $$
  DELETE FROM coremachine.holds WHERE holder = p_holder AND until < clock_timestamp();
  UPDATE coremachine.holds SET until = clock_timestamp() + p_after
    WHERE holder = p_holder AND holder_operation <> p_keep_operation AND until IS NULL;
$$;
