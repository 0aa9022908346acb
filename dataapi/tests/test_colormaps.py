"""The server refuses names of colour maps that this library does not know: its list must be this library's."""

import re
from pathlib import Path

from rio_tiler.colormap import cmap

LIST = Path(__file__).parents[2] / "Sources/Datasets/Registry/Colormaps.swift"


def test_the_server_knows_the_same_colour_maps():
    text = LIST.read_text()
    both = re.search(r'inBothDirections = """\n(.*?)"""', text, re.S)[1].split()
    alone = re.search(r"\+ \[(.*?)\]", text)[1]
    known = {*both, *(name + "_r" for name in both), *re.findall(r'"(\w+)"', alone)}
    assert known == set(cmap.list())
