"""Debian's Chromium, headless, and what it saw and did while it was on a page."""

import ipaddress
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

CHROMIUM = "/usr/bin/chromium"
# A map is drawn with WebGL, here in software.
SOFTWARE_GL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
# The graphics driver's own remarks, of no interest to a person with a graphics card.
DRIVER = "GL Driver Message"


def is_here(url: str) -> bool:
    """The URL leads nowhere but to this machine."""
    parts = urlsplit(url)
    if parts.scheme in ("data", "blob", "about"):
        return True
    return _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass
class Visit:
    """One page, and what happened on it."""

    page: Page
    requests: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.console.append(f"uncaught: {error}"))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        # The context's events include those of workers and service workers.
        self.page.context.on("request", lambda request: self.requests.append(request.url))
        self.page.context.on("requestfailed", self._failed)
        self.page.context.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert") and DRIVER not in message.text:
            self.console.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _failed(self, request: Request) -> None:
        # A map gives up tiles that it no longer wants.
        if request.failure != "net::ERR_ABORTED":
            self.failures.append(f"{request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.failures.append(f"{response.url}: {response.status}")

    def open(self, url: str) -> "Visit":
        self.page.goto(url, wait_until="load")
        return self

    def wait_for_map(self) -> "Visit":
        """All that the map wants has come and is drawn."""
        self.page.wait_for_selector("[data-map][data-ready=yes]", timeout=60_000)
        sizes = self.page.evaluate(
            """() => {
                const place = document.querySelector("[data-map]"), canvas = place.map.getCanvas();
                return [place.clientWidth, place.clientHeight, canvas.clientWidth, canvas.clientHeight];
            }"""
        )
        assert sizes[:2] == sizes[2:], f"{self.page.url}: the map does not fill its frame: {sizes}"
        return self

    def wait_for_idle(self) -> "Visit":
        """What has just been changed about the map is drawn."""
        self.page.evaluate("new Promise(done => document.querySelector('[data-map]').map.once('idle', done).triggerRepaint())")
        return self

    def drawn(self, source: str) -> int:
        """How many features of a source are on the screen (one in two tiles counts twice)."""
        return self.page.evaluate(
            """source => {
                const map = document.querySelector("[data-map]").map;
                return map.queryRenderedFeatures().filter(feature => feature.source === source).length;
            }""",
            source,
        )  # fmt: skip

    def colours(self) -> int:
        """How many different colours the map's picture has: one, if nothing was drawn."""
        return self.page.evaluate(
            """() => new Promise(resolve => {
                const map = document.querySelector("[data-map]").map;
                map.once("render", () => {
                    const gl = map.getCanvas().getContext("webgl2") || map.getCanvas().getContext("webgl");
                    const [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
                    const bytes = new Uint8Array(width * height * 4);
                    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
                    resolve(new Set(new Uint32Array(bytes.buffer)).size);
                });
                map.triggerRepaint();
            })"""
        )

    def overflows(self) -> int:
        """By how many pixels the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def assert_untroubled(self) -> None:
        """Nothing asked of another machine, nothing missing, no complaint."""
        away = [url for url in self.requests if not is_here(url)]
        assert not away, f"{self.page.url} asked another machine: {away}"
        assert not self.failures, f"{self.page.url}: {self.failures}"
        assert not self.console, f"{self.page.url}: {self.console}"


@contextmanager
def chromium(net_log: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, chromium_sandbox=False, args=[*SOFTWARE_GL, f"--log-net-log={net_log}"]
        )
        yield browser
        browser.close()


@contextmanager
def visit(browser: Browser, width: int = 1200, height: int = 900, **more) -> Iterator[Callable[[str], Visit]]:
    """Opens pages in a window of their own, and asserts at the end that nothing troubled them."""
    context = browser.new_context(viewport={"width": width, "height": height}, **more)
    visits: list[Visit] = []

    def go(url: str) -> Visit:
        visits.append(Visit(context.new_page()).open(url))
        return visits[-1]

    try:
        yield go
        for one in visits:
            one.assert_untroubled()
    finally:
        context.close()


def connected_to(net_log: Path) -> set[str]:
    """The addresses the whole browser, not just its pages, opened connections to."""
    log = json.loads(net_log.read_text())
    attempt = log["constants"]["logEventTypes"]["TCP_CONNECT_ATTEMPT"]
    addresses = {event.get("params", {}).get("address") for event in log["events"] if event["type"] == attempt}
    return {address for address in addresses if address}
