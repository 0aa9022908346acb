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


def of_server(site: FastAPI, vector: FastAPI, url: str) -> dict[str, Any]:
    """The site's document with the endpoints of a vector dataset under the path that names one."""
    document = copy.deepcopy(site.openapi())
    datasets = vector.openapi()
    named = [
        {"name": name, "in": "path", "required": True, "description": text, "schema": _ID} for name, text in _PARTS
    ]
    prefix = "/api/data/" + "/".join(f"{{{name}}}" for name, _ in _PARTS)
    for path, operations in datasets["paths"].items():
        told = copy.deepcopy(operations)
        for operation in told.values():
            operation["parameters"] = named + operation.get("parameters", [])
        document["paths"][prefix + path] = told
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(datasets.get("components", {}).get("schemas", {}))
    document["servers"] = [{"url": url}]
    return document
