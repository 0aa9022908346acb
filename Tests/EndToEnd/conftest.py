"""Servers for the tests: a shared one for what leaves it as it was, one more for those that crash it.

TERRANE_BUILD names the build to test (debug, release), TERRANE_E2E_FEATURES the size of the layer of the crash tests.
"""

import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support import processes, samples  # noqa: E402
from support.server import AS_ROOT, CHECKOUT, Installation, Server  # noqa: E402

DATA = CHECKOUT / ".setup/data"
RETRY_WINDOW = ("--retry-window", "0")


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A folder that the server's user can enter, on a short path: sockets lie below it."""
    folder = Path(tempfile.mkdtemp(prefix="terrane-e2e-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    left = processes.that_know(folder)
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"processes were left: {[process.command for process in left]}"


@pytest.fixture(scope="session")
def installation(place: Path) -> Installation:
    return Installation.stage(place / "app")


@pytest.fixture(scope="session")
def sources(place: Path) -> Path:
    """The root of the servers, with real data in it."""
    folder = place / "sources"
    folder.mkdir()
    folder.chmod(0o755)
    for file in DATA.iterdir():
        shutil.copy(file, folder)
    samples.readable(*folder.iterdir())
    return folder


@pytest.fixture(scope="session")
def big(sources: Path) -> Path:
    """A layer that takes seconds to load; its count is `big_count`."""
    return samples.many_points(sources / "big.gpkg", big_count())


def big_count() -> int:
    return int(os.environ.get("TERRANE_E2E_FEATURES", "300000"))


@pytest.fixture(scope="session")
def new_server(place: Path, sources: Path, installation: Installation) -> Iterator[Callable[..., Server]]:
    """Makes servers, each on a data directory of its own, and ends what is left of them."""
    made: list[Server] = []

    def make(*options: str) -> Server:
        folder = place / f"s{len(made)}"
        folder.mkdir()
        folder.chmod(0o755)
        if AS_ROOT:
            shutil.chown(folder, "terrane")
        server = Server(installation, folder, [sources], *(options or RETRY_WINDOW))
        made.append(server)
        return server

    yield make
    for server in made:
        server.destroy()


@pytest.fixture(scope="session")
def server(new_server: Callable[..., Server]) -> Server:
    """For tests that leave the server as it was."""
    return new_server().start()


@pytest.fixture(scope="session")
def _crashed(new_server: Callable[..., Server]) -> Server:
    return new_server().start()


@pytest.fixture
def victim(_crashed: Server) -> Server:
    """For tests that kill it or parts of it; running when a test begins."""
    if _crashed.process.poll() is not None:
        _crashed.start()
    return _crashed


_numbers = itertools.count(1)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The name of a dataset nobody has yet."""
    return f"e2e/{request.node.originalname.replace('_', '-')[:200]}/v{next(_numbers)}"


@pytest.fixture
def folder(sources: Path, request: pytest.FixtureRequest) -> Path:
    """An empty folder below the servers' root."""
    made = sources / f"t{next(_numbers)}"
    made.mkdir()
    made.chmod(0o755)
    return made


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """A failed test is understood from its server's log."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and report.when != "teardown":
        for server in (item.funcargs.get("server"), item.funcargs.get("victim")):
            if server:
                report.sections.append((f"end of {server.log_path}", server.log[-3000:]))
