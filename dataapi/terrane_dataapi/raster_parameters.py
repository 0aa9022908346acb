"""What may be asked of a raster, checked before TiTiler sees it: its endpoints would find out inside, as a defect."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode

import numpy as np
from fastapi import Query, Request
from pydantic import ValidationError
from rio_tiler.colormap import parse_color
from rio_tiler.errors import RioTilerError
from rio_tiler.models import ImageData
from titiler.core.algorithm import algorithms
from titiler.core.algorithm.base import BaseAlgorithm
from titiler.core.utils import render_image
from titiler.core.validation import validate_crs

from . import colours
from .client_json import beside
from .problems import Problem

# Pixels of a side of a picture, and of a tile.
LARGEST_PICTURE = 2048
LARGEST_TILE = 1024
MOST_BANDS = 16
LONGEST_EXPRESSION = 500
MOST_BINS = 1000
MOST_FEATURES = 100
# Of all features of a request together: ten of the largest size, a hundred of 600 a side.
MOST_PIXELS = 42_000_000
# Of all features of a request together: outlines of 4 MB, which take 0.3 s to answer with.
MOST_POINTS = 100_000
# A pass over the picture for each of them: half a second for the intervals of the largest picture.
MOST_INTERVALS = 256
MOST_COLOURS = 1024
# How much of a pixel a feature covers is found out on a finer grid, `cover_scale` times as fine: a byte a cell.
_COVER_SCALE = 10
MOST_CELLS = (LARGEST_PICTURE * _COVER_SCALE) ** 2

_BAND = re.compile(r"\bb(\d+)\b")
_EXPRESSION = re.compile(r"[A-Za-z0-9_ .,;:+*/()<>=!&|^%~-]+")
_SIDES = {"width": LARGEST_PICTURE, "height": LARGEST_PICTURE, "max_size": LARGEST_PICTURE, "tilesize": LARGEST_TILE}
_TILE_SETS = re.compile(r"/tiles(?:/[^/]+)?")
_WHOLE = re.compile(r"[0-9]{1,9}")
_PADDED = re.compile(r"[0-9]{1,2}(?:\.[05])?")

# West, south, east, north.
Box = tuple[float, float, float, float]


def _wrong(message: str) -> Problem:
    return Problem(400, "INVALID_PARAMETER", message)


async def check(request: Request) -> None:
    """Raises a problem for what no raster, or not this one, can answer."""
    if request.method == "POST":
        boxes = await beside(len(await request.body()), _check_shape, await request.json())
        _check_work(boxes, request)
    raster = request.state.route.rasters[0].details["raster"]
    count = len(raster["bands"])
    given = request.query_params
    bands = given.getlist("bidx")
    if len(bands) > MOST_BANDS:
        raise _wrong(f"bidx: at most {MOST_BANDS} bands")
    for band in bands:
        if not _WHOLE.fullmatch(band) or not 1 <= int(band) <= count:
            raise _wrong(f"bidx: this raster has {'one band, 1' if count == 1 else f'the bands 1 to {count}'}")
    for expression in given.getlist("expression"):
        _check_expression(expression, count)
    sides = {**request.path_params, **{name: given[name] for name in _SIDES if name in given}}
    for name, most in _SIDES.items():
        value = sides.get(name)
        if value not in (None, "") and not (_WHOLE.fullmatch(str(value)) and 1 <= int(value) <= most):
            raise _wrong(f"{name}: a number from 1 to {most}")
    for name, most in (("buffer", 64), ("padding", 64)):
        if (value := given.get(name)) and not (_PADDED.fullmatch(value) and float(value) <= most):
            raise _wrong(f"{name}: a number from 0 to {most}")
    if (zoom := request.path_params.get("z")) is not None:
        _check_tile(str(zoom), str(request.path_params["x"]), str(request.path_params["y"]), request)
    for name in ("minzoom", "maxzoom"):
        if (value := given.get(name)) and not (_WHOLE.fullmatch(value) and int(value) <= 24):
            raise _wrong(f"{name}: a number from 0 to 24")
    for asked in given.getlist("p"):
        if not 0 <= _number("p", asked) <= 100:
            raise _wrong("p: percentiles go from 0 to 100")
    if (value := given.get("histogram_range")) is not None:
        low, *high = (_number("histogram_range", part) for part in value.split(","))
        if len(high) != 1 or low >= high[0]:
            raise _wrong("histogram_range: a smaller and a larger number")
    colours.check(request)
    if (value := given.get("colormap")) is not None:
        _check_colormap(value)
    for name in ("crs", "coord_crs", "dst_crs"):
        if (value := given.get(name)) is not None:
            _check_system(name, value)
    _check_place(request.path_params)
    if (value := given.get("nodata")) is not None:
        _check_nodata(value, raster)
    if (bins := given.get("histogram_bins")) is not None and not (_WHOLE.fullmatch(bins) and 1 <= int(bins) <= MOST_BINS):
        raise _wrong(f"histogram_bins: a number from 1 to {MOST_BINS}")


def _check_expression(expression: str, count: int) -> None:
    if not expression or len(expression) > LONGEST_EXPRESSION or not _EXPRESSION.fullmatch(expression):
        raise _wrong(f"expression: at most {LONGEST_EXPRESSION} letters, digits and operators")
    if "**" in expression and len(expression) > 100:
        raise _wrong("expression: powers are for short ones")
    named = {int(band) for band in _BAND.findall(expression)}
    if not named or not named <= set(range(1, count + 1)):
        raise _wrong(f"expression: this raster has {'one band, b1' if count == 1 else f'the bands b1 to b{count}'}")


def _check_tile(z: str, x: str, y: str, request: Request) -> None:
    across = 2 if request.path_params.get("tileMatrixSetId") == "WorldCRS84Quad" else 1
    if not (_WHOLE.fullmatch(z) and int(z) <= 24):
        raise Problem(404, "NOT_FOUND", "Zooms go from 0 to 24.")
    tiles = 2 ** int(z)
    if not (_WHOLE.fullmatch(x) and _WHOLE.fullmatch(y) and int(x) < tiles * across and int(y) < tiles):
        raise Problem(404, "NOT_FOUND", "There is no such tile.")


def as_json(path: str, query: bytes) -> bytes:
    """TiTiler's lists of tile sets have pages that load scripts from elsewhere: those are JSON, whoever asks."""
    if not _TILE_SETS.fullmatch(path):
        return query
    return urlencode([(name, value) for name, value in parse_qsl(query.decode("latin-1")) if name != "f"] + [("f", "json")]).encode("ascii")


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise _wrong(f"{name}: numbers") from error
    if not math.isfinite(number):
        raise _wrong(f"{name}: finite numbers")
    return number


