"""Many GeoTIFFs as one mosaic: each scene a file and a STAC item, all of them one map."""

import io
import json
import urllib.parse
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from rio_cogeo.cogeo import cog_validate
from support import clients, desktop, rasters
from support.server import Server
from support.waiting import until

RGB = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
SIDE = 600


def scenes(folder: Path, across: int = 3, down: int = 2, *, side: int = SIDE, **more) -> list[Path]:
    """A picture cut into pieces that lie beside each other."""
    whole = rasters.picture(side * max(across, down))
    made = []
    for column in range(across):
        for row in range(down):
            place = from_origin(500_000 + column * side * 10, 5_500_000 - row * side * 10, 10, 10)
            piece = whole[:, row * side : (row + 1) * side, column * side : (column + 1) * side]
            path = folder / f"scene_{column}_{row}.tif"
            made.append(rasters.write(path, piece, transform=place, colours=RGB, photometric="RGB", **more))
    return made


@pytest.fixture(scope="module")
def made(server: Server, sources: Path) -> dict:
    folder = sources / "collection"
    folder.mkdir()
    folder.chmod(0o755)
    scenes(folder)
    (folder / "notes.txt").write_text("not a scene")
    return server.ready("collections/picture/v1", f"{folder}/*.tif", "--title", "A picture in pieces", timeout=240)


def test_a_pattern_becomes_one_mosaic(server: Server, made: dict):
    [mosaic] = made["result"]["rasters"]
    assert mosaic["scene_count"] == 6 and (mosaic["width"], mosaic["height"]) == (1800, 1200)
    assert made["spec"]["type"] == "raster_collection" and made["result"]["capabilities"]["map_tiles"]
    files = rasters.files_of(server, made)
    assert sorted(files) == [f"scene_{c}_{r}" for c in range(3) for r in range(2)]
    for name, file in files.items():
        assert cog_validate(file, strict=True)[0], name
    listed = server.get(mosaic["scenes_url"]).json()
    assert listed["numberMatched"] == 6
    for one in listed["scenes"]:
        assert server.get(one["data"]).content == files[one["id"]].read_bytes()
        assert server.get(one["preview"]).headers["content-type"] == "image/png"
        assert server.get(one["item"]).json()["id"] == one["id"]


def test_the_mosaic_is_the_picture_without_seams(server: Server, made: dict):
    """Along every seam the tiles hold what the scenes hold."""
    endpoint = made["result"]["endpoint"]
    box = made["result"]["bbox"]
    middle = ((box["west"] + box["east"]) / 2, (box["south"] + box["north"]) / 2)
    column, row = clients.tile_at(*middle, 13)
    tile = server.get(f"{endpoint}/tiles/WebMercatorQuad/13/{column}/{row}.png")
    with rasterio.open(io.BytesIO(tile.content)) as picture:
        pixels = picture.read()
    assert pixels.shape == (4, 256, 256) or pixels.shape == (3, 256, 256)
    if len(pixels) == 4:
        assert pixels[3].min() == 255, "no gap between scenes"
    steps = np.abs(np.diff(pixels[:3].astype("int16"), axis=2)).max(axis=(0, 1))
    assert steps.max() < 40, "no line where scenes meet"


def test_every_scene_is_an_item_of_one_collection(server: Server, made: dict):
    collection = pystac.Collection.from_dict(server.get(made["result"]["stac_collection_url"]).json())
    collection.validate()
    assert collection.id == "default:collections:picture:v1"
    items, files = clients.stac_scenes(server.public_url, made), rasters.files_of(server, made)
    assert len(items) == 6 and items.keys() == files.keys()
    for name, item in items.items():
        clients.check_item(item, files[name])
        assert server.get(item.assets["data"].href, headers={"Range": "bytes=0-3"}).status_code == 206
        assert server.get(item.assets["thumbnail"].href).status_code == 200
    west, south, east, north = collection.extent.spatial.bboxes[0]
    assert (west, east) == pytest.approx((made["result"]["bbox"]["west"], made["result"]["bbox"]["east"]))


