"""`python -m terrane_dataapi`: serves until it is told to stop, or until stdin ends.

Writes one line to stdout when it listens: {"listening":"127.0.0.1:7480"}.
"""

import argparse
import asyncio
import json
import logging
import os
import socket
import sys

import uvicorn

from . import __version__, logs


class Server(uvicorn.Server):
    """Says on stdout where it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and sockets:
            print(json.dumps({"listening": _address(sockets[0])}, separators=(",", ":")), flush=True)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(512)
    listener.set_inheritable(False)
    return listener


async def _serve(server: Server, listener: socket.socket, exit_with_stdin: bool) -> None:
    if exit_with_stdin:
        loop = asyncio.get_running_loop()

        def ended() -> None:
            if not os.read(sys.stdin.fileno(), 65536):
                loop.remove_reader(sys.stdin.fileno())
                server.should_exit = True

        try:
            loop.add_reader(sys.stdin.fileno(), ended)
        except PermissionError:
            # epoll takes no regular files and no /dev/null: what never blocks has ended already.
            server.should_exit = True
    await server.serve(sockets=[listener])


def main() -> int:
    parser = argparse.ArgumentParser(prog="terrane_dataapi", description=__doc__.split("\n\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7480, help="0: any free port")
    parser.add_argument("--public-url", help="what links begin with; default http://HOST:PORT")
    parser.add_argument("--files", help="folder of the served files; default: none are served")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when stdin ends")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    parser.add_argument("--access-log", action="store_true", help="one line for every request")
    arguments = parser.parse_args()

    logs.configure(arguments.log_level)
    log = logging.getLogger("terrane.dataapi")
    try:
        listener = _listen(arguments.host, arguments.port)
    except OSError as error:
        log.error("cannot listen", extra={"host": arguments.host, "port": arguments.port, "said": str(error)})
        return 1
    # Only now: the libraries take their time, and log while they are imported.
    from . import application

    public_url = arguments.public_url or f"http://{_address(listener)}"
    config = uvicorn.Config(
        application.build(public_url, arguments.files),
        log_config=None,
        access_log=arguments.access_log,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        limit_concurrency=512,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    log.info("starting", extra={"version": __version__, "public_url": public_url})
    asyncio.run(_serve(Server(config), listener, arguments.exit_with_stdin))
    return 0


if __name__ == "__main__":
    sys.exit(main())
