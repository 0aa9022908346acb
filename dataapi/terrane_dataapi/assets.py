"""Scripts and styles of the pages, all from this machine: our own, and the libraries' as their wheels bring them."""

import hashlib
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from .problems import Problem

_OWN = Path(str(files(__package__) / "static"))


def _wheel(package: str, *path: str) -> Path:
    # find_spec does not import the package: it is only wanted for its files.
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the Python package {package} is missing; install dataapi/requirements.lock")
    file = Path(spec.submodule_search_locations[0], *path)
    if not file.is_file():
        raise RuntimeError(f"{package} no longer has {'/'.join(path)}")
    return file


def _found() -> dict[str, Path]:
    assets = {file.name: file for file in _OWN.iterdir() if file.is_file()}
    assets["maplibre-gl.js"] = _wheel("maplibre", "srcjs", "maplibre-gl.js")
    assets["maplibre-gl.css"] = _wheel("maplibre", "srcjs", "maplibre-gl.css")
    assets["swagger-ui-bundle.js"] = _wheel("fastapi_offline", "static", "swagger-ui-bundle.js")
    assets["swagger-ui.css"] = _wheel("fastapi_offline", "static", "swagger-ui.css")
    return assets


_ASSETS = _found()
_MEDIA = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".geojson": "application/geo+json"}

# Changes with any asset, so that a browser may keep them as long as it likes.
VERSION = hashlib.sha256(b"".join(_ASSETS[name].read_bytes() for name in sorted(_ASSETS))).hexdigest()[:12]


async def serve(request: Request) -> Response:
    file = _ASSETS.get(request.path_params["name"])
    if file is None:
        raise Problem(404, "NOT_FOUND", "There is no such file.")
    kept = request.query_params.get("v") == VERSION
    headers = {"Cache-Control": "public, max-age=31536000, immutable" if kept else "no-cache"}
    return FileResponse(file, media_type=_MEDIA.get(file.suffix), headers=headers)
