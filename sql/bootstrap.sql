-- What an administrator (a superuser) does once for a database: extensions, roles, schemas and who may do what.
-- Idempotent. terraned runs it on its private cluster at each start. Passwords are set elsewhere, drawn anew at each start.
-- Roles: terrane_owner   owns the schemas of record and runs the migrations; cannot log in
--        terrane_server  terraned: reads and writes rows; owns only what it serves (schema data) and staging schemas
--        terrane_dataapi the data API: reads what is served, writes nothing
--        terrane_task_N  a worker slot: may read what is served (to verify it) and write nothing, until the server grants it
--                        the staging schema of one attempt; all slots are members of terrane_task

CREATE EXTENSION IF NOT EXISTS postgis;
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS unaccent;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'terrane_owner') THEN CREATE ROLE terrane_owner NOLOGIN; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'terrane_server') THEN CREATE ROLE terrane_server LOGIN; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'terrane_dataapi') THEN CREATE ROLE terrane_dataapi LOGIN; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'terrane_task') THEN CREATE ROLE terrane_task NOLOGIN; END IF;
  EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO terrane_server', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO terrane_dataapi, terrane_task', current_database());
  EXECUTE format('GRANT CREATE ON DATABASE %I TO terrane_owner', current_database());
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
-- terraned ends the sessions of children it has killed; a member of pg_signal_backend may end those of other roles.
GRANT pg_signal_backend TO terrane_server;

CREATE SCHEMA IF NOT EXISTS coremachine AUTHORIZATION terrane_owner;
CREATE SCHEMA IF NOT EXISTS datasets AUTHORIZATION terrane_owner;
CREATE SCHEMA IF NOT EXISTS serving AUTHORIZATION terrane_owner;
CREATE SCHEMA IF NOT EXISTS data AUTHORIZATION terrane_server;

GRANT USAGE ON SCHEMA coremachine, datasets, serving TO terrane_server;
GRANT USAGE ON SCHEMA serving, data TO terrane_dataapi;
-- Of serving a task reads one view: the files of the datasets that its mosaic is made of.
GRANT USAGE ON SCHEMA serving, data TO terrane_task;

ALTER DEFAULT PRIVILEGES FOR ROLE terrane_owner IN SCHEMA coremachine, datasets, serving
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO terrane_server;
ALTER DEFAULT PRIVILEGES FOR ROLE terrane_owner IN SCHEMA coremachine, datasets, serving
  GRANT USAGE ON SEQUENCES TO terrane_server;
ALTER DEFAULT PRIVILEGES FOR ROLE terrane_owner IN SCHEMA serving GRANT SELECT ON TABLES TO terrane_dataapi;
ALTER ROLE terrane_dataapi SET default_transaction_read_only = on;
ALTER ROLE terrane_dataapi SET statement_timeout = '30s';
ALTER ROLE terrane_dataapi SET idle_in_transaction_session_timeout = '10s';
