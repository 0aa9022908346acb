-- CoreMachine: Operation -> Job -> Stage -> Task. It knows a subject by its number and nothing else about it.
-- Lock order of every transaction: tasks, stages, jobs, operations (each by id), then the caller's own rows, then
-- subjects through coremachine.touch, which is always the last statement.

CREATE SCHEMA IF NOT EXISTS coremachine;

-- The legal moves. The same table is Sources/CoreMachine/Model/Transitions.swift and docs/state-machines.md (a test
-- compares all three). NONE is "not there yet": its rows say in which states a row may begin.
CREATE TABLE coremachine.transitions (
  resource text NOT NULL CHECK (resource IN ('operation', 'job', 'stage', 'task', 'ledger')),
  from_state text NOT NULL,
  to_state text NOT NULL,
  move text NOT NULL,
  PRIMARY KEY (resource, from_state, to_state)
);
INSERT INTO coremachine.transitions (resource, from_state, to_state, move) VALUES
  ('operation', 'NONE', 'QUEUED', 'begin'),
  ('operation', 'QUEUED', 'RUNNING', 'start'),
  ('operation', 'QUEUED', 'CANCELLED', 'cancel'),
  ('operation', 'RUNNING', 'INPUT_REQUIRED', 'ask'),
  ('operation', 'RUNNING', 'CANCELLING', 'cancel'),
  ('operation', 'RUNNING', 'SUCCEEDED', 'publish'),
  ('operation', 'RUNNING', 'FAILED', 'fail'),
  ('operation', 'INPUT_REQUIRED', 'QUEUED', 'provide_input'),
  ('operation', 'INPUT_REQUIRED', 'CANCELLED', 'cancel'),
  ('operation', 'INPUT_REQUIRED', 'FAILED', 'expire_input'),
  ('operation', 'CANCELLING', 'CANCELLED', 'stop'),
  ('job', 'NONE', 'QUEUED', 'plan'),
  ('job', 'NONE', 'SUCCEEDED', 'carry_over'),
  ('job', 'QUEUED', 'RUNNING', 'start'),
  ('job', 'QUEUED', 'SUCCEEDED', 'complete'),
  ('job', 'QUEUED', 'FAILED', 'fail'),
  ('job', 'QUEUED', 'CANCELLED', 'cancel'),
  ('job', 'RUNNING', 'SUCCEEDED', 'complete'),
  ('job', 'RUNNING', 'FAILED', 'fail'),
  ('job', 'RUNNING', 'CANCELLED', 'cancel'),
  ('stage', 'NONE', 'QUEUED', 'plan'),
  ('stage', 'NONE', 'SUCCEEDED', 'skip_empty'),
  ('stage', 'NONE', 'FAILED', 'refuse_empty'),
  ('stage', 'QUEUED', 'RUNNING', 'start'),
  ('stage', 'QUEUED', 'CANCELLED', 'cancel'),
  ('stage', 'RUNNING', 'SUCCEEDED', 'complete'),
  ('stage', 'RUNNING', 'FAILED', 'fail'),
  ('stage', 'RUNNING', 'CANCELLED', 'cancel'),
  ('task', 'NONE', 'QUEUED', 'plan'),
  ('task', 'QUEUED', 'RUNNING', 'claim'),
  ('task', 'QUEUED', 'CANCELLED', 'cancel'),
  ('task', 'WAITING', 'QUEUED', 'fall_due'),
  ('task', 'WAITING', 'CANCELLED', 'cancel'),
  ('task', 'RUNNING', 'SUCCEEDED', 'complete'),
  ('task', 'RUNNING', 'FAILED', 'fail'),
  ('task', 'RUNNING', 'WAITING', 'retry'),
  ('task', 'RUNNING', 'QUEUED', 'requeue'),
  ('task', 'RUNNING', 'CANCELLED', 'cancel'),
  ('ledger', 'NONE', 'INTENT', 'intend'),
  ('ledger', 'NONE', 'PRESENT', 'adopt'),
  ('ledger', 'INTENT', 'PRESENT', 'complete'),
  ('ledger', 'INTENT', 'DOOMED', 'doom'),
  ('ledger', 'PRESENT', 'LIVE', 'publish'),
  ('ledger', 'PRESENT', 'DOOMED', 'doom'),
  ('ledger', 'LIVE', 'DOOMED', 'doom'),
  ('ledger', 'DOOMED', 'GONE', 'collect');

