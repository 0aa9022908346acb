"""A Unix socket for programs of this machine."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

from support.server import AS_ROOT, Server


def hears_nothing_as(user: int, path: Path) -> bool:
    """Whether a process of another user is let go without a word."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgid(user)
            os.setuid(user)
            with socket.socket(socket.AF_UNIX) as plain:
                plain.settimeout(10)
                plain.connect(str(path))
                code = 0 if plain.recv(100) == b"" else 2
        except ConnectionError:
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_programs_of_this_user_need_no_credentials(new_server: Callable[..., Server], place: Path, sources: Path, name: str) -> None:
    path = place / "rpc.sock"
    server = new_server("--socket", str(path))
    place.chmod(0o777)
    try:
        server.start()
        over = ("--server", f"unix:{path}")
        nobody = {"TERRANE_CREDENTIALS": str(place / "none")}
        created = server.cli("create", name, "--source", str(sources / "world.gpkg"), "--watch", *over, env=nobody)
        assert created.code == 0, created
        assert server.cli("get", name).code == 0
        if AS_ROOT:
            # Somebody else, whom the socket's mode would let in.
            os.chmod(path, 0o777)
            assert hears_nothing_as(65_534, path)
    finally:
        server.stop()
        place.chmod(0o755)
