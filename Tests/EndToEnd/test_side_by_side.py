"""Two servers on one machine, each on a data directory of its own: neither knows of the other."""

import re
from collections.abc import Callable
from pathlib import Path

from support.server import Server
from support.waiting import until


def test_two_servers_work_side_by_side(new_server: Callable[..., Server], sources: Path, name: str):
    first, second = new_server().start(), new_server().start()
    assert first.endpoint["rpc"] != second.endpoint["rpc"] and first.public_url != second.public_url
    # The same name in both, loaded at the same time from different files.
    loads = [first.begin(name, sources / "world.gpkg"), second.begin(name, sources / "cycle_hire.geojson")]
    assert [load.end() for load in loads] == [0, 0], [load.errors for load in loads]
    one, two = first.record(name), second.record(name)
    assert one["dataset_key"] == two["dataset_key"], "a key is of the name alone"
    assert one["result"]["feature_count"] != two["result"]["feature_count"]
    for server, record in ((first, one), (second, two)):
        [collection] = record["result"]["collections"]
        assert collection["items_url"].startswith(server.public_url)
        items = server.get(collection["items_url"], params={"limit": 1}).json()
        assert items["numberMatched"] == record["result"]["feature_count"]
        server.wait_until_clean()

    # Credentials of one are nothing to the other.
    stranger = {"TERRANE_CREDENTIALS": str(first.data / "credentials/local-admin")}
    refused = second.cli("list", "--timeout", "5", env=stranger)
    assert refused.code == 3 and re.search("certificate|TLS", refused.err, re.IGNORECASE), refused

    # The crash of one, with its database, is none of the other's business.
    load = second.begin(f"{name}-b", sources / "world.gpkg")
    first.postmaster.kill()
    first.kill9()
    assert load.end() == 0, load.errors
    until(lambda: second.cli("health").code == 0, "the other is well", 10)
    assert first.start().record(name) == one
    assert second.record(name) == two
