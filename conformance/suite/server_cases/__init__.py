"""Cases for servers: each gets a server of its own and plays the client, frame by frame."""

from . import calls, connections, flow, hostile, lifetimes, security, streams, watching  # noqa: F401
