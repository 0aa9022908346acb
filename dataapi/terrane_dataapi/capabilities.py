"""WMTS capabilities of one dataset, in its own words: TiTiler's name neither the dataset nor who provides it.

Programs list the layers of all their connections side by side, so a layer's name tells whose it is.
"""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from . import pages
from .registry import DEFAULT_NAMESPACE, Route
from .tile_sets import clipped

# XML 1.0 has no place for these, escaped or not.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Capabilities(Jinja2Templates):
    """Stands where TiTiler expects its templates. It is given one extent for all layers, and each layer has one tile set."""

    def __init__(self) -> None:
        super().__init__(env=pages.TEMPLATES.env)

    def TemplateResponse(self, request: Request, name: str, context: dict[str, Any], **more: Any) -> Response:
        route: Route = request.state.route
        described = {
            "title": _text(route.title),
            "abstract": _text(route.description),
            "provider": _text(route.attribution) or "Terrane",
            "site": str(request.base_url.replace(path=request.state.site_root)).rstrip("/") + "/",
            # "other" tells nobody anything.
            "licence": "" if route.license == "other" else _text(route.license),
            "layers": [_layer(route, layer) for layer in context["layers"]],
        }
        return super().TemplateResponse(request, "wmts.xml", {**context, **described}, **more)


def _layer(route: Route, layer: dict[str, Any]) -> dict[str, Any]:
    tile_set = layer["tms_identifier"]
    name = route.name
    parts = [] if name.namespace == DEFAULT_NAMESPACE else [name.namespace]
    title = _text(route.title)
    return {
        **layer,
        "identifier": ":".join([*parts, name.dataset, name.resource, name.version, tile_set]),
        # Most look for Web Mercator.
        "title": title if tile_set == "WebMercatorQuad" else f"{title} ({tile_set})",
        "bbox": clipped(layer["bbox"], tile_set),
    }


def _text(text: str) -> str:
    return _NO_XML.sub("", text)
