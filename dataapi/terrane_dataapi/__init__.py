"""Terrane's data API: OGC API Features and Tiles for every published dataset, and STAC for the catalogue.

One ASGI application (`application.build`) made of four parts:

- `origin`    puts the configured public URL in the place of whatever the client sent as Host;
- `dispatch`  finds the dataset a URL names in the routes registry, on every request;
- `vector`    tipg's endpoints over the tables of one dataset (rasters and mosaics get a module beside it);
- `catalog`   stac-fastapi over pgstac.

It holds no state: what it serves is what `serving.routes` says at that moment.
"""

__version__ = "0.1.0"
