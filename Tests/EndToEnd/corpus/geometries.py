"""Geometries that are odd, wrong, empty, huge or of several kinds."""

from pathlib import Path

from . import case
from .writing import feature, geojson, line, point, polygon, square, text


@case(3)
def nulls_and_empties(folder: Path) -> Path:
    empty = {"type": "MultiPoint", "coordinates": []}
    return geojson(folder / "f.geojson", [feature(point(1, 1)), feature(None), feature(empty)])


@case(3, "--null-geometry", "keep")
def nulls_kept(folder: Path) -> Path:
    return nulls_and_empties(folder)


@case(3, "--null-geometry", "fail")
def nulls_refused(folder: Path) -> Path:
    return nulls_and_empties(folder)


@case(2)
def only_nulls(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature(None, {"n": n}) for n in range(2)])


@case(2)
def out_of_range(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature(point(1, 1)), feature(point(10, 95))])


@case(2, "--max-rejects", "1")
def out_of_range_and_allowed(folder: Path) -> Path:
    return out_of_range(folder)


@case(2)
def not_a_number(folder: Path) -> Path:
    return text(folder / "f.csv", "n,lon,lat\n1,1,1\n2,nan,1\n")


@case(2)
def infinite(folder: Path) -> Path:
    return text(folder / "f.csv", 'n,wkt\n1,POINT (1 1)\n2,"POINT (inf 1)"\n')


@case(2)
def infinite_in_json(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature(point(1, 1)), feature(point(float("inf"), 1))])


@case(4)
def self_crossing(folder: Path) -> Path:
    bow = [(0, 0), (2, 2), (2, 0), (0, 2), (0, 0)]
    flat = [(0, 0), (1, 1), (2, 2), (0, 0)]
    outside = polygon(square(), square(5, 5))
    return geojson(
        folder / "f.geojson", [feature(polygon(square())), feature(polygon(bow)), feature(polygon(flat)), feature(outside)]
    )


@case(3)
def across_the_antimeridian(folder: Path) -> Path:
    return geojson(
        folder / "f.geojson",
        [feature(polygon([(178, 0), (-178, 0), (-178, 5), (178, 5), (178, 0)])), feature(polygon(square(175, 0, 10))), feature(polygon(square()))],
    )


@case(2)
def heights_and_measures(folder: Path) -> Path:
    return text(folder / "f.csv", 'n,wkt\n1,"POINT ZM (1 2 3 4)"\n2,"POINT M (1 2 3)"\n')


@case(4)
def points_lines_and_polygons(folder: Path) -> Path:
    return geojson(
        folder / "f.geojson", [feature(point(1, 1)), feature(line((0, 0), (1, 1))), feature(polygon(square())), feature(None)]
    )


@case(2)
def collections_of_geometries(folder: Path) -> Path:
    both = {"type": "GeometryCollection", "geometries": [point(1, 1), line((0, 0), (1, 1))]}
    return geojson(folder / "f.geojson", [feature(both), feature(point(2, 2))])


@case(2)
def curves(folder: Path) -> Path:
    return text(folder / "f.csv", 'n,wkt\n1,"CIRCULARSTRING (0 0,1 1,2 0)"\n2,"LINESTRING (0 0,1 1)"\n')


@case(1)
def triangles(folder: Path) -> Path:
    return text(folder / "f.csv", 'n,wkt\n1,"TIN Z (((0 0 1,1 0 1,1 1 1,0 0 1)),((0 0 1,1 1 1,0 1 1,0 0 1)))"\n')


@case(1)
def a_line_of_one_point(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature({"type": "LineString", "coordinates": [(1, 1)]})])


@case(2)
def a_line_of_the_same_point_twice(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature(line((1, 1), (1, 1))), feature(line((1, 1), (2, 2)))])


@case(1)
def coordinates_that_are_words(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature({"type": "Point", "coordinates": ["one", "two"]})])


@case(1)
def a_geometry_of_40_megabytes(folder: Path) -> Path:
    pairs = ",".join(f"[{n % 1700 / 10 - 85},{n % 850 / 10}]" for n in range(2_500_000))
    head = '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":{"type":"LineString","coordinates":['
    return text(folder / "f.geojson", head + pairs + "]}}]}")
