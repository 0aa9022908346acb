"""Mosaics over datasets that are served already: no pixel is copied, and what a mosaic is made of stays as long as it is used."""

import io
import json
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pystac
import pystac_client
import pytest
import rasterio
from owslib.wmts import WebMapTileService
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from support import clients, desktop, rasters
from support.server import Answer, Server
from support.waiting import until

RGB = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
SIDE = 600


def scene(path: Path, column: int, row: int = 0, *, side: int = SIDE, value: int | None = None, **more) -> Path:
    """A square that lies beside that of the next column."""
    place = from_origin(500_000 + column * side * 10, 5_500_000 - row * side * 10, 10, 10)
    pixels = rasters.picture(side) if value is None else np.full((3, side, side), value, "uint8")
    return rasters.write(path, pixels, **{"transform": place, "colours": RGB, "photometric": "RGB", **more})


def mosaic(server: Server, name: str, *members: str, options: tuple[str, ...] = ()) -> Answer:
    words = [word for member in members for word in ("--member", member)]
    return server.cli("create", name, *words, *options, "--watch", timeout=240)


def ready(server: Server, name: str, *members: str, options: tuple[str, ...] = ()) -> dict:
    answer = mosaic(server, name, *members, options=options)
    assert answer.code == 0, (answer.problem, answer.err)
    return server.record(name)


@pytest.fixture(scope="module")
def members(server: Server, sources: Path) -> dict[str, dict]:
    """A raster, a collection of two, and a raster one UTM zone further east."""
    folder = sources / "mosaic-members"
    (folder / "pair").mkdir(parents=True)
    for path in (folder, folder / "pair"):
        path.chmod(0o755)
    single = scene(folder / "single.tif", 0)
    for column in (1, 2):
        scene(folder / "pair" / f"c{column}.tif", column)
    # 500,000 m east of zone 33's own middle lies 6 degrees further east.
    east = rasters.write(
        folder / "east.tif", rasters.picture(SIDE), crs="EPSG:25833", transform=from_origin(130_000, 5_505_000, 10, 10), colours=RGB,
        photometric="RGB",
    )  # fmt: skip
    spring = ("--keyword", "spring")
    return {
        "members/single/v1": server.ready("members/single/v1", single, "--attribution", "Survey", *spring),
        "members/pair/v1": server.ready("members/pair/v1", f"{folder}/pair/*.tif"),
        "members/east/v1": server.ready("members/east/v1", east),
    }


@pytest.fixture(scope="module")
def made(server: Server, members: dict) -> dict:
    return ready(server, "mosaics/all/v1", *members, options=("--title", "All of it"))


def test_datasets_become_one_mosaic_without_a_copy(server: Server, members: dict, made: dict):
    [served] = made["result"]["rasters"]
    assert made["spec"]["type"] == "mosaic" and served["scene_count"] == 4
    assert [one["dataset_id"] + "/" + one["resource_id"] for one in made["spec"]["mosaic"]["datasets"]] == [
        "members/single", "members/pair", "members/east",
    ]  # fmt: skip
    assert made["result"]["capabilities"]["map_tiles"] and made["result"]["crs"] == "EPSG:25832, EPSG:25833"
    files = rasters.files_of(server, made)
    own = [rasters.file_of(server, members[name]) for name in ("members/single/v1", "members/east/v1")]
    own += rasters.files_of(server, members["members/pair/v1"]).values()
    # Its own is but the small picture of all of them.
    assert set(files.values()) - set(own) == {files["~overview"]}
    assert set(own) < set(files.values())
    listed = server.get(served["scenes_url"]).json()["scenes"]
    assert [one["id"] for one in listed] == ["members.single.v1", "members.pair.v1.c1", "members.pair.v1.c2", "members.east.v1"]
    single = server.get(members["members/single/v1"]["result"]["rasters"][0]["download_url"]).content
    assert server.get(listed[0]["data"]).content == single
    for one in listed:
        assert server.get(one["preview"]).headers["content-type"] == "image/png"


def test_every_place_is_drawn_from_its_own_dataset(server: Server, members: dict, made: dict):
    endpoint = made["result"]["endpoint"]
    for name, ids in (("members/single/v1", "members.single"), ("members/east/v1", "members.east"), ("members/pair/v1", "members.pair")):
        box = members[name]["result"]["bbox"]
        place = (box["west"] * 0.4 + box["east"] * 0.6, (box["south"] + box["north"]) / 2)
        told = server.get(f"{endpoint}/point/{place[0]},{place[1]}").json()["assets"]
        assert told[0]["name"].startswith(ids)
        column, row = clients.tile_at(*place, 14)
        ours = server.get(f"{endpoint}/tiles/WebMercatorQuad/14/{column}/{row}.png")
        theirs = server.get(f"{members[name]['result']['endpoint']}/tiles/WebMercatorQuad/14/{column}/{row}.png")
        with rasterio.open(io.BytesIO(ours.content)) as a, rasterio.open(io.BytesIO(theirs.content)) as b:
            where = b.read(b.count) > 0
            assert where.any() and (a.read()[:3, where] == b.read()[:3, where]).all()


