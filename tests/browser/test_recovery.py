"""The stream lost and found again: nothing is missed, and the page says what is going on."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Request, expect

from service.database import Database
from tests.browser.conftest import Complaints, OpenPage
from tests.browser.journal import searched
from tests.browser.site import Site

_LOST = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET")


@pytest.fixture
def away(complaints: Complaints) -> None:
    """The browser complains of a service that is away; these tests take it away."""
    for reason in _LOST:
        complaints.expect(reason)


@pytest.mark.usefixtures("away")
def test_a_restarted_service_is_found_again(
    open_page: OpenPage, site: Site, database: Database
) -> None:
    job = searched(database)
    page, list_page = open_page(1200, "light"), open_page(1200, "light")
    page.goto(f"/jobs/{job.id}")
    list_page.goto("/")
    row = list_page.get_by_role("row", name="japanese-maths")
    expect(page.locator("#tile-best")).to_have_text("58.0%")
    expect(row).to_contain_text("running")
    site.stop()
    for lost in (page, list_page):
        expect(lost.get_by_text("Connection lost. Reconnecting…")).to_be_visible()
    job.generation(18, [0.7])
    job.choose({18: 0.65})
    job.end("finished")
    site.start()
    expect(page.locator("#offline")).to_be_hidden(timeout=15_000)
    expect(page.locator("#state")).to_have_text("finished")
    expect(page.locator("#tile-best")).to_have_text("70.0%")
    expect(page.locator("#progress-text")).to_contain_text("19 of 30 trials")
    expect(page.locator("#recipe-note")).to_contain_text("Trial 18, the winner")
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(row).to_contain_text("finished", timeout=15_000)
    expect(list_page.locator("#offline")).to_be_hidden()


def test_what_happens_between_page_and_stream_is_not_missed(page: Page, database: Database) -> None:
    job = searched(database)
    written = False

    def meanwhile(request: Request) -> None:
        nonlocal written
        if "/v1/jobs/" in request.url and not written:
            written = True
            job.generation(18, [0.9])

    page.on("request", meanwhile)
    page.goto(f"/jobs/{job.id}")
    expect(page.locator("#tile-best")).to_have_text("90.0%")


def test_tabs_share_one_stream(page: Page, site: Site, database: Database) -> None:
    job = searched(database)
    tabs = [page, *(page.context.new_page() for _ in range(7))]
    for tab in tabs:
        tab.goto(f"/jobs/{job.id}")
    for tab in tabs:
        expect(tab.locator("#tile-best")).to_have_text("58.0%")
    job.generation(18, [0.9])
    for tab in tabs:
        expect(tab.locator("#tile-best")).to_have_text("90.0%")
    assert site.streams == 1
    page.close()
    job.generation(19, [0.95])
    expect(tabs[-1].locator("#tile-best")).to_have_text("95.0%")
    assert site.streams == 1
    job.choose({19: 0.9})
    job.end("finished")
    for tab in tabs[1:]:
        expect(tab.locator("#state")).to_have_text("finished")
        expect(tab.locator("#verdict")).to_contain_text("Trial 19 is the winner.")


@pytest.mark.usefixtures("away")
def test_a_page_asks_where_no_stream_comes_through(
    page: Page, database: Database, complaints: Complaints
) -> None:
    complaints.expect("503")
    page.add_init_script("delete window.SharedWorker")
    page.route("**/v1/events*", lambda route: route.fulfill(status=503))
    job = searched(database)
    page.goto(f"/jobs/{job.id}")
    expect(page.locator("#tile-best")).to_have_text("58.0%")
    job.generation(18, [0.9])
    expect(page.locator("#tile-best")).to_have_text("90.0%", timeout=15_000)
