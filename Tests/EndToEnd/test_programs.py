"""The programs as programs: what they say, and the exit codes that scripts rely on."""

import json
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from support import samples
from support.server import Installation, Server
from support.waiting import until


def test_a_second_server_on_the_same_data_names_the_holder(server: Server, installation: Installation):
    words = ["--listen", "127.0.0.1:0", "--data-api", "127.0.0.1:0", "--data", str(server.data)]
    second = installation.run("terraned", *words, timeout=60)
    assert second.returncode == 1
    assert f"process {server.process.pid}" in second.stderr and str(server.data) in second.stderr
    assert server.cli("health").code == 0


def test_settings_come_from_flag_variable_and_file_in_that_order(installation: Installation, place: Path):
    file = place / "settings.yaml"
    file.write_text(f"data: {place}/from-file\nslots: 3\nretry-window: 7\nroot:\n  - {place}/a\n  - {place}/b\n")
    samples.readable(file)
    variables = {"TERRANE_RETRY_WINDOW": "8", "TERRANE_SLOTS": "4"}
    done = installation.run("terraned", "--config", str(file), "--slots", "5", "--check-config", env=variables)
    assert done.returncode == 1, done.stderr  # there are no such roots
    settings = dict(line.split(": ", 1) for line in done.stdout.split("\n\n")[0].splitlines())
    assert settings["slots"] == "5" and settings["retry-window"] == "8" and settings["data"] == f"{place}/from-file"
    assert settings["root"] == f"[{place}/a, {place}/b]"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--listen", "nonsense"], "--listen"),
        (["--data-api", "0.0.0.0:80"], "loopback"),
        (["--slots", "65"], "--slots"),
        (["--slots", "many"], "slots"),
        (["--log-level", "loud"], "--log-level"),
        (["--public-url", "ftp://x"], "--public-url"),
        (["--config", "/nowhere.yaml"], "/nowhere.yaml"),
    ],
    ids=lambda value: value[0].strip("-") if isinstance(value, list) else None,
)
def test_a_wrong_setting_is_named(installation: Installation, words: list[str], said: str):
    done = installation.run("terraned", *words, "--check-config")
    assert done.returncode in (2, 64) and said in done.stderr, done
    assert done.stdout == ""


def test_an_unknown_setting_in_the_file_is_named(installation: Installation, place: Path):
    file = place / "strange.yaml"
    file.write_text("colour: blue\n")
    samples.readable(file)
    done = installation.run("terraned", "--config", str(file), "--check-config")
    assert done.returncode == 2 and "colour" in done.stderr


def test_the_server_refuses_a_folder_it_cannot_have(installation: Installation, place: Path):
    (place / "file").write_text("")
    words = ["--data", str(place / "file/below"), "--listen", "127.0.0.1:0", "--data-api", "127.0.0.1:0"]
    done = installation.run("terraned", *words)
    assert done.returncode == 1 and str(place / "file") in done.stderr


# The command line's exit codes


def test_0_when_all_is_well(server: Server):
    health = server.cli("health").last
    assert health["serving"] is True and health["parts"] == {"database": True, "data_api": True, "disk": True}
    assert server.cli("version").last == {"client": "0.1.0", "server": "0.1.0"}
    assert server.cli("list").code == 0
    assert server.cli("--help", json_output=False).code == 0


def test_1_when_the_dataset_failed(server: Server, folder: Path, name: str):
    path = folder / "empty.gpkg"
    path.touch()
    samples.readable(path)
    answer = server.cli("create", name, "--source", str(path), "--watch", json_output=False)
    assert answer.code == 1 and "SOURCE_EMPTY" in answer.out + answer.err
    assert server.cli("watch", name).code == 1


@pytest.mark.parametrize(
    "words",
    [
        ["create", "a/b/c"],
        ["create", "a/b/c", "--source", "/x.gpkg", "--lon", "x"],
        ["create", "a/b/c", "--type", "hologram", "--source", "/x.gpkg"],
        ["get", "only-one-part"],
        ["watch", "a/b/c", "--after", "soon"],
        ["list", "--status", "happy"],
        ["frobnicate"],
        ["list", "--no-such-flag"],
    ],
    ids=" ".join,
)
def test_2_when_the_command_is_wrong(server: Server, words: list[str]):
    answer = server.cli(*words)
    assert answer.code == 2 and answer.err


