"""`--database URL`: a PostgreSQL that others run. They get a script without a secret; the server takes nothing for granted."""

import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import RETRY_WINDOW
from support.elsewhere import Elsewhere, Guest
from support.server import AS_ROOT, Installation
from support.waiting import until
from test_lifecycle import is_served

SLOTS = ("--slots", "2")


@pytest.fixture(scope="module")
def elsewhere(place: Path) -> Iterator[Elsewhere]:
    host = Elsewhere(place / "elsewhere")
    try:
        host.create()
        with host.connect("postgres") as admin:
            admin.execute("CREATE DATABASE terrane")
        yield host
    finally:
        host.destroy()


@pytest.fixture(scope="module")
def data(place: Path) -> Path:
    folder = place / "guest"
    folder.mkdir()
    folder.chmod(0o755)
    if AS_ROOT:
        shutil.chown(folder, "terrane")
    return folder


def init_sql(installation: Installation, data: Path, *words: str) -> str:
    done = installation.run("terraned", "init-sql", "--data", str(data / "data"), *SLOTS, *words)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prepared(installation: Installation, elsewhere: Elsewhere, data: Path) -> Elsewhere:
    """As the README of a user has it: printed here, run there."""
    done = elsewhere.psql(init_sql(installation, data))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "the database is ready for terraned" in done.stdout
    return elsewhere


def check(installation: Installation, data: Path, url: str, *words: str) -> list[dict]:
    """What --check-config finds wrong with the database."""
    done = installation.run("terraned", "--data", str(data / "data"), *SLOTS, "--database", url, *words, "--check-config", "--json",
                            "--listen", "127.0.0.1:0", "--data-api", "127.0.0.1:0")  # fmt: skip
    assert done.stderr == "", done.stderr
    checks = [finding for finding in json.loads(done.stdout)["checks"] if finding["check"] == "database"]
    assert checks, done.stdout
    return [finding for finding in checks if finding["level"] != "ok"]


@pytest.fixture(scope="module")
def guest(installation: Installation, prepared: Elsewhere, data: Path, sources: Path) -> Iterator[Guest]:
    server = Guest(installation, data, [sources], *SLOTS, *RETRY_WINDOW, "--database", prepared.url())
    server.host = prepared
    server.start()
    yield server
    server.destroy()


def test_before_the_script_nothing_is_there_and_that_is_said(installation: Installation, elsewhere: Elsewhere, place: Path):
    nowhere = place / "nobody"
    nowhere.mkdir()
    if AS_ROOT:
        shutil.chown(nowhere, "terrane")
    [finding] = check(installation, nowhere, elsewhere.url())
    assert "no logins have been drawn" in finding["message"] and "init-sql" in finding["remedy"]
    assert not (nowhere / "data").exists(), "a check makes nothing"
    init_sql(installation, nowhere)
    [finding] = check(installation, nowhere, elsewhere.url())
    assert "terrane_server cannot log in" in finding["message"] and "init-sql" in finding["remedy"]
    shutil.rmtree(nowhere)


def test_the_script_holds_no_secret_and_may_be_run_again(installation: Installation, prepared: Elsewhere, data: Path):
    file = data / "data/credentials/database.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    logins = json.loads(file.read_text())
    again = init_sql(installation, data)
    assert json.loads(file.read_text()) == logins, "what runs is not locked out"
    for secret in (logins["server"], logins["data_api"], *logins["slots"]):
        assert len(secret) == 32 and secret not in again
    done = prepared.psql(again)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert check(installation, data, prepared.url()) == []


def test_a_dataset_from_create_to_purge_with_the_servers_rights_alone(guest: Guest, prepared: Elsewhere, sources: Path):
    record = guest.ready("elsewhere/world/v1", sources / "world.gpkg")
    assert record["result"]["feature_count"] == 177 and is_served(guest, record) == (200, 200, True)
    with prepared.connect() as admin:
        sessions = admin.execute(
            "SELECT DISTINCT usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename LIKE 'terrane%'"
        ).fetchall()
        owner = admin.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'data'").fetchall()
    assert {user for user, _ in sessions} >= {"terrane_server", "terrane_dataapi"} and all(ssl for _, ssl in sessions)
    assert owner == [("terrane_server",)]
    assert guest.cli("delete", "elsewhere/world/v1", "--purge").code == 0
    guest.wait_until_clean()


