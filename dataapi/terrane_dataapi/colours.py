"""Ranges of values and names of colour maps: what a request may say, and the legend of the map that is shown."""

import difflib
import math
from typing import Any

from fastapi import Request
from rio_tiler.colormap import cmap

from .problems import Problem

# What to look at where no name is near.
_USUAL = ("viridis", "terrain", "gray")
# Every so many of a colour map's 256 colours is enough for a ramp.
_STEP = 17


def check(request: Request) -> None:
    """Raises a problem for a range that is none, and for a colour map that nobody knows."""
    for value in request.query_params.getlist("rescale"):
        _check_range(value)
    known = cmap.list()
    for name in request.query_params.getlist("colormap_name"):
        if name not in known:
            near = ", ".join(difflib.get_close_matches(name[:50].lower(), known, 3) or _USUAL)
            where = str(request.base_url).rstrip("/") + "/api.html"
            raise Problem(400, "INVALID_PARAMETER", f"colormap_name: there is no {name[:50]}. Perhaps {near}? All are listed in {where}")


def _check_range(text: str) -> None:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = math.nan
    # rio-tiler draws a range that runs backwards in one colour; a colour map turned round is called NAME_r.
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise Problem(400, "INVALID_PARAMETER", "rescale: low,high, such as 0,255: two numbers, the lower first")


def legend(details: dict[str, Any]) -> dict[str, Any] | None:
    """Of one band in a range of colours: both its ends, its unit, and colours from the one to the other. Else None."""
    raster, shown = details["raster"], details["rendering"]
    ranges, bands = shown.get("rescale"), shown["bands"]
    # The colours of classes stand for no range.
    if len(bands) != 1 or not ranges or not 0 < bands[0] <= len(ranges) or raster["kind"] == "categorical":
        return None
    low, high = ranges[bands[0] - 1]
    colours = cmap.get(shown.get("colormap") or "gray")
    if not low < high or not isinstance(colours, dict) or not all(index in colours for index in range(0, 256, _STEP)):
        return None
    return {
        "low": low, "high": high, "unit": raster["bands"][bands[0] - 1]["unit"],
        "colours": ["#%02x%02x%02x" % tuple(colours[index][:3]) for index in range(0, 256, _STEP)],
    }  # fmt: skip
