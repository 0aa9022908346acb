"""Faults at seeded random moments of a real load: nothing lost, nothing doubled, nothing left over."""

import sys
from pathlib import Path

# The server, its processes and its sources are what the end-to-end tests use.
sys.path.insert(0, str(Path(__file__).parents[2] / "EndToEnd"))
