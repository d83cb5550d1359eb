"""A real Chromium before a real service; whatever the browser complains of fails the test."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from service.database import Database
from tests.browser.site import Site

Scheme = Literal["light", "dark"]
OpenPage = Callable[[int, Scheme], Page]

_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Milliseconds; a busy machine takes its time to read Plotly's script.
_PATIENCE = 40_000
_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} refused ${event.blockedURI}`));
"""


class Complaints:
    """What the browser complained of, but for what a test says that it brings about."""

    def __init__(self) -> None:
        self._seen: list[str] = []
        self._expected: list[str] = []

    def expect(self, pattern: str) -> None:
        """Complaints that match are the test's own doing."""
        self._expected.append(pattern)

    def listen(self, page: Page) -> None:
        """Collect from a page."""
        page.add_init_script(_REPORT_VIOLATIONS)
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._seen.append(f"uncaught: {error}"))
        page.on("requestfailed", self._note_request)

    @property
    def unexpected(self) -> list[str]:
        """Everything that no pattern expects."""
        return [
            text
            for text in self._seen
            if not any(re.search(pattern, text) for pattern in self._expected)
        ]

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self._seen.append(f"{kind}: {text}")

    def _note_request(self, request: Request) -> None:
        # A page that is left drops its stream; that is no failure.
        if request.failure != "net::ERR_ABORTED":
            self._seen.append(f"request: {request.url} {request.failure}")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here, and no longer: its event loop would be in others' way."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on this machine")
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A service on an empty data folder."""
    running = Site(tmp_path / "data")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def database(site: Site) -> Iterator[Database]:
    """The service's database, to write into."""
    opened = Database(site.database_url)
    yield opened
    opened.close()


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Fails the test, at its end, for complaints that it did not expect."""
    collected = Complaints()
    yield collected
    assert collected.unexpected == []


@pytest.fixture
def open_page(browser: Browser, site: Site, complaints: Complaints) -> Iterator[OpenPage]:
    """Opens pages of a width and a colour scheme, each of a fresh profile; relative addresses
    lead to the service."""
    with ExitStack() as stack:

        def opened(width: int, scheme: Scheme) -> Page:
            context = stack.enter_context(
                browser.new_context(
                    base_url=site.url,
                    color_scheme=scheme,
                    viewport={"width": width, "height": 900},
                )
            )
            context.set_default_timeout(_PATIENCE)
            page = context.new_page()
            complaints.listen(page)
            return page

        yield opened


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A page as wide as a laptop's, light."""
    return open_page(1200, "light")