def test_a_load_goes_on_after_a_crash_of_the_server_and_of_the_database(guest: Guest, prepared: Elsewhere, big: Path):
    assert guest.cli("create", "elsewhere/big/v1", "--type", "vector", "--source", str(big)).code == 0
    guest.watch("elsewhere/big/v1").wait_for_loading()
    guest.kill9()
    guest.start()
    prepared.stop()
    prepared.start()
    until(lambda: guest.cli("get", "elsewhere/big/v1").last.get("status") == "ready", "it is READY", 120, every=0.5)
    assert is_served(guest, guest.record("elsewhere/big/v1")) == (200, 200, True)
    assert guest.cli("delete", "elsewhere/big/v1", "--purge").code == 0
    guest.wait_until_clean()


_MISSING = {
    "REVOKE CREATE ON DATABASE terrane FROM terrane_server": (
        "GRANT CREATE ON DATABASE terrane TO terrane_server", "terrane_server lacks CREATE on database terrane"),
    "REVOKE pg_signal_backend FROM terrane_server": (
        "GRANT pg_signal_backend TO terrane_server", "terrane_server is not a member of pg_signal_backend"),
    "REVOKE terrane_task_1 FROM terrane_server": (
        "GRANT terrane_task_1 TO terrane_server", "terrane_server is not a member of terrane_task_1"),
    "REVOKE terrane_task FROM terrane_task_0": (
        "GRANT terrane_task TO terrane_task_0", "terrane_task_0 is not a member of terrane_task"),
    "REVOKE pgstac_ingest FROM terrane_server": (
        "GRANT pgstac_ingest TO terrane_server", "terrane_server is not a member of pgstac_ingest"),
    "REVOKE pgstac_read FROM terrane_dataapi": (
        "GRANT pgstac_read TO terrane_dataapi", "terrane_dataapi is not a member of pgstac_read"),
    "REVOKE CREATE ON SCHEMA data FROM terrane_server": (
        "GRANT CREATE ON SCHEMA data TO terrane_server", "terrane_server lacks CREATE on schema data"),
    "REVOKE USAGE ON SCHEMA serving FROM terrane_dataapi": (
        "GRANT USAGE ON SCHEMA serving TO terrane_dataapi", "terrane_dataapi lacks USAGE on schema serving"),
    "REVOKE USAGE ON SCHEMA data FROM terrane_task": (
        "GRANT USAGE ON SCHEMA data TO terrane_task", "terrane_task lacks USAGE on schema data"),
    "REVOKE INSERT, DELETE ON coremachine.operations FROM terrane_server": (
        "GRANT INSERT, DELETE ON coremachine.operations TO terrane_server",
        "terrane_server lacks DELETE, INSERT on coremachine.operations"),
    "REVOKE SELECT ON serving.routes FROM terrane_dataapi": (
        "GRANT SELECT ON serving.routes TO terrane_dataapi", "terrane_dataapi lacks SELECT on serving.routes"),
    "REVOKE SELECT ON migrations.applied FROM terrane_server": (
        "GRANT SELECT ON migrations.applied TO terrane_server", "terrane_server lacks SELECT on migrations.applied"),
    "ALTER ROLE terrane_dataapi NOLOGIN": ("ALTER ROLE terrane_dataapi LOGIN", "terrane_dataapi cannot log in"),
    "ALTER ROLE terrane_task_1 CONNECTION LIMIT 0": ("ALTER ROLE terrane_task_1 CONNECTION LIMIT -1", "terrane_task_1 cannot log in"),
    "ALTER ROLE terrane_server SUPERUSER": ("ALTER ROLE terrane_server NOSUPERUSER", "terrane_server is a superuser"),
    "ALTER ROLE terrane_server CONNECTION LIMIT 5": ("ALTER ROLE terrane_server CONNECTION LIMIT -1", "too many connections for role"),
    "ALTER DATABASE terrane CONNECTION LIMIT 20": ("ALTER DATABASE terrane CONNECTION LIMIT -1", "connection limit of the database is 20"),
    "ALTER ROLE terrane_task_1 RENAME TO someone": ("ALTER ROLE someone RENAME TO terrane_task_1", "role terrane_task_1 is not there"),
    "ALTER SCHEMA serving RENAME TO elsewhere": ("ALTER SCHEMA elsewhere RENAME TO serving", "schema serving is not there"),
    "ALTER SCHEMA pgstac RENAME TO elsewhere": ("ALTER SCHEMA elsewhere RENAME TO pgstac", "pgstac is not in it"),
    "INSERT INTO migrations.applied VALUES (9999, 'from_tomorrow', '', now(), 'terraned 9.9')": (
        "DELETE FROM migrations.applied WHERE number = 9999", "terraned 9.9 has brought the database to migration 9999_from_tomorrow"),
    "UPDATE migrations.applied SET number = number + 5000 WHERE number >= 19; SELECT": (
        "UPDATE migrations.applied SET number = number - 5000 WHERE number > 5000", "migration"),
}  # fmt: skip