def test_clients_read_the_mosaic(server: Server, made: dict):
    [mosaic] = made["result"]["rasters"]
    endpoint = made["result"]["endpoint"]
    tilejson = server.get(mosaic["tilejson_url"]).json()
    assert tilejson["minzoom"] <= 12 <= tilejson["maxzoom"]
    document = server.get(mosaic["mosaicjson_url"]).json()
    assert document["mosaicjson"] == "0.0.3"
    assert {url for urls in document["tiles"].values() for url in urls} == {
        f"{endpoint}/scenes/scene_{c}_{r}.tif" for c in range(3) for r in range(2)
    }
    box = made["result"]["bbox"]
    longitude, latitude = box["west"] * 0.9 + box["east"] * 0.1, box["south"] * 0.1 + box["north"] * 0.9
    told = server.get(f"{endpoint}/point/{longitude},{latitude}").json()
    assert [one["name"] for one in told["assets"]] == ["scene_0_0"] and len(told["assets"][0]["values"]) == 3
    assert server.get(f"{endpoint}/point/0,0").status_code == 404
    column, row = clients.tile_at(0, 0, 12)
    assert server.get(f"{endpoint}/tiles/WebMercatorQuad/12/{column}/{row}.png").status_code == 204
    assert server.get(f"{endpoint}/bbox/{box['west']},{box['south']},{box['east']},{box['north']}.png?max_size=300").status_code == 200
    preview = server.get(endpoint + "/preview.png")
    with rasterio.open(io.BytesIO(preview.content)) as picture:
        assert len(np.unique(picture.read(1))) > 50
    for path in ("/", "/?f=html", "/info", "/scenes", "/mosaic.json", "/scenes/scene_0_0", "/WMTSCapabilities.xml", "/api", "/tiles",
                 f"/tiles/WebMercatorQuad/12/{column}/{row}/assets"):  # fmt: skip
        answer = server.get(endpoint + path)
        assert answer.status_code in (200, 204), (path, answer.text[:200])
        assert str(server.data) not in answer.text and "/files/" not in answer.text, path


def test_desktops_read_the_mosaic_as_one_layer(server: Server, made: dict, tmp_path: Path):
    """From afar, and where scenes meet at full resolution."""
    assert made["result"]["rasters"][0]["wmts_url"] == made["result"]["endpoint"] + "/WMTSCapabilities.xml"
    for share in (1, 0.1):
        assert desktop.read_with_gdal(made, tmp_path, share=share)["wmts"].std() > 10
    desktop.read_with_owslib(made, zoom=11)


def test_from_afar_one_small_picture_is_read(server: Server, folder: Path, name: str):
    scenes(folder, 3, 2, side=2000)
    record = server.ready(name, f"{folder}/*.tif", timeout=300)
    files = rasters.files_of(server, record)
    assert "~overview" in files and len(files) == 7
    endpoint = record["result"]["endpoint"]
    box = record["result"]["bbox"]
    middle = ((box["west"] + box["east"]) / 2, (box["south"] + box["north"]) / 2)
    for zoom, from_afar in ((6, True), (8, True), (14, False)):
        column, row = clients.tile_at(*middle, zoom)
        used = server.get(f"{endpoint}/tiles/WebMercatorQuad/{zoom}/{column}/{row}/assets").json()
        assert (used == ["overview"]) == from_afar and used, (zoom, used)
        assert server.get(f"{endpoint}/tiles/WebMercatorQuad/{zoom}/{column}/{row}.png").status_code == 200
    # Gone from the disk with all the rest.
    assert server.cli("delete", name, "--purge").code == 0
    until(lambda: not any(file.exists() for file in files.values()), "the files are gone", 60)
    server.wait_until_clean(60)


def test_many_small_scenes_are_one_picture_from_afar(server: Server, folder: Path, name: str):
    """A thousand of 32 pixels a side would be opened one after the other, which takes 20 s."""
    values = [20 * (1 + number) for number in range(9)]
    for number, value in enumerate(values):
        place = from_origin(500_000 + number * 640, 5_500_000, 10, 10)
        rasters.write(folder / f"{number}.tif", np.full((64, 64), value, "uint16"), transform=place)
    record = server.ready(name, f"{folder}/*.tif")
    roles = server.rows(
        "SELECT role FROM serving.rasters JOIN serving.routes USING (dataset_pk, build) WHERE resource_id = %s", record["name"]["resource_id"]
    )  # fmt: skip
    assert sorted(str(role) for (role,) in roles) == ["None"] * 9 + ["overview"]
    with rasterio.open(io.BytesIO(server.get(record["result"]["endpoint"] + "/preview.png").content)) as picture:
        shown = {tuple(colour) for colour in picture.read([1, 2, 3]).reshape(3, -1).T[picture.read(4).ravel() > 0].tolist()}
    assert len(shown) == len(values), "each scene is a class of its own"


