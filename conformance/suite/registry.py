"""The cases: what they are called stands in cases.json, how they are tried in functions of the same name."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from . import CHECKOUT, CONFORMANCE
from .vectors import check, send

SERVER, CLIENT = "server", "client"


@dataclass(frozen=True)
class Case:
    name: str
    side: str
    #: What is required.
    title: str
    run: Callable[[Any], None]
    #: Of servers: their configuration, beside the credentials.
    config: dict[str, Any] = field(default_factory=dict)
    #: Takes over ten seconds: begun first.
    is_long: bool = False


_FOUND: dict[tuple[str, str], tuple[Callable[[Any], None], dict[str, Any], bool]] = {}


def case(side: str, *, is_long: bool = False, **config: Any) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    def keep(function: Callable[[Any], None]) -> Callable[[Any], None]:
        key = side, function.__name__
        assert key not in _FOUND, f"{key} twice"
        _FOUND[key] = function, config, is_long
        return function

    return keep


def cases() -> list[Case]:
    """All, in the order of cases.json. Raises where the two do not agree."""
    from . import client_cases, server_cases  # noqa: F401

    rows = json.loads((CONFORMANCE / "cases.json").read_text())["cases"]
    for row in (row for row in rows if "elsewhere" in row):
        # Of servers with a store: tried where such a server is.
        assert f"def test_{row['name']}(" in (CHECKOUT / row["elsewhere"]).read_text(), f"{row['name']} is not in {row['elsewhere']}"
    rows = [row for row in rows if "elsewhere" not in row]
    named = [(row["side"], row["name"]) for row in rows]
    assert len(set(named)) == len(named), "a case stands in cases.json twice"
    missing = sorted(set(named) ^ set(_FOUND))
    assert not missing, f"in cases.json or in the suite, not in both: {missing}"
    found = []
    for row in rows:
        run, config, is_long = _FOUND[row["side"], row["name"]]
        found.append(Case(row["name"], row["side"], row["title"], run, config, is_long))
    vectors = json.loads((CONFORMANCE / "vectors.json").read_text())["vectors"]
    return found + [Case(f"vector/{row['name']}", SERVER, row["meaning"], partial(_try, row)) for row in vectors]


def _try(vector: dict[str, Any], server: Any) -> None:
    raw = server.connect(greet=False)
    send(raw, vector)
    check(raw, vector)