def test_the_items_are_the_datasets_own(server: Server, members: dict, made: dict):
    collection = pystac.Collection.from_dict(server.get(made["result"]["stac_collection_url"]).json())
    collection.validate()
    client = pystac_client.Client.open(server.public_url + "/stac")
    items = {item.id: item for item in client.search(collections=[collection.id]).items()}
    assert len(items) == 4
    theirs = server.get(members["members/single/v1"]["result"]["endpoint"] + "/item").json()
    ours = items["members.single.v1"]
    assert ours.datetime == pystac.Item.from_dict(theirs).datetime, "the data's time, not the mosaic's"
    assert ours.geometry == theirs["geometry"]
    for item in items.values():
        pystac.Item.from_dict({**item.to_dict(include_self_link=False), "stac_extensions": []}).validate()
        assert all(asset.href.startswith(made["result"]["endpoint"]) for asset in item.assets.values())
        assert server.get(item.assets["data"].href, headers={"Range": "bytes=0-3"}).status_code == 206
        assert server.get(item.assets["thumbnail"].href).status_code == 200


def test_clients_read_it_and_learn_nothing_of_where_files_lie(server: Server, made: dict):
    endpoint = made["result"]["endpoint"]
    layers = WebMapTileService(made["result"]["rasters"][0]["wmts_url"]).contents
    assert set(layers) == {desktop.layer_of(made), desktop.layer_of(made, "WorldCRS84Quad")}
    assert server.get(endpoint + "/mosaic.json").json()["mosaicjson"] == "0.0.3"
    for path in ("/", "/?f=html", "/info", "/scenes", "/mosaic.json", "/scenes/members.single.v1", "/WMTSCapabilities.xml", "/api"):
        answer = server.get(endpoint + path)
        assert answer.status_code == 200, (path, answer.text[:200])
        assert str(server.data) not in answer.text and "/files/" not in answer.text, path


def test_from_afar_datasets_in_several_systems_are_one_picture(server: Server, folder: Path, name: str):
    """The small picture of all of them is laid out in the first one's reference system."""
    west = scene(folder / "west.tif", 0, side=2_600, value=200)
    # The same ground distance, in the zone next to it: about 30 km further east.
    east = scene(folder / "east.tif", 0, side=2_600, value=90, crs="EPSG:25833", transform=from_origin(99_000, 5_508_000, 10, 10))
    server.ready(name + "w", west)
    server.ready(name + "e", east)
    record = ready(server, name, name + "w", name + "e")
    files = rasters.files_of(server, record)
    assert "~overview" in files and len(files) == 3
    with rasterio.open(files["~overview"]) as small:
        pixels = small.read()
        assert small.crs.to_epsg() == 25832 and max(small.shape) <= 4_096
        shown = pixels[0][pixels[-1] == 255]
        assert {int(v) for v in np.unique(shown // 10 * 10)} >= {200, 90}, "both are on it"
        assert (np.abs(shown.astype(int) - 200) <= 3).mean() > 0.3 and (np.abs(shown.astype(int) - 90) <= 3).mean() > 0.3
    box = record["result"]["bbox"]
    column, row = clients.tile_at((box["west"] + box["east"]) / 2, (box["south"] + box["north"]) / 2, 8)
    endpoint = record["result"]["endpoint"]
    assert server.get(f"{endpoint}/tiles/WebMercatorQuad/8/{column}/{row}/assets").json() == ["overview"]
    assert server.get(f"{endpoint}/tiles/WebMercatorQuad/8/{column}/{row}.png").status_code == 200
    assert server.cli("delete", name, "--purge").code == 0
    until(lambda: not files["~overview"].exists(), "the picture is gone", 60)
    assert files[name.replace("/", ".") + "w"].exists() if name.replace("/", ".") + "w" in files else True
    server.wait_until_clean(60)


def test_what_cannot_be_a_member_is_told_at_once(server: Server, members: dict, made: dict, sources: Path, folder: Path, name: str):
    points = folder / "points.geojson"
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [9, 50]}}
    points.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    points.chmod(0o644)
    server.ready(name + "points", points)
    assert server.create(name + "failed", rasters.write(folder / "nowhere.tif", rasters.picture(50), crs=None)).code != 0
    cases = {
        "nobody/has/this": "does not exist", name + "points": "vectors", "mosaics/all/v1": "mosaic", name + "failed": "failed",
    }  # fmt: skip
    for member, word in cases.items():
        answer = mosaic(server, name, "members/single/v1", member)
        assert answer.problem["reason"] == "MEMBERS_NOT_READY" and answer.problem["user_fixable"], answer
        assert word in answer.problem["details"][f"dataset {member}"], answer.problem
    assert server.cli("get", name).problem["reason"] == "DATASET_NOT_FOUND"
    for words, field in (
        (("--member", "members/single/v1", "--member", "members/single/v1"), "spec.mosaic.datasets"),
        (("--member", "members/single/v1", "--compression", "zstd"), "spec.raster_options"),
    ):
        assert server.cli("create", name, *words).problem["location"]["field"] == field
    for words in (("--member", "members/single/v1", "--crs", "EPSG:4326"), ("--member", "members/single/v1", "--type", "raster"),
                  ("--member", "members/single/v1", "--layer", "x"), ("--member", "0" * 64)):  # fmt: skip
        assert server.cli("create", name, *words).problem["reason"] in ("INVALID_ARGUMENT", "INVALID_ID")


