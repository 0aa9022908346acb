"""`terraned --check-config`: what would go wrong, said before it does, and nothing made or changed."""

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from support.server import AS_ROOT, CHECKOUT, Installation, Server

ANY_PORTS = ("--listen", "127.0.0.1:0", "--data-api", "127.0.0.1:0")


@pytest.fixture
def ground(place: Path, folder: Path) -> Path:
    """A folder that the server's user owns, apart from the sources."""
    ground = place / f"ground-{folder.name}"
    ground.mkdir()
    ground.chmod(0o755)
    if AS_ROOT:
        shutil.chown(ground, "terrane")
    return ground


def check(installation: Installation, *words: str) -> tuple[int, dict[str, list[dict]], dict]:
    """The exit code, the findings by what was checked, and the whole report."""
    done = installation.run("terraned", *words, "--check-config", "--json")
    assert done.stderr == "", done.stderr
    report = json.loads(done.stdout)
    findings: dict[str, list[dict]] = {}
    for finding in report["checks"]:
        # Whatever is not fine says what to do.
        assert (finding["level"] == "ok") == ("remedy" not in finding), finding
        findings.setdefault(finding["check"], []).append(finding)
    errors = [finding for finding in report["checks"] if finding["level"] == "error"]
    assert done.returncode == (1 if errors else 0) and report["ok"] == (not errors), report
    return done.returncode, findings, report


def only_error(findings: dict[str, list[dict]]) -> dict:
    [error] = [finding for group in findings.values() for finding in group if finding["level"] == "error"]
    return error


def test_a_machine_that_is_ready(installation: Installation, ground: Path, sources: Path):
    data = ground / "data"
    words = ("--data", str(data), "--root", str(sources), *ANY_PORTS)
    code, findings, report = check(installation, *words)
    assert code == 0, findings
    expected = {"user", "data", "disk", "root", "listen", "data-api", "postgres-bin", "postgis", "task-program", "share"}
    assert set(findings) == expected
    assert report["settings"]["data"] == str(data)
    assert not data.exists(), "a check makes nothing"

    text = installation.run("terraned", *words, "--check-config")
    assert text.returncode == 0 and f"data: {data}\n" in text.stdout and "terraned can start" in text.stdout
    assert re.search(r"^ok +postgis +PostGIS", text.stdout, re.MULTILINE)


def test_beside_the_running_server(server: Server, installation: Installation):
    code, findings, _ = check(installation, *server.arguments())
    assert code == 0, findings
    assert f"process {server.process.pid}" in findings["data"][0]["message"]
    assert "held by the server of" in findings["listen"][0]["message"]
    assert "held by the server of" in findings["data-api"][0]["message"]
    assert server.cli("health").code == 0