@pytest.mark.parametrize("statement", _MISSING, ids=lambda statement: statement[:60])
def test_what_is_missing_is_named(installation: Installation, guest: Guest, prepared: Elsewhere, data: Path, statement: str):
    mend, words = _MISSING[statement]
    with prepared.connect() as admin:
        admin.execute(statement)
        try:
            found = check(installation, data, prepared.url())
        finally:
            admin.execute(mend)
    assert found and words in found[0]["message"], found
    assert all(finding["level"] == "error" and finding["remedy"] for finding in found)
    assert check(installation, data, prepared.url()) == []


def test_a_remedy_that_is_a_statement_mends(installation: Installation, guest: Guest, prepared: Elsewhere, data: Path):
    with prepared.connect() as admin:
        for statement in list(_MISSING)[:12]:
            admin.execute(statement)
        for _ in range(6):
            if not (found := check(installation, data, prepared.url())):
                break
            for finding in found:
                admin.execute(finding["remedy"])
    assert check(installation, data, prepared.url()) == []


def test_a_server_that_is_refused_says_all_that_is_missing(installation: Installation, prepared: Elsewhere, data: Path, place: Path):
    with prepared.connect("postgres") as admin:
        admin.execute("CREATE DATABASE bare")
        admin.execute("GRANT CONNECT ON DATABASE bare TO terrane_server")
    copy = place / "bare"
    shutil.copytree(data / "data/credentials", copy / "credentials")
    if AS_ROOT:
        for path in [copy, *copy.rglob("*")]:
            shutil.chown(path, "terrane")
    done = installation.run("terraned", "--data", str(copy), *SLOTS, "--database", prepared.url("bare"))
    assert done.returncode == 1
    for words in ("extension postgis is not in it", "CREATE EXTENSION btree_gist;", "schema coremachine is not there"):
        assert words in done.stderr, done.stderr
    assert "init-sql" in done.stderr
    shutil.rmtree(copy)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://terrane_server:secret-word@127.0.0.1/terrane", "takes no user and no password"),
        ("mysql://127.0.0.1/terrane", "no URL like postgresql://"),
        ("postgresql://127.0.0.1", "names no database"),
        ("postgresql:///terrane", "names no host"),
        ("postgresql://127.0.0.1/terrane?sslmode=perhaps", "sslmode is one of"),
        ("postgresql://127.0.0.1/terrane?options=-c%20x", "'options' cannot be set"),
    ],
)
def test_a_url_that_cannot_be_used(installation: Installation, data: Path, url: str, words: str):
    done = installation.run("terraned", "--data", str(data / "data"), "--database", url, "--check-config")
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert "secret-word" not in done.stderr + done.stdout


def test_tls_is_as_the_url_says(installation: Installation, prepared: Elsewhere, data: Path):
    plain = f"postgresql://127.0.0.1:{prepared.port}/terrane"
    for url in (f"{plain}?sslmode=disable", f"{plain}?sslmode=verify-full&sslrootcert=/nonexistent.pem"):
        [finding] = check(installation, data, url)
        assert "cannot log in" in finding["message"], finding


def test_its_administrator_backs_it_up(installation: Installation, prepared: Elsewhere, data: Path, place: Path):
    done = installation.run("terraned", "backup", str(place / "kept"), "--data", str(data / "data"), "--database", prepared.url())
    assert done.returncode == 1 and "administrator's to back up" in done.stderr
    assert not (place / "kept").exists()