def test_members_with_other_bands_are_named(server: Server, members: dict, folder: Path, name: str):
    gray = rasters.write(folder / "gray.tif", rasters.picture(300, 1))
    server.ready(name + "gray", gray)
    answer = mosaic(server, name, "members/single/v1", name + "gray")
    assert answer.problem["reason"] == "COLLECTION_MISMATCH", answer
    assert "gray" in answer.problem["message"]
    server.wait_until_clean()
    # What failed holds nothing.
    assert server.cli("delete", name + "gray").code == 0


def test_colours_are_those_of_the_datasets_unless_asked_for(server: Server, folder: Path, name: str):
    for number in range(2):
        heights = rasters.write(folder / f"h{number}.tif", rasters.heights(300), transform=from_origin(500_000 + 3_000 * number, 5_500_000, 10, 10))
        server.ready(f"{name}h{number}", heights, "--colormap", "magma", "--rescale", "0,2000")
    plain = ready(server, name, name + "h0", name + "h1")
    asked = ready(server, name + "2", name + "h0", name + "h1", options=("--colormap", "viridis", "--rescale", "0,500"))
    box = plain["result"]["bbox"]
    column, row = clients.tile_at(box["west"] * 0.9 + box["east"] * 0.1, (box["south"] + box["north"]) / 2, 14)
    tile = f"/tiles/WebMercatorQuad/14/{column}/{row}.png"
    member = server.record(name + "h0")["result"]["endpoint"]
    drawn = [server.get(one["result"]["endpoint"] + tile).content for one in (plain, asked)]
    with rasterio.open(io.BytesIO(drawn[0])) as ours, rasterio.open(io.BytesIO(server.get(member + tile).content)) as theirs:
        where = theirs.read(theirs.count) > 0
        assert (ours.read()[:3, where] == theirs.read()[:3, where]).all()
    assert drawn[0] != drawn[1]
    assert asked["spec"]["raster_options"]["colormap"] == "viridis"


