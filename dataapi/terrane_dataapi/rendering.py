"""How a raster is shown where a request does not say: a picture out of measured values."""

import json
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
    # Classes have a colour each, where nobody asks for another map or a range.
    if (colours := shown.get("colours")) and bands == shown["bands"] and not names & {"colormap", "colormap_name", "rescale"}:
        table = {value: (red, green, blue, 255) for value, red, green, blue in colours}
        return urlencode([*pairs, *(("bidx", str(band)) for band in bands if "bidx" not in names), ("colormap", json.dumps(table))]).encode("ascii")
    added: list[tuple[str, str]] = [] if "bidx" in names else [("bidx", str(band)) for band in bands]
    ranges = shown.get("rescale")
    if "rescale" not in names and ranges and all(0 < band <= len(ranges) for band in bands):
        shades = [ranges[band - 1] for band in bands]
        # Of a band with one value so large that the next one is the same there is no range.
        if all(low < high for low, high in shades):
            added += [("rescale", f"{low!r},{high!r}") for low, high in shades]
    colormap = shown.get("colormap")
    if colormap and len(bands) == 1 and not names & {"colormap", "colormap_name"}:
        added.append(("colormap_name", colormap))
    return urlencode([*pairs, *added]).encode("ascii")
