"""Everything by keyboard: from the list to a job, a trial and a comparison, and a new job."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from service.database import Database
from service.jobs import repository as jobs
from tests.browser.journal import finished, searched

_MOST_STEPS = 80


def test_from_the_list_to_a_job_a_trial_and_a_comparison(page: Page, database: Database) -> None:
    job = finished(database)
    searched(database)
    page.goto("/")
    expect(page.locator("#rows .spark")).to_have_count(2)
    _reach(page, page.locator("#rows tr").nth(1).get_by_role("link"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{job.id}")
    expect(page.locator("#chart .annotation-text")).to_have_count(3)
    _reach(page, page.locator("#trials summary"))
    page.keyboard.press("Enter")
    trial = page.get_by_role("button", name="Trial 29", exact=True)
    _reach(page, trial)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Trial 29")
    expect(dialog.locator(".items .first").first).to_be_visible()
    _reach(page, dialog.locator("details summary").last)
    page.keyboard.press("Enter")
    expect(dialog.locator(".words > li")).to_have_count(10)
    _reach(page, dialog.get_by_label("Items with"))
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(trial).to_be_focused()
    page.go_back()
    expect(page.locator("#rows .spark")).to_have_count(2)
    for box in page.get_by_role("checkbox").all():
        _reach(page, box)
        page.keyboard.press("Space")
    _reach(page, page.locator("#compare"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare?jobs=*")
    expect(page.locator("#results")).to_contain_text("60.5%")


def test_a_new_job_by_form(page: Page, database: Database) -> None:
    page.goto("/")
    _reach(page, page.get_by_role("link", name="New job"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/new")
    expect(page.locator("#errors li").first).to_be_visible()
    _reach(page, page.get_by_label("Name"))
    page.keyboard.type("by keyboard")
    for name in ("zoo/base", "zoo/ja", "zoo/maths", "word_problems_ja"):
        _reach(page, page.get_by_role("checkbox", name=name))
        page.keyboard.press("Space")
    _reach(page, page.get_by_label("Base model"))
    page.keyboard.type("zoo/base")
    expect(page.locator("#verdict")).to_have_text("This can start as it is.")
    _reach(page, page.get_by_role("button", name="Start search"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*")
    with database.snapshot() as session:
        (job,) = jobs.active(session)
    assert (job.name, sorted(job.spec["models"])) == ("by keyboard", ["base", "ja", "maths"])


def _reach(page: Page, wanted: Locator) -> None:
    """Press the tabulator key until the wanted element has the focus; at the end of the page it
    begins anew."""
    for _ in range(_MOST_STEPS):
        page.keyboard.press("Tab")
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")
