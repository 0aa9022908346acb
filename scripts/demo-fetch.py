"""Fetches items, a tile and the STAC item of a dataset and says what they hold: demo-fetch.py RECORD.json"""
import json
import sys
import urllib.request

import mapbox_vector_tile


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


record = json.load(open(sys.argv[1]))
result = record["result"]
for collection in result["collections"]:
    items = json.loads(fetch(f"{collection['items_url']}?limit=3"))
    names = [next((str(v) for k, v in f["properties"].items() if "name" in k), f["id"]) for f in items["features"]]
    print(f"items:  {items['numberMatched']} features in '{collection['id']}', among them {', '.join(map(str, names))}")
    tile = fetch(collection["tiles_url"].replace("{z}", "0").replace("{x}", "0").replace("{y}", "0"))
    layers = {name: len(layer["features"]) for name, layer in mapbox_vector_tile.decode(tile).items()}
    print(f"tile:   0/0/0 has {len(tile)} bytes, features by layer {layers}")
    assert items["numberMatched"] == collection["feature_count"] > 0 and sum(layers.values()) > 0
item = json.loads(fetch(result["stac_item_url"]))
print(f"STAC:   item {item['collection']}/{item['id']}, bbox {[round(v, 2) for v in item['bbox']]}, {len(item['assets'])} assets")
print(f"page:   {result['endpoint']}/  (in a browser: a map of it)")