CREATE TABLE coremachine.operations (
  operation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject bigint NOT NULL,
  kind text NOT NULL,
  state text NOT NULL DEFAULT 'QUEUED',
  retry_of bigint,
  -- The number of the job that runs (or ran last), from 1.
  step integer NOT NULL DEFAULT 1 CHECK (step > 0),
  -- The planned chain, in the delegate's own JSON; NULL until it is planned. step_weights: one weight a step.
  plan json,
  step_weights double precision[],
  problem json,
  -- Set by cancel and cleared when the last task has stopped: what the engines still have to stop.
  stopping boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  ended_at timestamptz,
  CHECK ((state IN ('SUCCEEDED', 'FAILED', 'CANCELLED')) = (ended_at IS NOT NULL))
) WITH (fillfactor = 80);
-- At most one operation of a subject is not terminal.
CREATE UNIQUE INDEX operations_active ON coremachine.operations (subject)
  WHERE state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED');
CREATE INDEX operations_of_subject ON coremachine.operations (subject, operation_id DESC);
CREATE INDEX operations_stopping ON coremachine.operations (operation_id) WHERE stopping;
CREATE INDEX operations_by_end ON coremachine.operations (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE coremachine.jobs (
  job_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operation_id bigint NOT NULL REFERENCES coremachine.operations,
  step integer NOT NULL CHECK (step > 0),
  attempt integer NOT NULL DEFAULT 1 CHECK (attempt > 0),
  job_type text NOT NULL,
  handler_version integer NOT NULL,
  stage_count integer NOT NULL DEFAULT 1 CHECK (stage_count > 0),
  state text NOT NULL DEFAULT 'QUEUED',
  parameters json NOT NULL,
  -- The results of the last stage's tasks, in their order.
  results json[],
  problem json,
  -- A retry takes the finished steps over from the operation it retries.
  carried_from bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  ended_at timestamptz,
  UNIQUE (operation_id, step, attempt)
) WITH (fillfactor = 80);

CREATE TABLE coremachine.stages (
  stage_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id bigint NOT NULL REFERENCES coremachine.jobs,
  ordinal integer NOT NULL CHECK (ordinal > 0),
  name text NOT NULL,
  state text NOT NULL DEFAULT 'QUEUED',
  task_count integer NOT NULL CHECK (task_count >= 0),
  -- Tasks not terminal. Decremented once a task, in the transaction that ends it.
  remaining integer NOT NULL CHECK (remaining >= 0),
  -- The first permanent failure. While it is set and tasks remain, the others are stopped.
  problem json,
  stopping boolean NOT NULL DEFAULT false,
  UNIQUE (job_id, ordinal)
) WITH (fillfactor = 70);
CREATE INDEX stages_stopping ON coremachine.stages (stage_id) WHERE stopping;

CREATE TABLE coremachine.tasks (
  task_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  stage_id bigint NOT NULL REFERENCES coremachine.stages,
  ordinal integer NOT NULL CHECK (ordinal >= 0),
  operation_id bigint NOT NULL,
  -- job type and handler version, "ingest_vector/1": a worker claims only what it has.
  handler text NOT NULL,
  state text NOT NULL DEFAULT 'QUEUED',
  -- How often it was claimed. Every effect of a task carries it; whoever holds an older one can change nothing.
  attempt integer NOT NULL DEFAULT 0,
  failures integer NOT NULL DEFAULT 0,
  lost_leases integer NOT NULL DEFAULT 0,
  not_before timestamptz,
  -- Size of the input, for the time limit; 0 when unknown.
  input_bytes bigint NOT NULL DEFAULT 0,
  parameters json NOT NULL,
  result json,
  problem json,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  ended_at timestamptz,
  UNIQUE (stage_id, ordinal),
  CHECK ((state = 'WAITING') <= (not_before IS NOT NULL))
) WITH (fillfactor = 70);
-- The index is the claim: nothing else is in it, in the order of the claim.
CREATE INDEX tasks_claimable ON coremachine.tasks (task_id) WHERE state = 'QUEUED';
CREATE INDEX tasks_waiting ON coremachine.tasks (not_before) WHERE state = 'WAITING';

-- Lease rows only, so that renewing one never waits for a completion or a cancel.
CREATE TABLE coremachine.leases (
  task_id bigint PRIMARY KEY,
  attempt integer NOT NULL,
  operation_id bigint NOT NULL,
  engine uuid NOT NULL,
  slot integer NOT NULL,
  expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- What the workers know of the job types: begin_operations makes the first task of a type from it.
CREATE TABLE coremachine.job_types (
  job_type text PRIMARY KEY,
  handler_version integer NOT NULL CHECK (handler_version > 0),
  first_stage text NOT NULL,
  stage_count integer NOT NULL CHECK (stage_count > 0)
);

-- One row a start of a server. A server that starts again on the same machine and data knows its predecessor is dead.
CREATE TABLE coremachine.engines (
  engine uuid PRIMARY KEY,
  host text NOT NULL,
  slots integer NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE coremachine.progress (
  operation_id bigint PRIMARY KEY,
  step integer NOT NULL,
  job_type text NOT NULL,
  phase text NOT NULL,
  done bigint NOT NULL,
  total bigint,
  unit text NOT NULL,
  message text NOT NULL,
  -- The furthest share of the step reported so far, 0...1: what is shown never goes back.
  fraction double precision NOT NULL DEFAULT 0,
  -- {"NULL_GEOMETRY": 12}: over all steps of the operation
  warnings jsonb NOT NULL DEFAULT '{}',
  -- units a second since the step began
  rate double precision,
  step_began_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
-- What each task of the running step reported last: the row above is their sum.
CREATE TABLE coremachine.task_progress (
  task_id bigint PRIMARY KEY,
  attempt integer NOT NULL,
  operation_id bigint NOT NULL,
  stage_id bigint NOT NULL,
  fraction double precision NOT NULL,
  done bigint NOT NULL,
  total bigint
) WITH (fillfactor = 50);
CREATE INDEX task_progress_of_operation ON coremachine.task_progress (operation_id, stage_id);
-- Warnings by task and reason, with the examples the task gave. They outlive the task's success or failure.
CREATE TABLE coremachine.warnings (
  operation_id bigint NOT NULL,
  task_id bigint NOT NULL,
  reason text NOT NULL,
  attempt integer NOT NULL,
  step integer NOT NULL,
  count bigint NOT NULL,
  examples json NOT NULL DEFAULT '[]',
  PRIMARY KEY (operation_id, task_id, reason)
);

CREATE TABLE coremachine.ledger (
  ledger_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject bigint NOT NULL,
  operation_id bigint NOT NULL,
  step integer NOT NULL,
  task_id bigint,
  attempt integer NOT NULL,
  kind text NOT NULL,
  identifier text NOT NULL,
  -- The machine that has it; NULL: every machine reaches it.
  location text,
  state text NOT NULL DEFAULT 'INTENT',
  bytes bigint,
  -- DOOMED: not removed before this.
  doom_at timestamptz,
  failures integer NOT NULL DEFAULT 0,
  last_error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((state = 'DOOMED') <= (doom_at IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX ledger_of_operation ON coremachine.ledger (operation_id);
CREATE INDEX ledger_of_subject ON coremachine.ledger (subject);
CREATE INDEX ledger_of_attempt ON coremachine.ledger (task_id, attempt) WHERE state IN ('INTENT', 'PRESENT');
CREATE INDEX ledger_doomed ON coremachine.ledger (doom_at) WHERE state = 'DOOMED';
-- One living entry a thing: two builds never believe they own the same table.
CREATE UNIQUE INDEX ledger_owner ON coremachine.ledger (kind, identifier, COALESCE(location, '')) WHERE state <> 'GONE';

-- What has to be done again and again, or until it is done. Rows are claimed like tasks; there is no leader.
CREATE TABLE coremachine.duties (
  duty_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL,
  key text NOT NULL,
  payload json NOT NULL DEFAULT '{}',
  due_at timestamptz NOT NULL DEFAULT now(),
  attempt integer NOT NULL DEFAULT 0,
  failures integer NOT NULL DEFAULT 0,
  last_error text,
  engine uuid,
  leased_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (kind, key)
) WITH (fillfactor = 50);
CREATE INDEX duties_due ON coremachine.duties (due_at);

CREATE TABLE coremachine.subjects (
  subject bigint PRIMARY KEY,
  status_seq bigint NOT NULL
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX subjects_by_seq ON coremachine.subjects (status_seq);
-- One row, locked to the commit: numbers are handed out in commit order, which a sequence does not do.
CREATE TABLE coremachine.change_counter (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  last bigint NOT NULL,
  -- Part of the feed's epoch: a restored or copied database gets a new one.
  generation uuid NOT NULL
) WITH (fillfactor = 10);
INSERT INTO coremachine.change_counter (last, generation) VALUES (0, gen_random_uuid());

-- Append-only history of every move, a partition a month.
CREATE TABLE coremachine.events (
  event_id bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  resource text NOT NULL,
  resource_id bigint NOT NULL,
  operation_id bigint,
  from_state text NOT NULL,
  to_state text NOT NULL,
  attempt integer,
  actor text NOT NULL,
  reason text,
  request_id text,
  PRIMARY KEY (at, event_id)
) PARTITION BY RANGE (at);
CREATE INDEX events_of_operation ON coremachine.events (operation_id, event_id);
