"""Bearer tokens in place of client certificates."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.server import CHECKOUT, Server

sys.path.insert(0, str(CHECKOUT / "clients/python/src"))
import terrane  # noqa: E402
from framedrpc import RpcError, StatusCode  # noqa: E402


@pytest.fixture(scope="module")
def taking_tokens(new_server: Callable[..., Server]) -> Iterator[Server]:
    server = new_server("--tokens", "--access-log")
    server.start()
    yield server
    server.stop()


def issue(server: Server, name: str, folder: Path, *more: str) -> Path:
    done = server.installation.run(
        "terrane", "credentials", "issue", name, "--token", "--out", str(folder), "--data", str(server.data), *more
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "token").read_text().strip() not in done.stdout
    return folder


def test_a_token_is_enough_and_no_more_than_its_role(taking_tokens: Server, place: Path, sources: Path, name: str) -> None:
    server = taking_tokens
    reader = {"TERRANE_CREDENTIALS": str(issue(server, "tilda", place / "tilda", "--role", "reader", "--days", "1"))}
    assert server.cli("list", env=reader).code == 0
    refused = server.cli("create", name, "--source", str(sources / "world.gpkg"), env=reader)
    assert (refused.code, refused.problem["reason"]) == (2, "PERMISSION_DENIED")
    editor = {"TERRANE_CREDENTIALS": str(issue(server, "edda", place / "edda", "--role", "editor"))}
    assert server.cli("create", name, "--source", str(sources / "world.gpkg"), "--watch", env=editor).code == 0
    # Certificates are as good as before.
    assert server.cli("get", name).code == 0
    principals = {json.loads(line).get("principal") for line in server.log_path.read_text().splitlines() if '"access"' in line}
    assert "terrane:principal:edda" in principals
    assert (place / "edda/token").read_text().strip() not in server.log_path.read_text()


def test_python_with_a_token(taking_tokens: Server, place: Path) -> None:
    folder = issue(taking_tokens, "pia", place / "pia", "--role", "reader")
    with terrane.connect(f"127.0.0.1:{taking_tokens.rpc_port}", credentials=folder) as client:
        next(iter(client.list()), None)
        done = taking_tokens.installation.run("terrane", "credentials", "revoke", "pia", "--data", str(taking_tokens.data))
        assert done.returncode == 0
        with pytest.raises(RpcError) as caught:
            for _ in range(50):
                next(iter(client.list()), None)
                time.sleep(0.05)
        assert caught.value.code in (StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED)


def test_neither_certificate_nor_token(taking_tokens: Server, place: Path) -> None:
    folder = place / "nobody"
    folder.mkdir()
    (folder / "ca.pem").write_bytes((taking_tokens.data / "credentials/ca.pem").read_bytes())
    (folder / "token").write_text("terrane_guessed")
    answer = taking_tokens.cli("list", env={"TERRANE_CREDENTIALS": str(folder)})
    assert answer.code == 2
    assert "UNAUTHENTICATED" in answer.out + answer.err or "TOKEN" in answer.out + answer.err
    assert "guessed" not in answer.out + answer.err


def test_a_server_without_tokens_lets_nobody_in_by_one(server: Server, place: Path) -> None:
    folder = issue(server, "zoe", place / "zoe", "--role", "admin")
    assert server.cli("list", "--timeout", "5", env={"TERRANE_CREDENTIALS": str(folder)}).code == 3
