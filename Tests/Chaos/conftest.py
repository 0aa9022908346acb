"""An arena for the short run: every kind of fault once, and the walk over every statement boundary.

TERRANE_CHAOS_SEED draws other moments, TERRANE_CHAOS_FEATURES other loads.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from chaos.arena import Arena  # noqa: E402


@pytest.fixture(scope="session")
def seed() -> int:
    return int(os.environ.get("TERRANE_CHAOS_SEED", "11"))


@pytest.fixture(scope="session")
def arena() -> Iterator[Arena]:
    with Arena(int(os.environ.get("TERRANE_CHAOS_FEATURES", "12000"))) as made:
        made.start()
        yield made


@pytest.fixture
def running(arena: Arena) -> Arena:
    """With a server that runs, whatever the test before left."""
    if not arena.is_running or "TERRANE_FAILPOINT" in arena.server.environment:
        arena.restart()
    return arena
