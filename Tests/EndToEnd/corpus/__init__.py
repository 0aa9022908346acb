"""Odd and broken files, made on the spot, and what becomes of each (golden.json)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable


@dataclass
class Case:
    """One file: `make` writes it into a folder and returns its path. `holds` is how many features a person would count in it
    (None: it cannot be said); `options` go to `terrane create`."""

    name: str
    make: Callable[[Path], Path]
    holds: int | None
    options: tuple[str, ...] = ()


CASES: dict[str, Case] = {}


def case(holds: int | None, *options: str):
    """Adds a function that makes a file to the corpus."""

    def add(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
        assert make.__name__ not in CASES
        CASES[make.__name__] = Case(make.__name__, make, holds, options)
        return make

    return add


from . import archives, documents, geometries, geopackages, shapefiles, tables  # noqa: E402, F401
