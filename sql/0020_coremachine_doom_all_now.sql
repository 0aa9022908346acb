-- Everything of a subject is to go now, also what was doomed for later (a replaced build stays a while for its readers). What
-- could not be removed keeps its pause.
CREATE FUNCTION coremachine.ledger_doom_all_now(p_subject bigint) RETURNS bigint LANGUAGE sql AS $$
  WITH sooner AS (
    UPDATE coremachine.ledger SET doom_at = clock_timestamp(), updated_at = clock_timestamp()
      WHERE subject = p_subject AND state = 'DOOMED' AND failures = 0 AND doom_at > clock_timestamp()
      RETURNING 1)
  SELECT coremachine.ledger_doom(p_subject, NULL, interval '0') + (SELECT count(*) FROM sooner);
$$;