def _check_place(path: Mapping[str, Any]) -> None:
    """A box or a point in a path."""
    numbers = {name: _number(name, str(path[name])) for name in ("minx", "miny", "maxx", "maxy", "lon", "lat") if name in path}
    if "minx" in numbers and not (numbers["minx"] < numbers["maxx"] and numbers["miny"] < numbers["maxy"]):
        raise _wrong("bbox: west, south, east, north")


def _check_work(boxes: list[Box], request: Request) -> None:
    """Pixels of all features together: each is read at the raster's resolution, or the size that is asked for."""
    given = request.query_params
    sizes = [int(given[name]) for name in ("max_size", "width", "height") if _WHOLE.fullmatch(given.get(name, ""))]
    size = max(sizes, default=LARGEST_PICTURE)
    # In another system than degrees it is not known how much of the raster a feature covers.
    known = "coord_crs" not in given and not {"width", "height"} & given.keys()
    across, down = _pixel(request, boxes)
    pixels = [
        min(size * size, (east - west) / across * (north - south) / down) if known else size * size
        for west, south, east, north in boxes
    ]
    if sum(pixels) > MOST_PIXELS:
        raise _wrong(f"{len(boxes)} features of up to {size} pixels a side are too many pixels: fewer features, or a smaller max_size")
    scale = given.get("cover_scale", "")
    if _WHOLE.fullmatch(scale) and max(pixels) * int(scale) ** 2 > MOST_CELLS:
        raise _wrong(f"cover_scale: {scale} is too fine for a feature of {int(max(pixels))} pixels: a smaller one, or a smaller max_size")


def _pixel(request: Request, boxes: list[Box]) -> tuple[float, float]:
    """Degrees of a pixel, across and down; of a mosaic those of the finest scene that any of the features touches."""
    if (mosaic := getattr(request.state, "mosaic", None)) is not None:
        wests, souths, easts, norths = zip(*boxes, strict=True)
        if (finest := mosaic.pixel(min(wests), min(souths), max(easts), max(norths))) is not None:
            return finest
    served = request.state.route.rasters[0]
    raster, (west, south, east, north) = served.details["raster"], served.bbox
    return ((east - west) % 360 or 360) / raster["width"], max(north - south, 1e-12) / raster["height"]


