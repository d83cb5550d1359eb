"""How pages look: nothing sticks out at 400 pixels, dark is dark, the policy is strict."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from service.dashboard.assets import modules
from service.database import Database
from tests.browser.conftest import OpenPage, Scheme
from tests.browser.journal import finished, searched
from tests.browser.site import Site


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (400, "dark"), (1200, "dark")])
def test_pages_fit_their_width(
    open_page: OpenPage, database: Database, tmp_path: Path, width: int, scheme: Scheme
) -> None:
    job = finished(database)
    searched(database)
    page = open_page(width, scheme)
    page.goto("/")
    expect(page.locator("tbody tr")).to_have_count(2)
    _check(page, tmp_path / f"jobs-{scheme}-{width}.png", scheme, width)
    page.goto(f"/jobs/{job.id}")
    expect(page.locator("#chart .annotation-text")).to_have_count(3)
    page.get_by_text("View as table").click()
    _check(page, tmp_path / f"job-{scheme}-{width}.png", scheme, width)


def test_headers_of_a_page(page: Page, database: Database) -> None:
    job = searched(database)
    answer = page.request.get(f"/jobs/{job.id}")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"


def test_static_files(page: Page, site: Site) -> None:
    plotly = page.request.get("/static/plotly.min.js")
    assert "immutable" in plotly.headers["cache-control"]
    assert "javascript" in plotly.headers["content-type"]
    script = page.request.get("/static/job.js")
    assert script.headers["cache-control"] == "no-cache"
    again = page.request.get("/static/job.js", headers={"If-None-Match": script.headers["etag"]})
    assert again.status == 304
    assert page.request.get("/static/favicon.svg").headers["content-type"] == "image/svg+xml"
    for name in ("none.js", "..%2fendpoints.py", "%2e%2e%2fendpoints.py"):
        assert page.request.get(f"/static/{name}").status == 404
    missing = page.request.get("/v1/jobs/nope")
    assert missing.headers["content-type"] == "application/problem+json"
    assert page.request.get("/jobs").url == f"{site.url}/"


_LOADED = """() => performance.getEntriesByType("resource").map(({ name }) => name)
  .filter((name) => name.endsWith(".js"))"""
_NAMED = "(links) => links.map(({ href }) => href)"


@pytest.mark.parametrize("path", ["", "new", "compare", "jobs"])
def test_a_page_names_all_modules_that_it_loads(page: Page, database: Database, path: str) -> None:
    page.goto(f"/jobs/{finished(database).id}" if path == "jobs" else f"/{path}")
    named = page.eval_on_selector_all("link[rel=modulepreload]", _NAMED)
    assert len(named) == len(set(named)) > 1
    loaded = {address.rpartition("/")[2] for address in page.evaluate(_LOADED)}
    at_once = {address.rpartition("/")[2] for address in named}
    later = {*modules("job_panels.js"), *modules("trial_dialog.js")} if path == "jobs" else set()
    assert at_once <= loaded <= at_once | later


def _check(page: Page, shot: Path, scheme: str, width: int) -> None:
    page.screenshot(path=shot, full_page=True)
    assert shot.stat().st_size > 10_000
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(shade.removeprefix("rgb(").split(",")[0])
    assert (red < 60) == (scheme == "dark")
