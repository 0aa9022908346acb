"""Makes a dataset from every file of a folder and compares what is served with what GDAL reads from the files.

A .shp with its siblings is one, a .zip is one. Of each: numberMatched + features dropped with a warning = the count of
`ogrinfo -al -so`; GDAL's OGC API Features client reads it whole with equal attributes, with and without the trailing
slash and without a word on standard error; pystac-client finds its item; a vector tile decodes to its features.
Of a raster: the file that is served is a valid cloud-optimised GeoTIFF whose pixels agree with the source's (exactly, or by
35 dB where the codec is lossy), its statistics agree with `gdalinfo -stats`, and a map tile of it is a picture.
Where a file names no CRS, that is shown, and it is made again with --crs.

--as collection makes one raster collection of all rasters of the folder. Of each scene the same is compared, its statistics as its STAC
item tells them; the catalogue is read by pystac's classes, the mosaic by GDAL's WMTS and TMS drivers and by OWSLib.
--as large lays all rasters together, makes that --scale times as large and one raster dataset of it, which the server cuts into tiles.
Along every seam, tiles and their overviews down to a sixteenth are compared with a file that GDAL writes in one piece; no task may use
more than 1.5 GB.

Exit status: 0 all agree, 1 anything does not, 2 nothing to check.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "Tests/EndToEnd"))
from folder_large import check_large, limit_for, write_source  # noqa: E402
from folder_rasters import check_collection, compare_raster, rasters_of  # noqa: E402
from folder_rows import Row, show  # noqa: E402
from support import clients, features  # noqa: E402
from support.server import AS_ROOT, CONFIGURATION, Installation, Server  # noqa: E402

SIBLINGS = {".shx", ".dbf", ".prj", ".cpg", ".qix", ".qpj", ".sbn", ".sbx", ".idm", ".ind", ".fix"}


def files_of(folder: Path) -> list[Path]:
    """Each file that stands for a dataset of its own."""
    found = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    shapes = {path.stem for path in found if path.suffix.lower() == ".shp"}
    return [
        path for path in found
        if not (path.name.lower().endswith((".shp.xml", ".aux.xml")) or (path.suffix.lower() in SIBLINGS and path.stem in shapes))
    ]  # fmt: skip


def readable_copy(folder: Path, place: Path) -> Path:
    """The folder itself where the server's user can read it, else a copy."""
    if not AS_ROOT:
        return folder
    for path in [folder, *folder.parents]:
        if not path.stat().st_mode & 0o001:
            break
    else:
        if all(path.stat().st_mode & 0o004 for path in [folder, *folder.iterdir()]):
            return folder
    copy = place / "files"
    shutil.copytree(folder, copy)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    print(f"The server's user cannot read {folder}: a copy is used.")
    return copy


def check(server: Server, path: Path, name: str, crs: str | None, limit: float) -> Row:
    row = Row(path.name)
    began = time.monotonic()
    options: tuple[str, ...] = ()
    answer = server.create(name, path, timeout=limit)
    problem = answer.problem if answer.code else None
    if problem and problem["reason"] == "CRS_MISSING":
        row.said = "CRS_MISSING"
        print(f"{path.name}: {problem['reason']}: {problem['message']} {problem['remedy']}")
        if crs:
            options = ("--crs", crs)
            answer = server.create(name, path, *options, timeout=limit)
            problem = answer.problem if answer.code else None
            row.said = f"CRS_MISSING, then --crs {crs}"
    row.seconds = time.monotonic() - began
    if problem:
        row.faults.append(f"{problem['reason']}: {problem['message']}")
        return row
    if answer.code:
        row.faults.append(f"exit {answer.code}: {answer.err[-300:]}")
        return row
    try:
        record = server.record(name)
        if record["result"]["rasters"]:
            compare_raster(server, record, path, row)
        else:
            compare(server, record, path, crs if options else None, row)
    except AssertionError as error:
        row.faults.append(str(error)[:500])
    return row


def compare(server: Server, record: dict, path: Path, crs: str | None, row: Row) -> None:
    source = f"/vsizip/{path}" if path.suffix.lower() == ".zip" else str(path)
    row.source = features.counted_by_ogrinfo(source)
    reasons = {warning["reason"]: warning["count"] for warning in record["warnings"]}
    row.dropped = sum(count for reason, count in reasons.items() if reason in features.DROPPING)
    row.said = ", ".join(filter(None, [row.said, *(f"{count} {reason}" for reason, count in reasons.items())]))
    collections = record["result"]["collections"]
    row.served = sum(server.get(c["items_url"], params={"limit": 1}).json()["numberMatched"] for c in collections)
    if row.served + row.dropped != row.source:
        row.faults.append(f"{row.served} served + {row.dropped} dropped is not {row.source}")

    row.attributes = row.tile = "equal"
    equal = features.RESHAPING & reasons.keys() == set()
    transform = ("-s_srs", crs) if crs else features.table_options(path)
    for collection in collections:
        layer = collection["title"] if len(collections) > 1 else None
        original = features.read(source, *transform, "-t_srs", "EPSG:4326", layer=layer)
        for endpoint in (record["result"]["endpoint"], record["result"]["endpoint"] + "/"):
            served = features.read_served(endpoint, collection["id"])
            if served.errors:
                row.faults.append(f"GDAL said of {endpoint}: {served.errors.strip()[:200]}")
            if len(served.features) != collection["feature_count"]:
                row.faults.append(f"GDAL read {len(served.features)} of {collection['feature_count']} from {endpoint}")
            kept = {n: values for n, values in original.features.items() if row.dropped == 0 or n in served.features}
            found = features.differences(
                features.Read(kept, original.bounds, ""), served, collection["columns"], compare_bounds=equal
            )
            if found:
                row.attributes = "differ"
                row.faults += found[:5]
        row.tile = check_tile(collection, served, row)
    item = clients.stac_item(server.public_url, record)
    row.stac = "found" if item else "missing"
    if not item:
        row.faults.append("pystac-client does not find the item")