def _check_shape(body: Any) -> list[Box]:
    """A feature, or a collection of them, of polygons that have an inside; the box of each."""
    boxes = []
    features = body.get("features", [body]) if isinstance(body, dict) else []
    if not isinstance(features, list) or not features or len(features) > MOST_FEATURES:
        raise _wrong(f"one feature, or a collection of 1 to {MOST_FEATURES}")
    count = 0
    for feature in features:
        shape = feature.get("geometry") if isinstance(feature, dict) else None
        if not isinstance(shape, dict) or shape.get("type") not in ("Polygon", "MultiPolygon"):
            raise _wrong("geometry: a Polygon or a MultiPolygon")
        points = list(_points(shape.get("coordinates")))
        count += len(points)
        if count > MOST_POINTS:
            raise _wrong(f"geometry: at most {MOST_POINTS} points, of all features together: simplify them, or ask for fewer at once")
        xs, ys = [point[0] for point in points], [point[1] for point in points]
        if not points or max(xs) <= min(xs) or max(ys) <= min(ys):
            raise _wrong("geometry: it has no inside")
        boxes.append((min(xs), min(ys), max(xs), max(ys)))
    return boxes


def _points(coordinates: Any) -> Iterator[list[float]]:
    if not isinstance(coordinates, list):
        raise _wrong("geometry: coordinates are arrays")
    if len(coordinates) >= 2 and all(isinstance(one, int | float) and not isinstance(one, bool) for one in coordinates):
        yield coordinates
        return
    for part in coordinates:
        yield from _points(part)


def _check_colormap(text: str) -> None:
    try:
        given = json.loads(text)
        discrete = isinstance(given, dict)
        if len(given) > (MOST_COLOURS if discrete else MOST_INTERVALS):
            raise _wrong(f"colormap: at most {MOST_INTERVALS} intervals, or {MOST_COLOURS} values; colormap_name has smooth ones")
        pairs = [(int(value), colour) for value, colour in given.items()] if discrete else [
            ((float(low), float(high)), colour) for (low, high), colour in given
        ]  # fmt: skip
        shades = [parse_color(colour) for _, colour in pairs]
        fit = all(0 <= part <= 255 for shade in shades for part in shade)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, RioTilerError) as error:
        raise _wrong("colormap: a JSON object of values and colours, or an array of intervals and colours") from error
    if not shades:
        raise _wrong("colormap: it has no colour")
    if not fit:
        raise _wrong("colormap: colours are of numbers from 0 to 255")


def _check_system(name: str, text: str) -> None:
    try:
        validate_crs(text)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        # What rasterio makes of JSON that is no PROJJSON.
        raise _wrong(f"{name}: a reference system, such as EPSG:3857") from error


def _check_nodata(value: str, raster: dict[str, Any]) -> None:
    try:
        number = float(value)
    except ValueError as error:
        raise _wrong("nodata: a number, or nan") from error
    if math.isinf(number) and any(character.isdigit() for character in value):
        raise _wrong("nodata: it is too large")
    for band in raster["bands"]:
        if band["type"].startswith("float"):
            continue
        holds = np.iinfo(band["type"])
        if not math.isfinite(number) or number != int(number) or not holds.min <= number <= holds.max:
            raise _wrong(f"nodata: a whole number from {holds.min} to {holds.max}")


def render(image: ImageData, **how: Any) -> tuple[bytes, str]:
    """TiTiler's. What goes wrong in it comes of what was asked: ranges, colours or a formula that do not fit the bands."""
    try:
        return render_image(image, **how)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise _wrong(f"This cannot be drawn: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error


def algorithm(
    algorithm: Annotated[Literal[tuple(algorithms.data.keys())] | None, Query(description="Algorithm name")] = None,  # type: ignore[valid-type]
    algorithm_params: Annotated[str | None, Query(description="Algorithm parameters, a JSON object")] = None,
) -> Callable[[ImageData], ImageData] | None:
    """TiTiler's algorithms (hillshade, slope, contours, …) with parameters that were looked at."""
    if algorithm is None:
        return None
    parameters: Any = {}
    if algorithm_params:
        try:
            parameters = json.loads(algorithm_params)
        except (ValueError, RecursionError) as error:
            raise _wrong(f"algorithm_params: no JSON ({error})") from error
        if not isinstance(parameters, dict):
            raise _wrong("algorithm_params: a JSON object")
    try:
        made: BaseAlgorithm = algorithms.get(algorithm)(**parameters)
    except (ValidationError, TypeError, OverflowError) as error:
        raise _wrong(f"algorithm_params: {str(error).splitlines()[0]}") from error

    def run(image: ImageData) -> ImageData:
        try:
            return made(image)
        except (ValueError, TypeError, KeyError, IndexError, OverflowError, ZeroDivisionError) as error:
            raise _wrong(f"{algorithm} cannot be made of these bands: {error}") from error

    return run