def test_2_when_the_state_forbids_it(server: Server, sources: Path, name: str):
    server.ready(name, sources / "cycle_hire.geojson")
    answer = server.cli("undelete", name)
    assert (answer.code, answer.problem["reason"]) == (2, "ILLEGAL_MOVE")


def test_2_when_the_role_does_not_allow_it(server: Server, place: Path, sources: Path, name: str):
    issued = server.installation.run(
        "terrane", "credentials", "issue", "mara", "--role", "reader", "--out", str(place / "mara"), "--data", str(server.data)
    )
    assert issued.returncode == 0, issued.stderr
    reader = {"TERRANE_CREDENTIALS": str(place / "mara")}
    assert server.cli("list", env=reader).code == 0
    answer = server.cli("create", name, "--source", str(sources / "world.gpkg"), env=reader)
    assert (answer.code, answer.problem["reason"]) == (2, "PERMISSION_DENIED")
    assert server.cli("get", name).code == 4
    assert server.cli("admin", "scan", env=reader).code == 2


def test_3_when_no_server_is_there(installation: Installation, place: Path):
    done = installation.run("terrane", "list", "--json", "--timeout", "5", env={"TERRANE_DATA": str(place / "nobody")})
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["problem"]["reason"] == "SERVER_UNREACHABLE"
    assert "make serve" in done.stderr


def test_3_when_nobody_listens(server: Server):
    answer = server.cli("list", "--server", "127.0.0.1:1", "--timeout", "3")
    assert answer.code == 3


def test_4_when_it_is_not_there(server: Server):
    for command in ("get", "watch", "cancel", "retry", "delete", "undelete"):
        answer = server.cli(command, "no/such/v1")
        assert (answer.code, answer.problem["reason"]) == (4, "DATASET_NOT_FOUND"), command


def test_4_when_it_exists_with_another_request(server: Server, sources: Path, name: str):
    server.ready(name, sources / "cycle_hire.geojson")
    answer = server.cli("create", name, "--source", str(sources / "world.gpkg"))
    assert (answer.code, answer.problem["reason"]) == (4, "DATASET_EXISTS")


# For people


def test_the_urls_to_paste_are_shown_at_the_end(server: Server, sources: Path, name: str):
    answer = server.cli("create", name, "--source", str(sources / "world.gpkg"), "--watch", json_output=False)
    assert answer.code == 0 and answer.err == ""
    assert f"{server.public_url}/api/data/{name}" in answer.out
    assert "READY" in answer.out and "177" in answer.out
    assert "\x1b" not in answer.out, "no colours into a pipe"


def test_a_server_with_little_of_its_own_still_starts_its_tasks(new_server: Callable[..., Server], sources: Path, name: str):
    """Under nice and a low limit of open files, which a process without privileges cannot raise again."""
    server = new_server()
    server.wrapper = ["nice", "-n", "12", "prlimit", "--nofile=900:900"]
    server.start()
    assert server.ready(name, sources / "world.gpkg")["result"]["feature_count"] == 177


def test_certificates_are_replaced_without_a_restart(new_server: Callable[..., Server], sources: Path) -> None:
    """On SIGHUP the server reads its certificate again, makes one that is missing, and its connections go on."""
    server = new_server().start()

    def serial() -> str:
        found = ssl.create_default_context(cafile=str(server.data / "credentials/ca.pem"))
        found.load_cert_chain(server.data / "credentials/local-admin/client.pem", server.data / "credentials/local-admin/client.key")
        found.set_alpn_protocols(["framed-rpc/1"])
        with socket.create_connection(("127.0.0.1", server.rpc_port), 10) as plain, found.wrap_socket(
            plain, server_hostname="127.0.0.1"
        ) as tls:
            return tls.getpeercert()["serialNumber"]

    assert server.create("certificates/world/v1", sources / "world.gpkg").code == 0
    watcher = server.watch("certificates/world/v1", "--follow")
    watcher.wait_for("the status", lambda status: status["status"] == "ready")
    before = serial()
    (server.data / "credentials/server.pem").unlink()
    server.process.send_signal(signal.SIGHUP)
    until(lambda: serial() != before, "another certificate", seconds=20)
    assert "certificates read again" in server.log
    # The watch is on its old connection, and hears of what happens.
    assert server.cli("delete", "certificates/world/v1").code == 0
    watcher.wait_for("the end of the dataset", lambda status: status["status"] == "deleted")
    watcher.kill()
    assert server.stop() == 0
