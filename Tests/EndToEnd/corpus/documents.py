"""GeoJSON, line-delimited GeoJSON, KML, FlatGeobuf."""

import json
from pathlib import Path

from . import case
from .writing import collection, converted, feature, geojson, point, points, square, text


@case(0)
def geojson_of_nothing(folder: Path) -> Path:
    return text(folder / "f.geojson", b"")


@case(0)
def geojson_array(folder: Path) -> Path:
    return text(folder / "f.geojson", json.dumps(points(3)))


@case(3)
def geojson_cut(folder: Path) -> Path:
    return text(folder / "f.geojson", json.dumps(collection(points(3)))[:-40])


@case(3)
def geojson_with_a_comma_too_many(folder: Path) -> Path:
    return text(folder / "f.geojson", json.dumps(collection(points(3))).replace("]}", ",]}"))


@case(3)
def geojson_with_bom(folder: Path) -> Path:
    return text(folder / "f.geojson", b"\xef\xbb\xbf" + json.dumps(collection(points(3))).encode())


@case(3)
def geojson_in_utf16(folder: Path) -> Path:
    return text(folder / "f.geojson", json.dumps(collection(points(3))).encode("utf-16"))


@case(1)
def geojson_of_one_feature(folder: Path) -> Path:
    return text(folder / "f.geojson", json.dumps(points(1)[0]))


@case(1)
def geojson_of_a_bare_geometry(folder: Path) -> Path:
    return text(folder / "f.geojson", json.dumps(point(1, 2)))


@case(2)
def geojson_with_an_old_crs_member(folder: Path) -> Path:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    return geojson(folder / "f.geojson", [feature(point(1e6, 2e6)), feature(point(0, 0))], crs=crs)


@case(2)
def geojson_with_an_unknown_crs_member(folder: Path) -> Path:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::999999"}}
    return geojson(folder / "f.geojson", points(2), crs=crs)


@case(4)
def geojson_with_values_of_every_kind(folder: Path) -> Path:
    values = [1, "two", None, {"three": [3, 3.5]}]
    return geojson(folder / "f.geojson", [feature(point(n, n), {"v": value}) for n, value in enumerate(values)])


@case(2)
def geojson_with_numbers_beyond_64_bits(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature(point(n, n), {"big": 2**70 + n}) for n in range(2)])


@case(3)
def geojson_with_the_same_id_twice(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature(point(n, n), {"n": n}, id=n // 2) for n in range(3)])


@case(2)
def geojson_with_words_as_ids(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature(point(n, n), {"n": n}, id=f"id-{n}") for n in range(2)])


@case(2)
def geojson_with_columns_that_sql_reserves(folder: Path) -> Path:
    names = ["select", "SELECT", "user", "fid", "geom", "ctid", "a b", "", 'x"; DROP TABLE t; --', "日本", "n" * 200]
    return geojson(folder / "f.geojson", [feature(point(n, n), {name: n for name in names}) for n in range(2)])


@case(1)
def geojson_with_1600_columns(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature(point(1, 1), {f"c{n}": n for n in range(1_600)})])


@case(1)
def geojson_with_10000_columns(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature(point(1, 1), {f"c{n}": n for n in range(10_000)})])


@case(1)
def geojson_nested_deep(folder: Path) -> Path:
    nested = '{"a":' * 2_000 + "1" + "}" * 2_000
    head = '{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[1,1]},"properties":'
    return text(folder / "f.geojson", head + nested + "}]}")


@case(2)
def geojson_with_a_zero_byte_in_text(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature(point(n, n), {"name": "a\u0000b"}) for n in range(2)])


@case(2)
def geojson_in_latin_1(folder: Path) -> Path:
    content = json.dumps(collection([feature(point(n, n), {"name": "Größe"}) for n in range(2)]), ensure_ascii=False)
    return text(folder / "f.geojson", content.encode("latin-1"))


@case(2, "--encoding", "ISO-8859-1")
def geojson_in_latin_1_and_told_so(folder: Path) -> Path:
    return geojson_in_latin_1(folder)


