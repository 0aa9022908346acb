"""What a CQL2 filter may say.

The cql2 library turns a filter into SQL, and every function name in it into a call: `pg_sleep(60) = 1` would be one.
Its parser recurses, so deep nesting ends the process. Both are refused here, before tipg or pgstac see the filter.
"""

import math
import re
from collections.abc import Collection
from typing import Any

from cql2 import Expr

from . import client_json
from .problems import Problem

LONGEST = 32_768
DEEPEST = 48
MOST_OPERATORS = 512
# Of a list that a value may be one of.
MOST_VALUES = 10_000

_OPERATORS = frozenset({
    "and", "or", "not", "=", "<>", "<", "<=", ">", ">=", "like", "between", "in", "isNull", "+", "-", "*", "/", "%",
    "div", "^", "casei", "upper", "lower",
    "s_intersects", "s_equals", "s_disjoint", "s_touches", "s_within", "s_overlaps", "s_crosses", "s_contains",
    "t_after", "t_before", "t_contains", "t_disjoint", "t_during", "t_equals", "t_finishedby", "t_finishes",
    "t_intersects", "t_meets", "t_metby", "t_overlappedby", "t_overlaps", "t_startedby", "t_starts",
    "a_contains", "a_containedby", "a_equals", "a_overlaps",
})  # fmt: skip
_LOWERED = {name.lower(): name for name in _OPERATORS}
_GEOMETRIES = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"}
)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_OPERATOR_TEXT = re.compile(r"\b(?:and|or|not|like|between|in|is|div)\b|[-+*/%^<>=]", re.IGNORECASE)


def _refuse(message: str) -> Problem:
    return Problem(400, "INVALID_FILTER", message)


def _measure(text: str) -> None:
    if len(text) > LONGEST:
        raise _refuse(f"A filter may have {LONGEST} characters.")
    bare = _QUOTED.sub("''", text)
    # Rings of a polygon are commas, not operators: a minus sign before a number is not counted.
    bare = re.sub(r"(?<=[\s,(\[:])-(?=[\d.])", "", bare)
    depth = 0
    for character in bare:
        if character in "([{":
            depth += 1
            if depth > 4 * DEEPEST:
                raise _refuse("The filter is nested too deeply.")
        elif character in ")]}":
            depth -= 1
    if len(_OPERATOR_TEXT.findall(bare)) > MOST_OPERATORS:
        raise _refuse(f"A filter may have {MOST_OPERATORS} operators.")


def parse(text: str, language: str | None) -> dict[str, Any]:
    """The filter as CQL2 JSON, with nothing in it but the operators of the standard. Raises `Problem` (400)."""
    _measure(text)
    if language is None:
        language = "cql2-json" if text.lstrip().startswith("{") else "cql2-text"
    if language == "cql2-json":
        try:
            tree = client_json.parse(text)
        except ValueError as error:
            raise _refuse(f"The filter is no JSON: {error}") from error
        return check(tree)
    try:
        tree = Expr(text).to_json()
    except Exception as error:  # cql2 raises bare Exception for what it cannot parse
        said = " ".join(str(error).split())
        raise _refuse(f"The filter is no CQL2 text: {said[:200]}") from error
    return check(tree)


def check(tree: Any, properties: Collection[str] | None = None) -> dict[str, Any]:
    """A CQL2 JSON tree, checked and normalised; `properties` are the names it may use (None: any)."""
    if not isinstance(tree, dict) or "op" not in tree:
        raise _refuse("A filter is a condition, such as \"name = 'x'\".")
    checked = _node(tree, properties, 0)
    # In a body nothing else bounds them, and PostgreSQL plans thousands for half a minute.
    if _operators(checked) > MOST_OPERATORS:
        raise _refuse(f"A filter may have {MOST_OPERATORS} operators.")
    try:
        Expr(checked).to_sql()
    except Exception as error:  # ValueError and bare Exception, for wrong numbers and kinds of arguments
        raise _refuse(" ".join(str(error).split())[:200]) from error
    return checked


def _node(node: Any, properties: Collection[str] | None, depth: int) -> Any:
    if depth > DEEPEST:
        raise _refuse("The filter is nested too deeply.")
    match node:
        case {"op": str(name), "args": list(arguments)}:
            operator = _LOWERED.get(name.lower())
            if operator is None:
                raise _refuse(f"{name[:60]!r} is no CQL2 operator this server has.")
            return {"op": operator, "args": [_node(a, properties, depth + 1) for a in arguments]}
        case {"property": str(name)}:
            if properties is not None and name not in properties:
                raise Problem(400, "UNKNOWN_PROPERTY", f"There is no property {name[:60]!r}.")
            return {"property": name}
        case {"bbox": list(box)}:
            return _rectangle(box)
        case {"type": str(kind)} if kind in _GEOMETRIES:
            return _geometry(node, depth)
        case {"timestamp": str()} | {"date": str()}:
            return {key: node[key] for key in ("timestamp", "date") if key in node}
        case {"interval": [_, _] as ends}:
            return {"interval": [end if isinstance(end, str) else _node(end, properties, depth + 1) for end in ends]}
        case list():
            if len(node) > MOST_VALUES:
                raise _refuse(f"A list may have {MOST_VALUES} values.")
            return [_node(one, properties, depth + 1) for one in node]
        case float() if not math.isfinite(node):
            # The cql2 library writes a type that PostgreSQL has not.
            raise _refuse("The filter has a number that is too large.")
        case str() | bool() | int() | float():
            return node
    raise _refuse("The filter has a part that is no CQL2.")


def _operators(node: Any) -> int:
    match node:
        case {"op": _, "args": list(arguments)}:
            return 1 + sum(map(_operators, arguments))
        case list():
            return sum(map(_operators, node))
    return 0


def _numbers(values: Any, depth: int) -> None:
    if depth > 6:
        raise _refuse("A geometry is nested too deeply.")
    if isinstance(values, list):
        for value in values:
            _numbers(value, depth + 1)
    elif isinstance(values, bool) or not isinstance(values, int | float) or not math.isfinite(values):
        raise _refuse("A geometry's coordinates are numbers.")


def _geometry(node: dict[str, Any], depth: int) -> dict[str, Any]:
    if node["type"] == "GeometryCollection":
        parts = node.get("geometries")
        if not isinstance(parts, list) or depth > DEEPEST:
            raise _refuse("A GeometryCollection has geometries.")
        return {"type": node["type"], "geometries": [_node(part, None, depth + 1) for part in parts]}
    coordinates = node.get("coordinates")
    _numbers(coordinates, 0)
    match node["type"]:
        case "LineString":
            _line(coordinates)
        case "MultiLineString":
            for line in _parts(coordinates):
                _line(line)
        case "Polygon":
            _rings(coordinates)
        case "MultiPolygon":
            for polygon in _parts(coordinates):
                _rings(polygon)
    return {"type": node["type"], "coordinates": coordinates}


def _parts(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise _refuse("A geometry has coordinates.")
    return value


def _line(positions: Any) -> None:
    if len(_parts(positions)) < 2:
        raise _refuse("A line has two positions at least.")


def _rings(rings: Any) -> None:
    for ring in _parts(rings):
        if len(_parts(ring)) < 4 or ring[0] != ring[-1]:
            raise _refuse("A ring of a polygon has four positions at least, and ends where it begins.")


def _rectangle(box: list[Any]) -> dict[str, Any]:
    _numbers(box, 0)
    if len(box) == 6:
        box = [box[0], box[1], box[3], box[4]]
    if len(box) != 4:
        raise _refuse("BBOX has four or six numbers.")
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}
