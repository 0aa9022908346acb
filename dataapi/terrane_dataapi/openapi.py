"""OpenAPI documents: one for each dataset's URL, one for the whole server."""

import copy
from typing import Any

from fastapi import FastAPI

from .registry import Route

_ID = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": 255}
_PARTS = (("dataset_id", "Dataset"), ("resource_id", "Resource"), ("version_id", "Version"))


def of_dataset(app: FastAPI, route: Route, url: str) -> dict[str, Any]:
    """`app`'s document, told as this dataset's own."""
    document = dict(app.openapi())
    document["info"] = {**document["info"], "title": route.title}
    if route.description:
        document["info"]["description"] = route.description
    document["servers"] = [{"url": url}]
    return document


def of_server(site: FastAPI, kinds: list[FastAPI], url: str) -> dict[str, Any]:
    """The site's document with the endpoints of each kind of dataset under the path that names one."""
    document = copy.deepcopy(site.openapi())
    named = [
        {"name": name, "in": "path", "required": True, "description": text, "schema": _ID} for name, text in _PARTS
    ]
    prefix = "/api/data/" + "/".join(f"{{{name}}}" for name, _ in _PARTS)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for kind in kinds:
        datasets = kind.openapi()
        for path, operations in datasets["paths"].items():
            told = copy.deepcopy(operations)
            for operation in told.values():
                operation["parameters"] = named + operation.get("parameters", [])
            # The landing page and its like are the same for every kind.
            document["paths"].setdefault(prefix + path, told)
        schemas.update(datasets.get("components", {}).get("schemas", {}))
    document["servers"] = [{"url": url}]
    return document
