"""Backup, restore and upgrade: what an operator does on a bad day, and on a good one."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import RETRY_WINDOW, big_count
from support import rasters
from support.server import AS_ROOT, CHECKOUT, Installation, Server
from support.waiting import until


def terraned(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return server.installation.run("terraned", *words, "--data", str(server.data), timeout=300)


def items(server: Server, record: dict) -> list[dict]:
    [collection] = record["result"]["collections"]
    features = server.get(collection["items_url"], params={"limit": 1000}).json()["features"]
    assert len(features) == record["result"]["feature_count"] < 1000
    return features


@pytest.fixture(scope="module")
def vault(place: Path) -> Path:
    """Where backups go; the server's user may write there."""
    folder = place / "vault"
    folder.mkdir()
    if AS_ROOT:
        shutil.chown(folder, "terrane")
    return folder


@pytest.fixture(scope="module")
def backed_up(new_server: Callable[..., Server], sources: Path, big: Path, place: Path, vault: Path) -> dict:
    """A server that was backed up while a load ran, worked on, and was lost with all its files."""
    server = new_server().start()
    record = server.ready("backup/world/v1", sources / "world.gpkg")
    raster = server.ready("backup/raster/v1", rasters.write(sources / "backup.tif", rasters.picture(300)))
    pixels = rasters.file_of(server, raster).read_bytes()
    deleted = server.ready("backup/deleted/v1", sources / "cycle_hire.geojson")
    assert server.cli("delete", "backup/deleted/v1").code == 0
    issued = server.installation.run(
        "terrane", "credentials", "issue", "ines", "--role", "reader", "--out", str(place / "ines"), "--data", str(server.data)
    )
    assert issued.returncode == 0, issued.stderr
    watcher = server.watch("backup/world/v1")
    assert watcher.end() == 0
    load = server.begin("backup/big/v1", big)
    load.wait_for_loading()
    done = terraned(server, "backup", str(vault / "first"))
    assert done.returncode == 0, done.stderr
    load.kill()
    late = server.ready("backup/late/v1", sources / "cycle_hire.geojson")
    features = items(server, record)
    lost = {
        "record": record, "items": features, "late": late, "deleted": deleted, "position": watcher.events[-1],
        "raster": raster, "pixels": pixels, "ports": (server.rpc_port, server.http_port),
    }  # fmt: skip
    server.destroy()
    return lost


def test_a_backup_brings_back_all_that_was_there(new_server: Callable[..., Server], backed_up: dict, vault: Path, place: Path):
    server = new_server()
    server.rpc_port, server.http_port = backed_up["ports"]
    done = terraned(server, "restore", str(vault / "first"))
    assert done.returncode == 0, done.stderr
    assert not server.processes(), "nothing runs after a restore"
    server.start()

    record = server.record("backup/world/v1")
    changed = {key for key in record if record[key] != backed_up["record"].get(key)}
    # The history of changes is another one.
    assert record["status"] == "ready" and changed == {"epoch"}, changed
    assert items(server, record) == backed_up["items"]
    assert rasters.file_of(server, backed_up["raster"]).read_bytes() == backed_up["pixels"]
    assert server.get(backed_up["raster"]["result"]["endpoint"] + "/preview.png").status_code == 200
    # What came after the backup is not there, and can be made.
    assert server.cli("get", "backup/late/v1").code == 4
    # What was deleted is, and comes back.
    assert server.cli("undelete", "backup/deleted/v1").last["status"] == "ready"
    assert len(items(server, server.record("backup/deleted/v1"))) == backed_up["deleted"]["result"]["feature_count"]
    # Credentials that were issued go on, as does the administrator's.
    assert server.cli("list", env={"TERRANE_CREDENTIALS": str(place / "ines")}).code == 0

    # A watcher that comes back with a position of the old history gets a snapshot of the new one.
    position = backed_up["position"]
    back = server.watch("backup/world/v1", "--after", f"{position['epoch']}:{position['safe_seq']}")
    assert back.end() == 0, back.errors
    assert back.events and back.events[0]["epoch"] != position["epoch"] and back.statuses[-1]["status"] == "ready"

    # The load that ran at the time of the backup is run again, to its end.
    assert server.cli("watch", "backup/big/v1", timeout=300).code == 0
    assert server.record("backup/big/v1")["result"]["feature_count"] == big_count()
    scan = server.wait_until_clean()
    assert scan["unexpected"] == [] and scan["missing"] == []
    # And it is an installation like any other: it can be backed up and be written to.
    server.ready("backup/new/v1", server.roots[0] / "cycle_hire.geojson")
    assert terraned(server, "backup", str(vault / "second")).returncode == 0


def test_a_restore_does_not_touch_what_is_there(server: Server, backed_up: dict, vault: Path):
    done = terraned(server, "restore", str(vault / "first"))
    assert done.returncode == 1 and "not empty" in done.stderr and str(server.data) in done.stderr
    assert server.cli("health").code == 0


def test_a_backup_does_not_touch_what_is_there(server: Server, backed_up: dict, vault: Path):
    done = terraned(server, "backup", str(vault / "first"))
    assert done.returncode == 1 and "not empty" in done.stderr


def test_a_backup_needs_a_server(new_server: Callable[..., Server], vault: Path):
    done = terraned(new_server(), "backup", str(vault / "of-nothing"))
    assert done.returncode == 1 and "needs a running server" in done.stderr