def test_a_list_of_files_lies_in_its_order(server: Server, folder: Path, name: str):
    """Two scenes of one place: the first is what is seen."""
    dark = rasters.write(folder / "dark.tif", np.full((3, 300, 300), 20, "uint8"), colours=RGB, photometric="RGB")
    light = rasters.write(folder / "light.tif", np.full((3, 300, 300), 220, "uint8"), colours=RGB, photometric="RGB")
    for number, (first, second, value) in enumerate([(dark, light, 20), (light, dark, 220)]):
        answer = server.cli("create", f"{name}{number}", "--source", str(first), "--source", str(second), "--watch")
        assert answer.code == 0, answer
        record = server.record(f"{name}{number}")
        with rasterio.open(io.BytesIO(server.get(record["result"]["endpoint"] + "/preview.png").content)) as picture:
            assert abs(int(np.median(picture.read(1))) - value) <= 3
        assert [urllib.parse.urlsplit(url).path for url in record["spec"]["raster_collection"]["urls"]] == [str(first), str(second)]


def broken(folder: Path) -> Path:
    path = rasters.write(folder / "scene_z.tif", rasters.picture(300))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    return path


def test_a_file_that_cannot_be_used_fails_a_strict_collection_and_is_named(server: Server, folder: Path, name: str):
    scenes(folder, 2, 1)
    broken(folder)
    answer = server.create(name, f"{folder}/*.tif")
    assert answer.code != 0
    assert answer.problem["reason"] == "FILES_REJECTED" and answer.problem["user_fixable"]
    assert "scene_z.tif" in answer.problem["message"] and "SOURCE_TRUNCATED" in json.dumps(answer.problem["details"])
    assert [(w["reason"], w["count"]) for w in server.record(name)["warnings"]] == [("FILE_REJECTED", 1)]
    server.wait_until_clean()


def test_a_tolerant_collection_leaves_it_out_with_a_warning(server: Server, folder: Path, name: str):
    scenes(folder, 2, 1)
    broken(folder)
    for empty, content in (("empty.tif", b""), ("text.tif", b"no raster")):
        (folder / empty).write_bytes(content)
        (folder / empty).chmod(0o644)
    record = server.ready(name, f"{folder}/*.tif", "--tolerant")
    assert [(w["reason"], w["count"]) for w in record["warnings"]] == [("FILE_REJECTED", 3)]
    assert record["result"]["rasters"][0]["scene_count"] == 2
    told = server.cli("log", name).out
    assert all(word in told for word in ("scene_z.tif", "empty.tif", "SOURCE_EMPTY", "text.tif", "SOURCE_CORRUPT"))


MISMATCHES = {
    "bands": (lambda p: rasters.write(p, rasters.picture(300, 4)), "bands"),
    "types": (lambda p: rasters.write(p, rasters.picture(300).astype("uint16")), "uint16"),
    "crs": (lambda p: rasters.write(p, rasters.picture(300), crs="EPSG:25833"), "EPSG:25833"),
    "resolution": (lambda p: rasters.write(p, rasters.picture(300), transform=from_origin(500_000, 5_400_000, 13, 13)), "pixels"),
}


@pytest.mark.parametrize("what", MISMATCHES)
def test_scenes_that_do_not_agree_are_refused(server: Server, folder: Path, name: str, what: str):
    make, word = MISMATCHES[what]
    scenes(folder, 2, 1)
    make(folder / "scene_x.tif")
    answer = server.create(name, f"{folder}/*.tif")
    assert answer.problem["reason"] == "COLLECTION_MISMATCH", answer.problem
    assert word in answer.problem["message"] and "scene_x.tif" in answer.problem["message"]


def test_a_tolerant_collection_leaves_out_what_does_not_agree(server: Server, folder: Path, name: str):
    scenes(folder, 2, 1)
    # The first by its name: it is the most common kind that counts.
    rasters.write(folder / "a_gray.tif", rasters.picture(300, 1))
    record = server.ready(name, f"{folder}/*.tif", "--tolerant")
    assert [(w["reason"], w["count"]) for w in record["warnings"]] == [("FILE_REJECTED", 1)]
    assert [one["id"] for one in server.get(record["result"]["rasters"][0]["scenes_url"]).json()["scenes"]] == ["scene_0_0", "scene_1_0"]
    told = server.cli("log", name).out
    assert "a_gray.tif" in told and "COLLECTION_MISMATCH" in told


