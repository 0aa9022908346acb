"""Every kind of fault once, at a drawn moment. `make chaos` plays a hundred rounds."""

import pytest

from chaos.arena import Arena
from chaos.faults import KINDS, Fault
from chaos.rounds import play


@pytest.mark.parametrize("kind", [kind.fault for kind in KINDS], ids=lambda kind: kind.__name__)
def test_a_fault_during_a_load_loses_and_leaves_nothing(running: Arena, seed: int, kind: type[Fault]):
    outcome = play(running, kind, seed)
    assert outcome.is_clean, f"seed {seed}: {outcome}"