def test_a_member_is_not_deleted_under_a_mosaic(server: Server, folder: Path, name: str):
    one = server.ready(name + "a", scene(folder / "a.tif", 0))
    server.ready(name + "b", scene(folder / "b.tif", 1))
    record = ready(server, name, name + "a", name + "b")
    refused = server.cli("delete", name + "a")
    assert refused.problem["reason"] == "DATASET_HAS_DEPENDENTS" and refused.problem["user_fixable"]
    assert refused.problem["details"] == {"count": "1", "dataset 1": name}
    assert server.record(name + "a")["status"] == "ready"
    shown = server.cli("delete", name + "a", "--dry-run").last["dependents"]
    assert [one["dataset_id"] for one in shown] == [name.split("/")[0]]
    assert name in server.cli("delete", name + "a", "--dry-run", json_output=False).out

    # By force it is withdrawn, and the mosaic goes on.
    assert server.cli("delete", name + "a", "--force").code == 0
    assert server.get(one["result"]["endpoint"] + "/").status_code == 404
    assert_serves(server, record, 2)
    assert server.cli("purge", name + "a").problem["reason"] == "DATASET_HAS_DEPENDENTS"
    notices = mosaic(server, name, name + "a", name + "b").lines[0]["notices"]
    assert [notice["reason"] for notice in notices] == ["SOURCE_CHANGED_SINCE"]
    # What is not there any more makes no new build, and the old one stays.
    again = server.cli("reprocess", name, "--watch")
    assert again.code != 0
    assert server.record(name)["last_operation"]["problem"]["reason"] == "MEMBERS_NOT_READY"
    assert_serves(server, record, 2)
    assert server.cli("undelete", name + "a").code == 0
    assert server.get(one["result"]["endpoint"] + "/").status_code == 200

    # A mosaic that is deleted can come back: its members may be deleted and not purged.
    assert server.cli("delete", name).code == 0
    assert server.cli("delete", name + "a").code == 0
    refused = server.cli("purge", name + "a")
    assert refused.problem["details"]["dataset 1"] == f"{name} (deleted)"
    assert server.cli("undelete", name).code == 0
    assert_serves(server, record, 2)
    file = rasters.file_of(server, one) if server.cli("undelete", name + "a").code == 0 else None
    assert server.cli("delete", name, "--purge").code == 0
    until(lambda: server.record(name, "--show-deleted")["state"] == "purged", "the mosaic is purged", 60)
    assert file.exists(), "it belongs to its dataset"
    assert server.cli("delete", name + "a", "--purge").code == 0
    until(lambda: not file.exists(), "the file is gone", 60)
    server.wait_until_clean(60)


def assert_serves(server: Server, record: dict, scenes: int) -> None:
    listed = server.get(record["result"]["endpoint"] + "/scenes").json()["scenes"]
    assert len(listed) == scenes
    for one in listed:
        assert server.get(one["data"], headers={"Range": "bytes=0-3"}).status_code == 206
        assert server.get(one["preview"]).status_code == 200


@pytest.fixture(scope="module")
def hasty(new_server: Callable[..., Server]) -> Server:
    """Removes at once what was replaced."""
    return new_server("--retry-window", "0", "--replaced-window", "0").start()


def test_a_mosaic_keeps_the_build_it_was_made_of(hasty: Server, sources: Path, name: str):
    source = scene(sources / "changing.tif", 0, value=40)
    before = hasty.ready(name + "a", source)
    old = rasters.file_of(hasty, before)
    record = ready(hasty, name, name + "a")
    scene(source, 0, value=210)
    assert hasty.cli("reprocess", name + "a", "--watch").code == 0
    state = lambda: hasty.value("SELECT state FROM coremachine.ledger WHERE identifier = %s", str(old.relative_to(hasty.data / "files")))  # noqa: E731
    # What it was made in goes as ever.
    until(lambda: hasty.value("SELECT count(*) FROM coremachine.ledger WHERE kind <> 'file' AND state = 'DOOMED'") == 0, "scratch is gone", 60)
    # It is doomed, its time has come, and it stays.
    assert state() == "DOOMED" and hasty.value("SELECT bool_and(doom_at <= now()) FROM coremachine.ledger WHERE state = 'DOOMED'")
    other = scene(sources / "other.tif", 0)
    gone = rasters.file_of(hasty, hasty.ready(name + "b", other))
    assert hasty.cli("delete", name + "b", "--purge").code == 0
    until(lambda: not gone.exists(), "garbage collection has run", 60)
    assert old.exists() and state() == "DOOMED"
    assert colour(hasty, record) == 40
    # A new build of the mosaic takes up the new one, and lets the old one go.
    notices = mosaic(hasty, name, name + "a").lines[0]["notices"]
    assert [notice["reason"] for notice in notices] == ["SOURCE_CHANGED_SINCE"]
    assert hasty.cli("reprocess", name, "--watch").code == 0
    assert abs(colour(hasty, hasty.record(name)) - 210) <= 2
    until(lambda: not old.exists(), "the old build is gone", 60)
    assert mosaic(hasty, name, name + "a").lines[0]["notices"] == []
    hasty.wait_until_clean(60)


def colour(server: Server, record: dict) -> int:
    with rasterio.open(io.BytesIO(server.get(record["result"]["endpoint"] + "/preview.png").content)) as picture:
        return int(np.median(picture.read(1)[picture.read(picture.count) > 0]))


@pytest.fixture
def heavy(victim: Server, sources: Path) -> list[str]:
    """Members whose picture from afar takes seconds; made once."""
    names = [f"heavy/part{column}/v1" for column in range(2)]
    for column, member in enumerate(names):
        if victim.cli("get", member).code == 0:
            continue
        place = from_origin(500_000 + column * 90_000, 5_500_000, 10, 10)
        path = rasters.write(sources / f"heavy{column}.tif", rasters.noise(9_000), transform=place, tiled=True)
        victim.ready(member, path, "--no-overviews", timeout=300)
    return names