@case(2, "--encoding", "NO-SUCH-ENCODING")
def geojson_in_an_encoding_nobody_knows(folder: Path) -> Path:
    return geojson_in_latin_1(folder)


@case(3)
def sequence_cut(folder: Path) -> Path:
    return text(folder / "f.geojsonl", "\n".join(map(json.dumps, points(3)))[:-20])


@case(3)
def sequence_with_a_line_of_prose(folder: Path) -> Path:
    return text(folder / "f.geojsonl", "\n".join([*map(json.dumps, points(3)), "and so on"]))


@case(3)
def sequence_with_record_separators(folder: Path) -> Path:
    return text(folder / "f.geojsonl", "".join(f"\x1e{json.dumps(one)}\n" for one in points(3)))


@case(3)
def sequence_with_empty_lines(folder: Path) -> Path:
    return text(folder / "f.ndjson", "\n\n".join(map(json.dumps, points(3))) + "\n\n")


def kml(folder: Path, inside: str, prolog: str = "") -> Path:
    return text(
        folder / "f.kml",
        f'<?xml version="1.0" encoding="UTF-8"?>{prolog}<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{inside}</Document></kml>',
    )


PLACE = "<Placemark><name>{}</name><Point><coordinates>{},1</coordinates></Point></Placemark>"


@case(2)
def kml_with_two_places(folder: Path) -> Path:
    return kml(folder, "".join(PLACE.format(f"p{n}", n) for n in range(2)))


@case(0)
def kml_without_places(folder: Path) -> Path:
    return kml(folder, "<name>nothing</name>")


@case(2)
def kml_cut(folder: Path) -> Path:
    path = kml_with_two_places(folder)
    return text(path, path.read_bytes()[:-60])


@case(None)
def kml_with_an_entity_out_of_a_file(folder: Path) -> Path:
    prolog = '<!DOCTYPE kml [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
    return kml(folder, PLACE.format("&secret;", 1), prolog)


@case(None)
def kml_of_a_billion_laughs(folder: Path) -> Path:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return kml(folder, PLACE.format("&l9;", 1), f'<!DOCTYPE kml [<!ENTITY l0 "ha">{levels}]>')


@case(None)
def kml_with_a_link_elsewhere(folder: Path) -> Path:
    link = "<NetworkLink><Link><href>http://127.0.0.1:9/other.kml</href></Link></NetworkLink>"
    return kml(folder, link + PLACE.format("here", 1))


@case(None)
def kml_of_two_gigabytes(folder: Path) -> Path:
    path = kml_with_two_places(folder)
    with path.open("r+b") as file:
        file.truncate(2 << 30)
    return path


@case(3)
def flatgeobuf_cut(folder: Path) -> Path:
    path = converted(folder / "f.fgb", "FlatGeobuf", points(3))
    return text(path, path.read_bytes()[:-30])


@case(3)
def flatgeobuf_with_noise_in_its_index(folder: Path) -> Path:
    path = converted(folder / "f.fgb", "FlatGeobuf", points(3))
    content = bytearray(path.read_bytes())
    content[-200:-150] = bytes(50)
    return text(path, bytes(content))


@case(3)
def flatgeobuf_of_another_version(folder: Path) -> Path:
    path = converted(folder / "f.fgb", "FlatGeobuf", points(3))
    return text(path, b"fgb\x09" + path.read_bytes()[4:])


@case(3)
def flatgeobuf_without_an_index(folder: Path) -> Path:
    return converted(folder / "f.fgb", "FlatGeobuf", points(3), "-lco", "SPATIAL_INDEX=NO")


@case(2)
def geojson_under_the_name_of_a_geopackage(folder: Path) -> Path:
    return geojson(folder / "f.gpkg", points(2))


@case(1)
def geojson_with_a_polygon_of_one_ring_open(folder: Path) -> Path:
    return geojson(folder / "f.geojson", [feature({"type": "Polygon", "coordinates": [square()[:-1]]})])
