"""Which server a client speaks to: what it is told, else TERRANE_* variables, else the server of this machine."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from framedrpc import Credentials

DEFAULT_PORT = 7411


class NoServer(Exception):
    """Nothing says where a server is."""


@dataclass(frozen=True)
class Target:
    host: str
    port: int
    credentials: Credentials


def locate(server: str | None = None, credentials: str | Path | None = None, data: str | Path | None = None) -> Target:
    """`server`: HOST:PORT or HOST. `credentials`: a folder of client.pem, client.key, ca.pem. `data`: the data directory of a
    server on this machine. Raises NoServer, ValueError."""
    server = server or os.environ.get("TERRANE_SERVER") or None
    credentials = credentials or os.environ.get("TERRANE_CREDENTIALS") or None
    places = _data_directories(data or os.environ.get("TERRANE_DATA") or None)
    found = next((place for place in places if _endpoint(place)), places[0])
    if server is None:
        said = _endpoint(found)
        if not said:
            raise NoServer(
                f"no server is running on this machine (looked in {', '.join(map(str, places))}): start terraned, or name one with "
                "server= or TERRANE_SERVER"
            )
        server = said["rpc"]
    host, port = address(server)
    folder = Path(credentials) if credentials else found / "credentials/local-admin"
    if not (folder / "client.pem").exists() and not (folder / "token").exists():
        raise NoServer(f"{folder} holds neither client.pem nor token: name a folder of your credentials with credentials=")
    return Target(host, port, Credentials.of_folder(folder))


def address(text: str) -> tuple[str, int]:
    """HOST:PORT, HOST, [IPV6]:PORT or [IPV6]."""
    host, port = text, str(DEFAULT_PORT)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest[1:] or port
    elif ":" in text:
        host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"{text!r} is not the address of a server: HOST:PORT, such as 127.0.0.1:{DEFAULT_PORT}")
    return host, int(port)


def _data_directories(data: str | Path | None) -> list[Path]:
    if data:
        return [Path(data)]
    home = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local/share")
    return [Path("/var/lib/terrane"), Path(home) / "terrane"]


def _endpoint(data: Path) -> dict[str, str] | None:
    """What a running server wrote of itself."""
    try:
        said = json.loads((data / "run/endpoint.json").read_text())
    except (OSError, ValueError):
        return None
    return said if isinstance(said.get("rpc"), str) else None