def begin(server: Server, name: str, members: list[str]):
    watcher = server.begin_command("create", name, *[w for member in members for w in ("--member", member)], "--watch", "--timeout", "300")
    watcher.wait_for("the mosaic", lambda s: s["progress"]["step"] == "mosaic_datasets" and s["progress"]["unit"] == "pixels", 90)
    return watcher


def assert_made(server: Server, name: str, members: list[str]) -> None:
    record = server.record(name)
    assert record["status"] == "ready" and record["result"]["rasters"][0]["scene_count"] == len(members)
    assert len(rasters.files_of(server, record)) == len(members) + 1
    assert_serves(server, record, len(members))
    server.wait_until_clean(60)


def test_a_killed_task_is_run_again(victim: Server, heavy: list[str], name: str):
    watcher = begin(victim, name, heavy)
    [child] = victim.tasks
    child.kill()
    assert watcher.end(240) == 0, watcher.statuses[-1]
    percents = [status["progress"]["percent"] for status in watcher.statuses]
    assert percents == sorted(percents)
    assert_made(victim, name, heavy)


def test_a_killed_server_goes_on_when_started_again(victim: Server, heavy: list[str], name: str):
    watcher = begin(victim, name, heavy)
    victim.kill9()
    victim.start()
    assert watcher.end(240) == 0, watcher.errors
    assert_made(victim, name, heavy)


def test_a_cancelled_mosaic_leaves_nothing_and_holds_nothing(victim: Server, heavy: list[str], name: str):
    watcher = begin(victim, name, heavy)
    children = victim.tasks
    assert children
    assert victim.cli("cancel", name).code == 0
    until(lambda: not any(child.is_running for child in children), "the child is dead", 2 + 3)
    assert watcher.end(30) != 0
    assert victim.record(name)["status"] == "cancelled"
    victim.wait_until_clean(60)
    key = bytes.fromhex(victim.record(name)["dataset_key"])
    held = "SELECT count(*) FROM coremachine.holds h JOIN datasets.datasets d ON d.pk = h.holder WHERE d.key = %s"
    assert victim.value(held, key) == 0
    # Retried, it is made.
    assert victim.cli("retry", name, "--watch", timeout=240).code == 0
    assert_made(victim, name, heavy)


def test_a_mosaic_cancelled_in_its_verification_is_made_anew(victim: Server, sources: Path, name: str):
    """It has let its datasets go: a retry is made of what they are then, from the first step on."""
    folder = sources / "let-go"
    folder.mkdir()
    folder.chmod(0o755)
    changing = scene(folder / "0.tif", 0, side=200, value=60)
    names = [f"let-go/part{column}/v1" for column in range(2)]
    victim.ready(names[0], changing)
    victim.ready(names[1], scene(folder / "1.tif", 1, side=200, value=60))
    # While the data API stands still, verification cannot end.
    [data_api] = victim.children_named("terrane_dataapi")
    data_api.kill(signal.SIGSTOP)
    try:
        watcher = victim.begin_command("create", name, "--member", names[0], "--member", names[1], "--watch", "--timeout", "120")
        watcher.wait_for("verification", lambda s: s["progress"]["step"] == "verify", 90)
        answer = victim.cli("cancel", name)
        assert watcher.end(60) != 0
    finally:
        data_api.kill(signal.SIGCONT)
    assert answer.code == 0, answer.problem
    scene(changing, 0, side=200, value=210)
    assert victim.cli("reprocess", names[0], "--watch", timeout=240).code == 0
    assert victim.cli("retry", name, "--watch", timeout=240).code == 0
    record = victim.record(name)
    assert_serves(victim, record, len(names))
    assert set(rasters.files_of(victim, record)) == {f"let-go.part{column}.v1" for column in range(2)}
    key = bytes.fromhex(record["dataset_key"])
    carried = victim.rows(
        "SELECT j.carried_from FROM coremachine.jobs j JOIN datasets.datasets d ON d.operation_id = j.operation_id WHERE d.key = %s", key
    )  # fmt: skip
    assert carried == [(None,)] * 4
    held = victim.rows(
        "SELECT m.published_build = h.operation_id FROM coremachine.holds h JOIN datasets.datasets d ON d.operation_id = h.holder_operation"
        " JOIN datasets.datasets m ON m.pk = h.subject WHERE d.key = %s", key)  # fmt: skip
    assert held == [(True,), (True,)]
    victim.wait_until_clean(60)
