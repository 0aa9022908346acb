-- Publishing and SUCCEEDED are one transaction: at its end a dataset whose operation SUCCEEDED is no draft, and what is
-- published was built by an operation that SUCCEEDED. Checked at the commit, as the two rows change one after the other.
CREATE FUNCTION datasets.check_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM datasets.datasets d WHERE d.operation_id = NEW.operation_id AND d.state = 'DRAFT') THEN
    RAISE EXCEPTION 'operation % is SUCCEEDED and its dataset is a DRAFT', NEW.operation_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'datasets_published';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER datasets_published AFTER UPDATE ON coremachine.operations DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.state = 'SUCCEEDED' AND OLD.state <> 'SUCCEEDED') EXECUTE FUNCTION datasets.check_published();

CREATE FUNCTION datasets.check_succeeded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM datasets.datasets d JOIN coremachine.operations o ON o.operation_id = d.published_build
             WHERE d.pk = NEW.pk AND d.state IN ('PUBLISHED', 'DEPRECATED') AND o.state <> 'SUCCEEDED') THEN
    RAISE EXCEPTION 'dataset % is published and its operation is not SUCCEEDED', NEW.pk
      USING ERRCODE = 'check_violation', CONSTRAINT = 'datasets_succeeded';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER datasets_succeeded AFTER UPDATE ON datasets.datasets DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.published_build IS NOT NULL AND OLD.published_build IS DISTINCT FROM NEW.published_build)
  EXECUTE FUNCTION datasets.check_succeeded();
