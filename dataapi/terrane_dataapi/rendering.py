"""How a raster is shown where a request does not say: a picture out of measured values."""

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

# Requests for a picture, and the format they name.
_PICTURE = re.compile(r"/(?:tiles/[^/]+/\d+/\d+/\d+|preview(?:/\d+x\d+)?|bbox/[^/]+(?:/\d+x\d+)?|feature(?:/\d+x\d+)?)(?:\.(\w+))?|/scenes/[^/]+\.png")
# Formats that carry values, which nobody wants scaled to shades.
_VALUES = {"tif", "tiff", "npy", "jp2"}


def completed(path: str, query: bytes, details: dict[str, Any]) -> bytes:
    """The query of a request below the dataset's URL, with what it leaves open of bands, range and colours."""
    asked = _PICTURE.fullmatch(path)
    if asked is None or asked[1] in _VALUES:
        return query
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    names = {name for name, _ in pairs}
    if names & {"expression", "algorithm"}:
        return query
    shown = details["rendering"]
    bands: list[int] = shown["bands"]
    if "bidx" in names:
        given = [value for name, value in pairs if name == "bidx"]
        if not all(value.isascii() and value.isdigit() and len(value) < 4 for value in given):
            return query  # which is an error that the endpoint tells of
        bands = [int(value) for value in given]
    added: list[tuple[str, str]] = [] if "bidx" in names else [("bidx", str(band)) for band in bands]
    ranges = shown.get("rescale")
    if "rescale" not in names and ranges and all(0 < band <= len(ranges) for band in bands):
        added += [("rescale", f"{ranges[band - 1][0]!r},{ranges[band - 1][1]!r}") for band in bands]
    colormap = shown.get("colormap")
    if colormap and len(bands) == 1 and not names & {"colormap", "colormap_name"}:
        added.append(("colormap_name", colormap))
    return urlencode([*pairs, *added]).encode("ascii")