def check_tile(collection: dict, served: features.Read, row: Row) -> str:
    """A tile of zoom 8 around some feature holds that feature."""
    number, bounds = next(
        (n, b) for n, b in served.bounds.items() if b and -85 < b[1] and b[3] < 85 and b[2] - b[0] < 180
    )  # fmt: skip
    # The corner of a lake's bounds may lie outside its tile's share; all tiles its bounds touch cannot miss it.
    zoom = next((z for z in range(12, -1, -1) if tiles_between(bounds, z) <= 4), 0)
    first, last = clients.tile_at(bounds[0], bounds[3], zoom), clients.tile_at(bounds[2], bounds[1], zoom)
    tiles = [(x, y) for x in range(first[0], last[0] + 1) for y in range(first[1], last[1] + 1)]
    decoded = [feature for x, y in tiles for feature in clients.decoded_tile(collection["tiles_url"], zoom, x, y)]
    if number in {feature["properties"]["fid"] for feature in decoded}:
        return f"{len(decoded)} at z{zoom}"
    row.faults.append(f"feature {number} is not in the tiles of its place, zoom {zoom}, {tiles}")
    return "differs"


def tiles_between(bounds: tuple[float, float, float, float], zoom: int) -> int:
    west, north = clients.tile_at(bounds[0], bounds[3], zoom)
    east, south = clients.tile_at(bounds[2], bounds[1], zoom)
    return (east - west + 1) * (south - north + 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="check-folder", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--as", dest="form", choices=["collection", "large"], help="all rasters of the folder as one dataset (see above)")
    parser.add_argument("--scale", type=float, default=3, help="of --as large: how much larger its sides are made (default 3)")
    parser.add_argument("--crs", help="the CRS of files that name none, such as EPSG:4326")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for each dataset (default 600; with --as 7200)")
    parser.add_argument("--build", choices=["release", "debug"], default=CONFIGURATION, help=f"the build to run (default {CONFIGURATION})")
    options = parser.parse_args()
    folder = options.folder.resolve()
    find = rasters_of if options.form else files_of
    if not folder.is_dir() or not find(folder):
        print(f"check-folder: no files in {folder}", file=sys.stderr)
        return 2
    limit = options.timeout or (7200 if options.form else 600)

    place = Path(tempfile.mkdtemp(prefix="terrane-check-", dir="/tmp"))
    place.chmod(0o755)
    server = None
    try:
        root = readable_copy(folder, place)
        paths = find(root)
        roots, settings = [root], ["--retry-window", "0"]
        if options.form == "large":
            (place / "large").mkdir(mode=0o755)
            paths = [write_source(paths, place / "large", options.scale)]
            roots.append(place / "large")
            settings += ["--large-raster", str(limit_for(paths[0]))]
        (place / "s").mkdir(mode=0o755)
        if AS_ROOT:
            shutil.chown(place / "s", "terrane")
        server = Server(Installation.stage(place / "app", options.build), place / "s", roots, *settings).start()
        rows = check_all(server, paths, options.form, options.crs, limit)
        scan = server.wait_until_clean()
        show(rows)
        print(f"admin scan: {len(scan['unexpected'])} unexpected, {len(scan['missing'])} missing, of {scan['things']} things")
        return 1 if any(row.faults for row in rows) else 0
    finally:
        if server:
            server.destroy()
        shutil.rmtree(place, ignore_errors=True)


def check_all(server: Server, paths: list[Path], form: str | None, crs: str | None, limit: float) -> list[Row]:
    more = ("--crs", crs) if crs else ()
    if form == "collection":
        return check_collection(server, paths, "check/collection/v1", more, limit)
    if form == "large":
        return check_large(server, paths[0], "check/large/v1", more, limit)
    rows = []
    for number, path in enumerate(paths, 1):
        print(f"{path.name} …", flush=True)
        rows.append(check(server, path, f"check/file-{number}/v1", crs, limit))
    return rows


if __name__ == "__main__":
    sys.exit(main())