def test_a_port_that_somebody_has(installation: Installation, ground: Path, sources: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ("--data", str(ground / "data"), "--root", str(sources), "--data-api", "127.0.0.1:0")
        _, findings, _ = check(installation, *words, "--listen", f"127.0.0.1:{port}")
    error = only_error(findings)
    assert error["check"] == "listen" and f"127.0.0.1:{port} is in use" in error["message"] and "--listen" in error["remedy"]


@pytest.mark.parametrize(
    ("address", "said"), [("192.0.2.1:0", "192.0.2.1:0"), ("no-such-host.invalid:7411", "no such host")], ids=["foreign", "unknown"]
)
def test_an_address_that_is_not_ours(installation: Installation, ground: Path, sources: Path, address: str, said: str):
    words = ("--data", str(ground / "data"), "--root", str(sources), "--data-api", "127.0.0.1:0")
    _, findings, _ = check(installation, *words, "--listen", address)
    error = only_error(findings)
    assert error["check"] == "listen" and said in error["message"]


def test_a_server_for_other_machines_is_warned_of_what_they_cannot_reach(installation: Installation, ground: Path, sources: Path):
    words = ("--data", str(ground / "data"), "--root", str(sources), "--listen", "0.0.0.0:0", "--data-api", "127.0.0.1:0")
    code, findings, _ = check(installation, *words)
    assert code == 0
    assert findings["public-url"][0]["level"] == "warning" and findings["tls-name"][0]["level"] == "warning"
    _, findings, _ = check(installation, *words, "--public-url", "https://data.example", "--tls-name", "data.example")
    assert "public-url" not in findings and "tls-name" not in findings


def test_roots_that_cannot_be_read(installation: Installation, ground: Path, sources: Path):
    closed, file = ground / "closed", ground / "file"
    closed.mkdir()
    closed.chmod(0)
    file.touch()
    (ground / "data").mkdir()
    if AS_ROOT:
        shutil.chown(ground / "data", "terrane")
    roots = [closed, file, ground / "nowhere", ground, ground / "data/files", sources]
    words = [word for root in roots for word in ("--root", str(root))]
    _, findings, _ = check(installation, "--data", str(ground / "data"), *ANY_PORTS, *words)
    told = [(finding["level"], finding["message"]) for finding in findings["root"]]
    expected = ["cannot read", "is no folder", "is not there", "lie in each other", "is not there", "may become"]
    assert all(word in message for word, (_, message) in zip(expected, told, strict=True)), told
    assert [level for level, _ in told] == ["error"] * 5 + ["ok"]


def test_no_root_at_all_is_a_warning(installation: Installation, ground: Path):
    code, findings, _ = check(installation, "--data", str(ground / "data"), *ANY_PORTS)
    assert code == 0 and findings["root"][0]["level"] == "warning" and "--root" in findings["root"][0]["remedy"]


def test_a_data_directory_that_cannot_be_had(installation: Installation, ground: Path, sources: Path):
    (ground / "file").touch()
    words = ("--root", str(sources), *ANY_PORTS)
    _, findings, _ = check(installation, "--data", str(ground / "file/below"), *words)
    assert only_error(findings)["check"] == "data" and str(ground / "file") in only_error(findings)["message"]
    foreign = ground / "foreign"
    foreign.mkdir()
    foreign.chmod(0o555)
    _, findings, _ = check(installation, "--data", str(foreign), *words)
    assert "cannot write" in only_error(findings)["message"] and "--data" in only_error(findings)["remedy"]
    half = ground / "half"
    half.mkdir()
    if AS_ROOT:
        shutil.chown(half, "terrane")
    (half / "restoring").touch()
    _, findings, _ = check(installation, "--data", str(half), *words)
    assert "cut short" in only_error(findings)["message"]


def test_a_cluster_of_another_postgresql(installation: Installation, ground: Path, sources: Path):
    cluster = ground / "data/postgresql/cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("13\n")
    if AS_ROOT:
        subprocess.run(["chown", "-R", "terrane", str(ground / "data")], check=True)
    _, findings, _ = check(installation, "--data", str(ground / "data"), "--root", str(sources), *ANY_PORTS)
    error = only_error(findings)
    assert error["check"] == "postgres-bin" and "was made by 13" in error["message"] and "PostgreSQL 15" in error["message"]


def test_programs_that_are_not_there(installation: Installation, ground: Path, sources: Path):
    words = ("--data", str(ground / "data"), "--root", str(sources), *ANY_PORTS)
    _, findings, _ = check(installation, *words, "--postgres-bin", str(ground))
    error = only_error(findings)
    assert error["check"] == "postgres-bin" and "initdb" in error["message"] and "make setup" in error["remedy"]
    _, findings, _ = check(installation, *words, "--task-program", str(ground / "terrane-task"))
    assert only_error(findings)["check"] == "task-program"
    # A copy without its Python environment.
    share = CHECKOUT if not AS_ROOT else installation.programs.parent / "share"
    bare = ground / "share"
    shutil.copytree(share / "sql", bare / "sql")
    _, findings, _ = check(installation, *words, "--share", str(bare))
    assert only_error(findings)["check"] == "data-api" and "make setup" in only_error(findings)["remedy"]


def test_the_user_to_become(installation: Installation, ground: Path):
    words = ("--data", str(ground / "data"), *ANY_PORTS, "--user", "nobody-by-that-name")
    code, findings, _ = check(installation, *words)
    if AS_ROOT:
        assert code == 1 and "nobody-by-that-name" in only_error(findings)["message"]
    else:
        assert code == 0, "who is not root stays who he is"


def test_json_goes_with_the_check(installation: Installation):
    done = installation.run("terraned", "--json")
    assert done.returncode == 64 and "--check-config" in done.stderr


def test_the_operators_page_lists_every_setting(installation: Installation, ground: Path):
    _, _, report = check(installation, "--data", str(ground / "data"), *ANY_PORTS)
    page = (CHECKOUT / "docs/operations.md").read_text()
    rows = re.findall(r"^\| `--([a-z-]+)` \| `(TERRANE_[A-Z_]+)` \|", page, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(report["settings"])
    assert all(variable == "TERRANE_" + name.upper().replace("-", "_") for name, variable in rows)
