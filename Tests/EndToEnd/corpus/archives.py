"""Archives, and names that lead elsewhere."""

import zipfile
from pathlib import Path

from . import case
from .shapefiles import shapefile
from .writing import geojson, points, text


def zipped(folder: Path, members: dict[str, bytes], name: str = "f.zip") -> Path:
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return folder / name


def parts(folder: Path, count: int = 3) -> dict[str, bytes]:
    path = shapefile(folder, points(count))
    return {part.name: part.read_bytes() for part in folder.iterdir() if part.stem == path.stem and part != path.parent}


@case(3)
def zip_with_a_shapefile(folder: Path) -> Path:
    return zipped(folder, parts(folder))


@case(3)
def zip_with_a_shapefile_in_a_folder(folder: Path) -> Path:
    return zipped(folder, {f"data/{name}": content for name, content in parts(folder).items()})


@case(6)
def zip_with_two_shapefiles(folder: Path) -> Path:
    one = parts(folder)
    return zipped(folder, one | {name.replace("f.", "g."): content for name, content in one.items()})


@case(3)
def zip_with_what_a_mac_adds(folder: Path) -> Path:
    one = parts(folder)
    return zipped(folder, one | {f"__MACOSX/._{name}": b"\0\5\x16\7" for name in one})


@case(None)
def zip_that_climbs_out(folder: Path) -> Path:
    return zipped(folder, {f"../../{name}": content for name, content in parts(folder).items()})


@case(None)
def zip_bomb(folder: Path) -> Path:
    return zipped(folder, parts(folder) | {"f.sbn": bytes(600 << 20)})


@case(None)
def zip_in_a_zip(folder: Path) -> Path:
    inner = zipped(folder, parts(folder), "inner.zip")
    return zipped(folder, {"inner.zip": inner.read_bytes()}, "outer.zip")


@case(3)
def zip_cut(folder: Path) -> Path:
    path = zipped(folder, parts(folder))
    return text(path, path.read_bytes()[:-40])


@case(3)
def zip_with_a_damaged_member(folder: Path) -> Path:
    path = zipped(folder, parts(folder))
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("f.shp")
    start = member.header_offset + 30 + len(member.filename)
    content[start + 4 : start + 12] = bytes(8)
    return text(path, bytes(content))


@case(None)
def zip_with_a_vrt(folder: Path) -> Path:
    return zipped(folder, {"f.vrt": b"<OGRVRTDataSource><OGRVRTLayer name='x'><SrcDataSource>/etc/passwd</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"})


@case(None)
def vrt_of_an_address_elsewhere(folder: Path) -> Path:
    source = "/vsicurl/http://127.0.0.1:9/x.geojson"
    return text(
        folder / "f.geojson",
        f"<OGRVRTDataSource><OGRVRTLayer name='x'><SrcDataSource>{source}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>",
    )


@case(None)
def kmz_without_kml(folder: Path) -> Path:
    return zipped(folder, {"image.png": b"\x89PNG"}, "f.kmz")


@case(None)
def link_out_of_the_roots(folder: Path) -> Path:
    path = folder / "f.geojson"
    path.symlink_to("/etc/hostname")
    return path


@case(3)
def name_with_spaces_and_signs(folder: Path) -> Path:
    return geojson(folder / "Größe & 100% #1 ünd?.geojson", points(3))