def test_what_is_told_is_of_all_scenes(server: Server, folder: Path, name: str):
    for column, value in enumerate((100, 400)):
        place = from_origin(500_000 + column * 1_000, 5_500_000, 10, 10)
        rasters.write(folder / f"{column}.tif", np.full((100, 100), value, "uint16") + np.arange(100, dtype="uint16"), transform=place)
    long = "A long story. " * 4_000
    record = server.ready(name, f"{folder}/*.tif", "--description", long)
    told = record["result"]["rasters"][0]["bands"][0]["statistics"]
    assert (told["minimum"], told["maximum"], told["mean"]) == (100, 499, pytest.approx(299.5))
    # A thousand scenes would have it a thousand times.
    assert server.get(record["result"]["stac_collection_url"]).json()["description"] == long
    items = server.get(record["result"]["stac_collection_url"] + "/items").json()["features"]
    assert len(items) == 2 and all(len(item["properties"]["description"]) <= 300 for item in items)


def test_an_option_that_cannot_be_is_refused_before_a_pixel_is_read(server: Server, folder: Path, name: str):
    rasters.write(folder / "a.tif", rasters.heights(100))
    answer = server.create(name, f"{folder}/*.tif", "--compression", "jpeg")
    assert answer.problem["reason"] == "OPTION_UNSUITABLE", answer.problem
    steps = server.rows("SELECT job_type FROM coremachine.jobs WHERE operation_id = %s", server.record(name)["operation"]["id"])
    assert steps == [("probe",)]


def test_a_pattern_that_matches_nothing_says_so(server: Server, folder: Path, name: str):
    answer = server.create(name, f"{folder}/*.tif")
    assert answer.problem["reason"] == "SOURCE_NOT_FOUND" and "*.tif" in answer.problem["message"]
    outside = server.create(name, "/etc/*.tif")
    assert outside.problem["reason"] == "SOURCE_OUTSIDE_ROOTS"
    assert server.create(name, f"{folder}/*/x.tif", "--type", "raster-collection").code != 0


def test_a_new_build_has_what_the_folder_has_now(server: Server, folder: Path, name: str):
    made = scenes(folder, 2, 1)
    record = server.ready(name, f"{folder}/*.tif")
    made[0].unlink()
    assert server.cli("reprocess", name, "--watch").code == 0
    assert server.record(name)["result"]["rasters"][0]["scene_count"] == 1
    items = server.get(record["result"]["stac_item_url"]).json()["features"]
    assert [item["id"] for item in items] == ["scene_1_0"]
    assert server.cli("delete", name).code == 0
    assert server.get(record["result"]["stac_collection_url"]).status_code == 404
    assert server.cli("undelete", name).code == 0
    assert len(server.get(record["result"]["stac_item_url"]).json()["features"]) == 1


@pytest.fixture(scope="module")
def slow_scenes(sources: Path) -> Path:
    """A folder of scenes that take seconds."""
    folder = sources / "slow-scenes"
    folder.mkdir()
    folder.chmod(0o755)
    for number in range(8):
        rasters.write(
            folder / f"s{number}.tif", rasters.noise(2_500, 3), colours=RGB, photometric="RGB",
            transform=from_origin(500_000 + number * 25_000, 5_500_000, 10, 10), tiled=True,
        )  # fmt: skip
    return folder


def test_a_killed_task_costs_only_its_own_file(victim: Server, slow_scenes: Path, name: str):
    watcher = victim.begin(name, f"{slow_scenes}/*.tif", "--timeout", "300")
    present = (
        # Of tasks that have ended: a file is there a moment before.
        "SELECT l.identifier FROM coremachine.ledger l JOIN coremachine.tasks t USING (task_id)"
        " WHERE l.kind = 'file' AND l.state = 'PRESENT' AND t.state = 'SUCCEEDED'"
    )
    until(lambda: len(victim.rows(present)) >= 2, "two files are done", 120, every=0.02)
    done = {victim.data / "files" / file for (file,) in victim.rows(present)}
    victim.kill9()
    victim.start()
    assert watcher.end(240) == 0, watcher.statuses[-1]
    kept = set(rasters.files_of(victim, victim.record(name)).values())
    assert done <= kept, "what was done is served"
    assert victim.record(name)["result"]["rasters"][0]["scene_count"] == 8
    victim.wait_until_clean()


def test_a_cancelled_collection_leaves_nothing(victim: Server, slow_scenes: Path, name: str):
    before = set((victim.data / "files").rglob("*.tif"))
    watcher = victim.begin(name, f"{slow_scenes}/*.tif")
    until(lambda: set((victim.data / "files").rglob("*.tif")) - before, "a file is done", 120, every=0.02)
    children = victim.tasks
    assert victim.cli("cancel", name).code == 0
    until(lambda: not any(child.is_running for child in children), "the children are dead", 5)
    assert watcher.end(30) != 0
    until(lambda: set((victim.data / "files").rglob("*.tif")) == before, "what was done is gone", 60)
    victim.wait_until_clean()
