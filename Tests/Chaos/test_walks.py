"""The server dies at every statement boundary of publish, completion, reprocess, delete and purge; its heirs end what it had begun, once."""

import pytest

from chaos.arena import Arena
from chaos.walks import WALKS, Walk


@pytest.mark.parametrize("kind", WALKS, ids=lambda kind: kind.__name__)
def test_a_server_killed_at_each_statement_is_continued_by_the_next(arena: Arena, kind: type[Walk]):
    walk = kind(arena)
    boundaries = walk.run()
    findings = walk.finish()
    assert findings.is_clean, f"{findings} (died at {walk.deaths})"
    print(f"{kind.transaction}: {boundaries} boundaries")
