-- Datasets: one row per life (generation) of a key. CoreMachine's subject is datasets.datasets.pk.

CREATE TABLE datasets.datasets (
  pk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key bytea NOT NULL CHECK (octet_length(key) = 32),
  generation bigint NOT NULL CHECK (generation > 0),
  namespace text NOT NULL CHECK (namespace ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  dataset_id text NOT NULL CHECK (dataset_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]*$' AND octet_length(dataset_id) <= 255),
  resource_id text NOT NULL CHECK (resource_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]*$' AND octet_length(resource_id) <= 255),
  version_id text NOT NULL CHECK (version_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]*$' AND octet_length(version_id) <= 50),
  dataset_type text NOT NULL,
  state text NOT NULL DEFAULT 'DRAFT',
  -- What the dataset was before DELETED; undelete restores it.
  former_state text,
  -- The request after defaults, as the domain's own JSON.
  spec json NOT NULL,
  created_by text NOT NULL,
  -- The newest operation, whatever became of it.
  operation_id bigint,
  -- The build that is (or was last) served, and what it offers.
  published_build bigint,
  result json,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz,
  deleted_at timestamptz,
  purge_at timestamptz,
  purged_at timestamptz,
  UNIQUE (key, generation),
  CHECK ((state IN ('PUBLISHED', 'DEPRECATED')) <= (published_build IS NOT NULL)),
  CHECK ((state = 'DELETED') <= (former_state IS NOT NULL AND purge_at IS NOT NULL))
);
-- The identity is free again from PURGING on.
CREATE UNIQUE INDEX datasets_live_key ON datasets.datasets (key) WHERE state NOT IN ('PURGING', 'PURGED');
CREATE INDEX datasets_listing ON datasets.datasets (namespace, pk DESC);
CREATE INDEX datasets_due_purge ON datasets.datasets (purge_at) WHERE state = 'DELETED';
CREATE INDEX datasets_purging ON datasets.datasets (pk) WHERE state = 'PURGING';

-- The legal moves of a dataset's state: the same table as Datasets/Lifecycle/DatasetState.swift (a test compares them).
CREATE TABLE datasets.transitions (
  from_state text NOT NULL,
  to_state text NOT NULL,
  move text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO datasets.transitions (from_state, to_state, move) VALUES
  ('DRAFT', 'PUBLISHED', 'publish'),
  ('DRAFT', 'DELETED', 'delete'),
  ('PUBLISHED', 'DEPRECATED', 'deprecate'),
  ('PUBLISHED', 'DELETED', 'delete'),
  ('DEPRECATED', 'PUBLISHED', 'reinstate'),
  ('DEPRECATED', 'DELETED', 'delete'),
  ('DELETED', 'DRAFT', 'undelete'),
  ('DELETED', 'PUBLISHED', 'undelete'),
  ('DELETED', 'DEPRECATED', 'undelete'),
  ('DELETED', 'PURGING', 'purge'),
  ('PURGING', 'PURGED', 'finish_purge');

-- Append-only: who moved what, from where to where, why.
CREATE TABLE datasets.events (
  event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  dataset_pk bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor text NOT NULL,
  move text NOT NULL,
  from_state text,
  to_state text NOT NULL,
  request_id bytea,
  operation_id bigint
);
CREATE INDEX events_of_dataset ON datasets.events (dataset_pk, event_id);
-- Append-only for the server: it may add and read, not change.
REVOKE UPDATE, DELETE ON datasets.events FROM terrane_server;
REVOKE INSERT, UPDATE, DELETE ON datasets.transitions FROM terrane_server;

CREATE FUNCTION datasets.check_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'DRAFT' THEN
      RAISE EXCEPTION 'a dataset begins as DRAFT, not %', NEW.state USING ERRCODE = 'check_violation', CONSTRAINT = 'datasets_transition';
    END IF;
  ELSIF NEW.state <> OLD.state AND NOT EXISTS (
      SELECT FROM datasets.transitions t WHERE t.from_state = OLD.state AND t.to_state = NEW.state) THEN
    RAISE EXCEPTION 'dataset %: % to % is no legal move', OLD.pk, OLD.state, NEW.state
      USING ERRCODE = 'check_violation', CONSTRAINT = 'datasets_transition';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER datasets_transition BEFORE INSERT OR UPDATE OF state ON datasets.datasets
  FOR EACH ROW EXECUTE FUNCTION datasets.check_transition();

-- Answers kept for 24 h by (principal, method, request id): written in the transaction that has the effect.
CREATE TABLE datasets.requests (
  principal text NOT NULL,
  method text NOT NULL,
  request_id bytea NOT NULL CHECK (octet_length(request_id) = 16),
  body_sha256 bytea NOT NULL,
  dataset_pk bigint,
  created boolean NOT NULL DEFAULT false,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (principal, method, request_id)
);
CREATE INDEX requests_by_age ON datasets.requests (at);
