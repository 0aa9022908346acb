"""Cases for clients: scripted servers that say exactly what a case wants."""

from . import calls, connections, retries, streams  # noqa: F401
