import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).parent))
# The scripted server is the conformance suite's.
sys.path.insert(0, str(Path(__file__).parents[3] / "conformance"))

from framedrpc import Credentials  # noqa: E402
from both import Asyncio, Blocking, Connect  # noqa: E402
from suite.peer import Peer, Script, make_credentials  # noqa: E402


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return make_credentials(tmp_path_factory.mktemp("credentials"))


@pytest.fixture
def serve(credentials: Credentials) -> Iterator[Callable[..., Peer]]:
    """Starts scripted servers; what a script asserted is looked at in the end."""
    peers: list[Peer] = []

    def start(*scripts: Script, **more: str | None) -> Peer:
        peers.append(Peer(credentials, *scripts, **more))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()
        assert not peer.errors


@pytest.fixture(params=[Blocking, Asyncio], ids=["blocking", "asyncio"])
def connect(request: pytest.FixtureRequest, credentials: Credentials) -> Iterator[Connect]:
    made = []

    def start(peer: Peer, **more: float) -> Blocking | Asyncio:
        made.append(request.param(peer, credentials, **more))
        return made[-1]

    yield start
    for client in made:
        client.close()
