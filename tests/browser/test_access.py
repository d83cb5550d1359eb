"""Everybody can use the pages: axe finds nothing serious, in light and in dark."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from service.database import Database
from tests.browser.conftest import Complaints, OpenPage, Scheme
from tests.browser.journal import finished, searched


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    open_page: OpenPage, database: Database, complaints: Complaints, scheme: Scheme
) -> None:
    complaints.expect("the server responded with a status of 404")
    job, other = finished(database), searched(database)
    page = open_page(1200, scheme)
    page.goto("/")
    expect(page.locator("#rows .spark")).to_have_count(2)
    found = {"list": serious(page)}
    page.goto(f"/jobs/{job.id}")
    expect(page.locator("#chart .annotation-text")).to_have_count(3)
    for panel in ("picture", "importance", "genes", "timeline", "log"):
        page.locator(f"#{panel}-panel").scroll_into_view_if_needed()
        expect(page.locator(f"#{panel}-panel .body")).to_be_visible()
    for summary in page.locator("main > section summary:visible").all():
        summary.click()
    found["job"] = serious(page)
    page.get_by_role("button", name="Trial 16", exact=True).click()
    expect(page.locator("#trial-items .items")).to_be_visible()
    page.get_by_text("Questions and answers of word_problems_ja").click()
    expect(page.locator(".words li")).to_have_count(10)
    found["trial"] = serious(page)
    page.goto("/new")
    expect(page.locator("#errors li").first).to_be_visible()
    found["form"] = serious(page)
    page.goto(f"/compare?jobs={job.id},{other.id}")
    expect(page.locator("#course .scatterlayer .trace")).to_have_count(2)
    found["comparison"] = serious(page)
    page.goto("/jobs/nope")
    found["unknown job"] = serious(page)
    assert not any(found.values()), found


def serious(page: Page) -> list[str]:
    """What axe finds serious on a page as it is."""
    answer = Axe().run(page).response
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in answer["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
