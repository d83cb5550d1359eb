"""The job list: empty, live, and with a way to every job."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from service.database import Database
from tests.browser.journal import Journal, finished, searched


def test_an_empty_list_says_how_to_submit(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    expect(page.get_by_text("cuvee submit SPEC")).to_be_visible()
    expect(page.get_by_role("table")).to_be_hidden()


def test_a_job_appears_and_goes_on_by_itself(page: Page, database: Database) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    job = Journal(database, name="new one")
    row = page.get_by_role("row", name="new one")
    expect(row).to_contain_text("queued")
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_hidden()
    job.start()
    job.generation(0, [0.2, 0.45, "EngineError: NaN"])
    expect(row).to_contain_text("running")
    expect(row).to_contain_text("3 of 30")
    expect(row).to_contain_text("45.0%")
    expect(row).to_contain_text("+3.0 points")
    expect(row).to_contain_text("maths")
    job.end("cancelled")
    expect(row).to_contain_text("cancelled")


def test_the_newest_job_comes_first_and_leads_to_its_page(page: Page, database: Database) -> None:
    finished(database)
    newest = searched(database)
    page.goto("/")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("running")
    expect(rows.nth(1)).to_contain_text("finished")
    rows.nth(0).get_by_role("link").click()
    page.wait_for_url(f"**/jobs/{newest.id}")


def test_a_link_keeps_the_focus_while_its_row_changes(page: Page, database: Database) -> None:
    job = searched(database)
    page.goto("/")
    link = page.get_by_role("link", name="japanese-maths")
    link.focus()
    job.generation(18, [0.7])
    expect(page.get_by_role("row", name="japanese-maths")).to_contain_text("70.0%")
    expect(link).to_be_focused()


def test_a_line_shows_the_course_of_its_search(page: Page, database: Database) -> None:
    searched(database)
    page.goto("/")
    row = page.get_by_role("row", name="japanese-maths")
    name = "Best fitness so far: from 11.0% to 58.0%; the best parent has 42.0%"
    expect(row.get_by_role("img", name=name)).to_be_visible()
    expect(row).to_contain_text("less than a minute left")


def test_jobs_are_found_ordered_and_paged(page: Page, database: Database) -> None:
    searched(database)
    for number in range(29):
        Journal(database, name=f"queued {number:02}")
    page.goto("/")
    rows = page.locator("#rows tr")
    expect(rows).to_have_count(25)
    page.get_by_role("button", name="Next").click()
    expect(rows).to_have_count(5)
    expect(rows.last).to_contain_text("japanese-maths")
    page.reload()
    expect(page.locator("#page")).to_have_text("Page 2 of 2")
    page.get_by_label("Order").select_option("fitness")
    expect(rows.first).to_contain_text("japanese-maths")
    page.get_by_label("State").select_option("queued")
    expect(page.locator("#summary")).to_have_text("29 of 30 jobs, 30 active")
    page.get_by_label("Find").fill("queued 1")
    expect(rows).to_have_count(10)
    page.get_by_label("Find").fill("nobody")
    expect(page.get_by_text("No job is like that.")).to_be_visible()
    assert page.url.endswith("/?q=nobody&state=queued&sort=fitness")


def test_owners_are_told_apart_where_there_are_several(page: Page, database: Database) -> None:
    Journal(database, name="mine")
    page.goto("/")
    expect(page.get_by_role("row", name="mine")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Owner")).to_be_hidden()
    Journal(database, name="hers", owner="ann")
    expect(page.get_by_role("columnheader", name="Owner")).to_be_visible()
    expect(page.get_by_role("row", name="hers").get_by_role("cell", name="ann")).to_be_visible()
    page.get_by_label("Find").fill("ann")
    expect(page.locator("#rows tr")).to_have_count(1)
