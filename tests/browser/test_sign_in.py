"""With accounts on: in by a token, what it lets one do, and out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from service.accounts import repository as tokens
from service.database import Database
from tests.browser.conftest import Complaints
from tests.browser.journal import Journal
from tests.browser.site import Site
from tests.browser.test_access import serious


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A service that lets nobody in without a token."""
    running = Site(tmp_path / "data", local=False)
    running.start()
    yield running
    running.stop()


def test_somebody_signs_in_sees_their_jobs_and_signs_out(
    page: Page, database: Database, complaints: Complaints
) -> None:
    complaints.expect("the server responded with a status of 401")
    with database.transaction() as session:
        _, secret = tokens.create(session, "ann", ["jobs:read", "jobs:write"])
    job = Journal(database, name="hers", owner="ann")
    Journal(database, name="his", owner="bob")
    job.start()
    page.goto(f"/jobs/{job.id}")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert not serious(page)
    page.get_by_label("Token").fill("cuvee_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Token").fill(secret)
    page.keyboard.press("Enter")
    # On to the page that was asked for, which follows its job within the session.
    page.wait_for_url(f"**/jobs/{job.id}")
    expect(page.locator("#state")).to_have_text("running")
    job.generation(0, [0.5])
    expect(page.locator("#tile-best")).to_have_text("50.0%")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#state")).to_have_text("pausing")
    page.get_by_role("link", name="Cuvee").click()
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.get_by_role("row", name="hers").get_by_role("cell", name="ann")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
