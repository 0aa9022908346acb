"""What becomes of every odd and broken file of the corpus: one golden row each, and rules that hold for all of them.

`UPDATE_GOLDEN=1` writes the rows anew; read the difference before you keep it.
"""

import json
import os
from pathlib import Path

import pytest

from corpus import CASES, Case
from support import features, samples
from support.server import Server

GOLDEN = Path(__file__).parent / "corpus" / "golden.json"


def outcome(record: dict | None, problem: dict | None) -> dict:
    """What is kept of a record: everything that a caller sees and that is the same in every run."""
    if record is None or record["status"] != "ready":
        row = {"status": "failed" if record else "refused", "reason": problem["reason"]}
        place = problem.get("location", {})
        return row | {key: place[key] for key in ("layer", "feature", "field") if place.get(key, "") != ""}
    result = record["result"]
    return {
        "status": "ready",
        "collections": {c["id"]: f"{c['feature_count']} {c['geometry_type']}" for c in result["collections"]},
        "columns": {c["id"]: ", ".join(f"{x['name']} {x['type']}" for x in c["columns"])[:300] for c in result["collections"]},
        "warnings": {w["reason"]: w["count"] for w in record.get("warnings", [])},
    }


def assert_never_5xx(server: Server, record: dict) -> None:
    endpoint = record["result"]["endpoint"]
    urls = [endpoint, f"{endpoint}/collections", record["result"]["stac_item_url"]]
    for collection in record["result"]["collections"]:
        base = f"{endpoint}/collections/{collection['id']}"
        urls += [base, f"{base}/items", f"{base}/items/1", f"{base}/queryables", f"{base}/items?filter=fid>1&filter-lang=cql2-text"]
        urls += [f"{base}/tiles/WebMercatorQuad/0/0/0", f"{base}/tiles/WebMercatorQuad/tilejson.json"]
        urls += [f"{base}/items?sortby=-{column['name']}" for column in collection["columns"][:3]]
        urls += [f"{base}/items?bbox=-180,-90,180,90", f"{base}/items?f=html", f"{base}/items?f=csv"]
    for url in urls:
        answer = server.get(url)
        assert answer.status_code < 500, f"{url}: {answer.status_code} {answer.text[:300]}"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_comes_to_what_the_golden_row_says(case: Case, server: Server, folder: Path):
    path = case.make(folder)
    samples.readable(*(part for part in folder.rglob("*") if not part.is_symlink()))
    name = f"corpus/{case.name.replace('_', '-')}/v1"
    answer = server.create(name, path, *case.options)
    found = server.cli("get", name)
    record = found.last if found.code == 0 else None
    row = outcome(record, answer.problem)
    if row["status"] == "ready":
        assert_never_5xx(server, record)
        treatment = record["result"]["treatment"]
        dropped = sum(w["count"] for w in record.get("warnings", []) if w["reason"] in features.DROPPING)
        if case.holds is not None:
            assert record["result"]["feature_count"] + dropped >= case.holds, "accepted with fewer features and no word of it"
            assert treatment["source_features"] <= record["result"]["feature_count"] + dropped
    else:
        assert answer.problem["user_fixable"] and answer.problem["remedy"] and answer.problem["message"]
    rows = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("UPDATE_GOLDEN"):
        rows = {key: value for key, value in (rows | {case.name: row}).items() if key in CASES}
        GOLDEN.write_text(json.dumps(dict(sorted(rows.items())), indent=1, ensure_ascii=False) + "\n")
    else:
        assert row == rows[case.name]


def test_the_corpus_is_large_and_every_row_has_a_file():
    assert len(CASES) >= 40
    assert json.loads(GOLDEN.read_text()).keys() == CASES.keys()


def test_nothing_is_left_of_what_failed(server: Server):
    server.wait_until_clean()
    assert server.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'staging%'") == []
