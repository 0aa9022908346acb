"""What a source holds and what is served of it, read by GDAL, so that both can be compared."""

import json
import math
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

# Warnings after which a geometry is not the source's any more.
RESHAPING = {"ANTIMERIDIAN_SPLIT", "GEOMETRY_REPAIRED", "GEOMETRY_COLLAPSED"}
# Warnings that stand for features which are not served.
DROPPING = {"NULL_GEOMETRY", "EMPTY_GEOMETRY", "GEOMETRY_COLLAPSED", "RECORD_REJECTED"}


@dataclass
class Read:
    """Features as GDAL read them: properties and bounds by feature id, and what it said on standard error."""

    features: dict[int, dict]
    bounds: dict[int, tuple[float, float, float, float] | None]
    errors: str
    geometries: dict[int, dict | None] = field(default_factory=dict)


def gdal(*command: str, **more) -> subprocess.CompletedProcess[str]:
    """One of GDAL's programs; its caches go to a folder that is thrown away."""
    environment = {**os.environ, "CPL_DEBUG": "OFF", **more.pop("env", {})}
    with tempfile.TemporaryDirectory() as scratch:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=300, cwd=scratch, env=environment,
            stdin=subprocess.DEVNULL, **more,
        )  # fmt: skip


def counted_by_ogrinfo(source: str, *options: str) -> int:
    """The number of features that `ogrinfo -al -so` reports, over all layers."""
    done = gdal("ogrinfo", "-al", "-so", "-ro", *options, source)
    counts = re.findall(r"^Feature Count: (\d+)$", done.stdout, re.MULTILINE)
    assert done.returncode == 0 and counts, f"ogrinfo {source}: {done.stderr}"
    return sum(map(int, counts))


# Names under which coordinates are found in tables, the ones the server knows.
_LONGITUDES, _LATITUDES = "lon,longitude,lng,long,x,easting,point_x,xcoord", "lat,latitude,y,northing,point_y,ycoord"
_TEXTS = "wkt,geom,geometry,the_geom,wkt_geom,geom_wkt,shape"


def table_options(path: Path) -> tuple[str, ...]:
    """What makes ogr2ogr read a CSV file as the server does: types from the values, geometry from the usual columns."""
    if path.suffix.lower() != ".csv":
        return ()
    header = path.open(encoding="utf-8-sig").readline().lower()
    has_text = any(re.search(rf'(^|[,;"\t]){name}($|[,;"\t\r\n])', header) for name in _TEXTS.split(","))
    options = [
        "AUTODETECT_TYPE=YES", "AUTODETECT_SIZE_LIMIT=0", "EMPTY_STRING_AS_NULL=YES", f"X_POSSIBLE_NAMES={_LONGITUDES}", f"Y_POSSIBLE_NAMES={_LATITUDES}",
        f"GEOM_POSSIBLE_NAMES={_TEXTS}", f"KEEP_GEOM_COLUMNS={'NO' if has_text else 'YES'}",
    ]  # fmt: skip
    return (*(word for option in options for word in ("-oo", option)), "-s_srs", "EPSG:4326")


def read(source: str, *options: str, layer: str | None = None) -> Read:
    """All features of one layer (of the only one where none is named), in EPSG:4326."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "out.geojson")
        done = gdal("ogr2ogr", "-f", "GeoJSON", "-preserve_fid", *options, str(out), source, *([layer] if layer else []))
        assert done.returncode == 0, f"ogr2ogr {source}: {done.stderr}"
        content = json.loads(out.read_text())
    read = Read({}, {}, done.stderr)
    for feature in content["features"]:
        properties = feature["properties"]
        number = int(feature["id"] if "id" in feature else properties["fid"])
        assert number not in read.features, f"feature id {number} twice"
        read.features[number] = properties
        read.bounds[number] = bounds_of(feature["geometry"])
        read.geometries[number] = feature["geometry"]
    return read


def read_served(endpoint: str, collection: str) -> Read:
    """A collection through GDAL's OGC API Features client, whole."""
    served = read(f"OAPIF:{endpoint}", "-oo", "PAGE_SIZE=1000", layer=collection)
    for properties in served.features.values():
        properties.pop("fid", None)
    return served


def bounds_of(geometry: dict | None) -> tuple[float, float, float, float] | None:
    points: list[list[float]] = []

    def collect(part) -> None:
        if part and isinstance(part[0], (int, float)):
            points.append(part)
        else:
            for inner in part:
                collect(inner)

    for one in geometry.get("geometries", [geometry]) if geometry else []:
        collect(one["coordinates"])
    if not points:
        return None
    return tuple(f(p[axis] for p in points) for f in (min, max) for axis in (0, 1))


def differences(source: Read, served: Read, columns: list[dict], compare_bounds: bool) -> list[str]:
    """Where what is served is not the source's: ids, attributes (by the record's columns), bounds. Empty: all equal."""
    found = []
    if missing := sorted(source.features.keys() ^ served.features.keys()):
        found.append(f"{len(missing)} feature ids on one side only, such as {missing[:5]}")
    names = {column["source_name"] or column["name"]: column["name"] for column in columns}
    for number in source.features.keys() & served.features.keys():
        theirs, ours = source.features[number], served.features[number]
        if stranger := set(theirs) - set(names):
            found.append(f"columns {stranger} are not served")
            break
        for name, public in names.items():
            if not equal(theirs.get(name), ours.get(public)):
                found.append(f"feature {number}, {name}: {theirs.get(name)!r} is served as {ours.get(public)!r}")
        if compare_bounds and not same_bounds(source.bounds[number], served.bounds[number]):
            found.append(f"feature {number}: bounds {source.bounds[number]} are served as {served.bounds[number]}")
    return found


def equal(source, served) -> bool:
    """Equal as data: numbers by value, dates however they are written, an absent value as null."""
    if source is None or served is None:
        return source is served
    if isinstance(source, bool) or isinstance(served, bool):
        return bool(source) == bool(served)
    if isinstance(source, (int, float)) and isinstance(served, (int, float)):
        return math.isclose(source, served, rel_tol=1e-12, abs_tol=1e-12)
    if isinstance(source, str) and isinstance(served, str):
        return source == served or (_moment(source) is not None and _moment(source) == _moment(served))
    if isinstance(source, (dict, list)) or isinstance(served, (dict, list)):
        return _json(source) == _json(served)
    return str(source) == str(served)


def _json(value):
    return json.loads(value) if isinstance(value, str) else value


def _moment(text: str) -> str | None:
    match = re.fullmatch(r"(\d{4})[/-](\d\d)[/-](\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?(Z|[+-]\d\d(?::?\d\d)?)?)?", text)
    if not match:
        return None
    year, month, day, time, fraction, zone = match.groups()
    zone = "" if zone in (None, "Z", "+00", "+0000", "+00:00") else zone
    return f"{year}-{month}-{day} {time or '00:00:00'}.{(fraction or '').rstrip('0')}{zone}"


def same_bounds(source, served) -> bool:
    if source is None or served is None:
        return source == served
    return all(math.isclose(a, b, rel_tol=0, abs_tol=1e-9) for a, b in zip(source, served, strict=True))