def spoiled(vault: Path, name: str, **changes) -> Path:
    copy = vault / name
    subprocess.run(["cp", "-a", str(vault / "first"), str(copy)], check=True)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, **changes}))
    return copy


def test_a_backup_of_a_newer_version_is_refused_by_name(new_server: Callable[..., Server], backed_up: dict, vault: Path):
    fresh = new_server()
    done = terraned(fresh, "restore", str(spoiled(vault, "newer", version="7.8.9", migration="0999_beyond")))
    assert done.returncode == 1 and "7.8.9" in done.stderr and "0.1.0" in done.stderr and "0999_beyond" in done.stderr
    done = terraned(fresh, "restore", str(spoiled(vault, "layout", format=2)))
    assert done.returncode == 1 and "layout 2" in done.stderr


def test_half_a_backup_is_none(new_server: Callable[..., Server], backed_up: dict, vault: Path):
    fresh = new_server()
    half = spoiled(vault, "half")
    (half / "manifest.json").unlink()
    done = terraned(fresh, "restore", str(half))
    assert done.returncode == 1 and "no whole backup" in done.stderr
    # One whose tables are damaged leaves nothing behind, and the next restore works.
    broken = spoiled(vault, "broken")
    largest = max((broken / "database").glob("*.dat.gz"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:100])
    done = terraned(fresh, "restore", str(broken))
    assert done.returncode == 1 and "pg_restore failed" in done.stderr
    assert not (fresh.data / "postgresql").exists() and not fresh.processes()
    assert fresh.start().cli("health").code == 0


def test_a_restore_that_was_cut_short_is_not_served(new_server: Callable[..., Server]):
    cut = new_server()
    cut.start().stop()
    (cut.data / "restoring").touch()
    cut.launch()
    assert cut.process.wait(timeout=60) == 1
    assert "cut short" in cut.log
    (cut.data / "restoring").unlink()
    assert cut.start().cli("health").code == 0


def test_a_copy_of_a_stopped_installation_is_a_backup(new_server: Callable[..., Server], sources: Path):
    original, copy = new_server(), new_server()
    record = original.start().ready("backup/copied/v1", sources / "world.gpkg")
    features = items(original, record)
    assert original.stop() == 0
    subprocess.run(["cp", "-a", str(original.data), str(copy.data)], check=True)
    original.destroy()
    copy.rpc_port, copy.http_port = original.rpc_port, original.http_port
    assert items(copy.start(), copy.record("backup/copied/v1")) == features
    copy.wait_until_clean()


# Upgrade


def newer(installation: Installation, folder: Path) -> tuple[Installation, str]:
    """The same programs with one migration more, and its name."""
    share = CHECKOUT if not AS_ROOT else installation.programs.parent / "share"
    new = folder / "newer"
    shutil.copytree(share / "sql", new / "sql")
    for name in ("dataapi", "venv", ".setup"):
        if (share / name).exists():
            (new / name).symlink_to(share / name)
    migration = "8000_more_to_tell"
    (new / f"sql/{migration}.sql").write_text("ALTER TABLE datasets.datasets ADD COLUMN more text NOT NULL DEFAULT 'none';\n")
    subprocess.run(["chmod", "-R", "a+rX", str(new)], check=True)
    return Installation(installation.programs, {**installation.environment, "TERRANE_SHARE": str(new)}), migration


def test_an_upgrade_in_place_keeps_what_is_served_and_the_older_version_is_then_refused(
    new_server: Callable[..., Server], installation: Installation, sources: Path, place: Path
):
    server = new_server(*RETRY_WINDOW)
    upgraded, migration = newer(installation, place)
    record = server.start().ready("upgrade/world/v1", sources / "world.gpkg")
    features = items(server, record)
    assert server.stop() == 0

    server.installation = upgraded
    server.start()
    assert f'"migration":"{migration}"' in server.log
    assert server.rows("SELECT DISTINCT more FROM datasets.datasets") == [("none",)]
    assert server.record("upgrade/world/v1") == record and items(server, record) == features
    server.ready("upgrade/after/v1", sources / "cycle_hire.geojson")
    server.wait_until_clean()
    assert server.stop() == 0

    # Back is only by a backup: the older one says who was here, and touches nothing.
    server.installation = installation
    end = len(server.log)
    server.launch()
    assert server.process.wait(timeout=60) == 1
    said = server.log[end:]
    assert "terraned 0.1.0 has brought the database to migration" in said and migration in said and "knows none after" in said
    until(lambda: not server.processes(), "a server that does not start leaves nothing running", 10)
    server.installation = upgraded
    assert server.start().record("upgrade/world/v1") == record


def test_a_newer_version_is_named_by_the_older(new_server: Callable[..., Server]):
    server = new_server(*RETRY_WINDOW).start()
    with server.database() as connection:
        connection.execute(
            "INSERT INTO migrations.applied (number, name, sha256, program) VALUES (9000, 'beyond', '\\x00', 'terraned 9.9.9')"
        )
    server.stop()
    server.launch()
    assert server.process.wait(timeout=60) == 1
    assert "cannot be brought to terraned 0.1.0: terraned 9.9.9 has brought the database to migration 9000_beyond" in server.log
