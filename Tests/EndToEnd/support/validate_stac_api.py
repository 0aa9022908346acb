"""Runs stac-api-validator with the schemas that pystac carries; it would fetch them from the network, one by one.

A schema that pystac does not carry (an extension's) checks nothing.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")  # stac-validator says of itself that it is old

import pystac  # noqa: E402
import stac_validator.utilities  # noqa: E402
import stac_validator.validate  # noqa: E402
from stac_api_validator.__main__ import main  # noqa: E402

_KNOWN: dict[str, Any] = {}
for _path in (Path(pystac.__file__).parent / "validation/jsonschemas").rglob("*.json"):
    _schema = json.loads(_path.read_text())
    # By name too: common.json calls itself otherwise than it is called.
    _KNOWN[_schema.get("$id", "").rstrip("#")] = _KNOWN[_path.name] = _schema


def carried(url: str) -> Any:
    url = str(url).rstrip("#")
    return _KNOWN.get(url) or _KNOWN.get(url.rpartition("/")[2], {})


stac_validator.utilities.fetch_and_parse_schema = stac_validator.validate.fetch_and_parse_schema = carried
sys.exit(main())
