"""The registry decides, at every request."""

import samples

PLACES = "/api/data/places/cities/v1.0"
ITEMS = f"{PLACES}/collections/cities/items"
TOKEN = {"X-Terrane-Preview": samples.PREVIEW_TOKEN}


def test_a_withdrawn_dataset_is_gone_at_once(service, admin):
    assert service.json(ITEMS)["numberMatched"] == 1200
    samples.withdraw(admin, samples.PLACES)
    try:
        gone = service.get(ITEMS)
        assert (gone.status_code, gone.json()["reason"]) == (404, "DATASET_NOT_FOUND")
        assert gone.headers["cache-control"] == "no-store"
        listed = service.json("/")["datasets"]
        assert "places" not in {dataset["dataset_id"] for dataset in listed}
    finally:
        samples.publish_places(admin, 10, 1200)
    assert service.json(ITEMS)["numberMatched"] == 1200


def test_another_build_answers_at_once_with_its_own_data(service, admin):
    before = service.get(f"{ITEMS}/1")
    samples.places(admin, 11, 7, "Rebuilt ")
    with admin.transaction():
        samples.withdraw(admin, samples.PLACES)
        samples.publish_places(admin, 11, 7)
    try:
        page = service.json(ITEMS)
        assert page["numberMatched"] == 7
        assert page["features"][1]["properties"]["name"] == "Rebuilt 2"
        assert service.get(f"{ITEMS}/1", headers={"If-None-Match": before.headers["etag"]}).status_code == 200
    finally:
        with admin.transaction():
            samples.withdraw(admin, (*samples.PLACES[:5], 11))
            samples.publish_places(admin, 10, 1200)
        admin.execute("DROP TABLE data.d1_b11_t1")
    assert service.json(ITEMS)["numberMatched"] == 1200


def test_a_preview_answers_to_its_token_only(service, admin):
    samples.places(admin, 12, 5, "Preview ")
    samples.publish_places(admin, 12, 5, token=samples.PREVIEW_TOKEN)
    try:
        assert service.json(ITEMS)["numberMatched"] == 1200
        preview = service.get(ITEMS, headers=TOKEN)
        assert preview.json()["numberMatched"] == 5
        # What a preview says is counted, not believed: terraned verifies a build by it.
        admin.execute("DELETE FROM data.d1_b12_t1 WHERE fid = 5")
        assert service.get(ITEMS, headers=TOKEN).json()["numberMatched"] == 4
        assert preview.headers["cache-control"] == "no-store"
        assert "etag" not in preview.headers
        for wrong in ("", "00" * 32, samples.PREVIEW_TOKEN[:-1], samples.PREVIEW_TOKEN + "0"):
            assert service.get(ITEMS, headers={"X-Terrane-Preview": wrong}).status_code == 404
        assert service.get(PLACES, headers=TOKEN).json()["title"].startswith("Cities")
        assert len(service.json("/?q=cities")["datasets"]) == 1
    finally:
        samples.withdraw(admin, (*samples.PLACES[:5], 12))
        admin.execute("DROP TABLE data.d1_b12_t1")
    assert service.get(ITEMS, headers=TOKEN).status_code == 404


def test_a_preview_of_something_unpublished_is_invisible(service, admin):
    of = ("default", "secret", "x", "v1", 99, 990)
    samples.route(admin, of, [("cities", "d1_b10_t1", "Point", 1200, None)], token=samples.PREVIEW_TOKEN)
    try:
        assert service.get("/api/data/secret/x/v1/").status_code == 404
        assert service.get("/api/data/secret/x/v1/", headers=TOKEN).status_code == 200
        assert "secret" not in service.get("/").text
    finally:
        samples.withdraw(admin, of)


def test_a_table_that_is_gone_is_not_found(service, admin):
    samples.places(admin, 13, 3)
    of = ("default", "fading", "x", "v1", 1, 13)
    samples.route(admin, of, [("cities", "d1_b13_t1", "Point", 3, None), ("never", "d1_b14_t1", "Point", 3, None)])
    try:
        path = "/api/data/fading/x/v1/collections/{}/items"
        assert service.json(path.format("cities"))["numberReturned"] == 3
        admin.execute("DROP TABLE data.d1_b13_t1")
        for collection in ("cities", "never"):
            gone = service.get(path.format(collection))
            assert (gone.status_code, gone.json()["reason"]) == (404, "DATASET_WITHDRAWN")
    finally:
        samples.withdraw(admin, of)


def test_a_route_without_its_files_is_withdrawn(service, admin):
    of = ("default", "picture", "x", "v1", 98, 980)
    samples.route(admin, of, [])
    try:
        for kind in ("raster", "mosaic"):
            admin.execute("UPDATE serving.routes SET kind = %s WHERE dataset_pk = 98", (kind,))
            answer = service.get("/api/data/picture/x/v1/")
            assert (answer.status_code, answer.json()["reason"]) == (404, "DATASET_WITHDRAWN")
    finally:
        samples.withdraw(admin, of)


def test_only_the_path_that_names_a_dataset_reaches_it(service):
    for path in (
        "/api/data/@default/places/cities/v1.0/", "/api/data/@survey-2/places/cities/v1.0/", "/api/data/places/cities/",
        "/api/data/PLACES/cities/v1.0/", "/api/data//places/cities/v1.0/", "/api/data/places/cities/v1.0'--/", "/api/data/",
        "/api/data/@/places/cities/v1.0/", "/api/data/places/cities/..%2fv1.0/",
    ):  # fmt: skip
        assert service.get(path).status_code == 404, path


def test_without_its_slash_a_dataset_redirects_relative_to_itself(service):
    answer = service.get(f"{PLACES}?f=json", allow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "v1.0/?f=json")
