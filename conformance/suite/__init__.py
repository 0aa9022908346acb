"""Conformance of servers and clients with FramedRPC/1 (docs/protocol.md). `python -m suite --help`, or conformance/README.md."""

import sys
from pathlib import Path

CONFORMANCE = Path(__file__).resolve().parents[1]
CHECKOUT = CONFORMANCE.parent
# The messages of the wire, and those of the service under test.
sys.path[:0] = [str(CHECKOUT / "clients/python/src"), str(CONFORMANCE / "generated")]
