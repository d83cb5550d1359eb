"""The form for a new job, the comparison of jobs, and pages under another path."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Page, expect

from service.database import Database
from service.jobs import repository as jobs
from tests.browser.journal import finished, searched
from tests.browser.site import Site


def test_a_job_is_made_by_form(page: Page, database: Database) -> None:
    page.goto("/new")
    expect(page.locator("#verdict")).to_contain_text("still missing or wrong")
    expect(page.locator("#errors")).to_contain_text("models")
    start = page.get_by_role("button", name="Start search")
    expect(start).to_be_disabled()
    page.get_by_label("Name").fill("by form")
    for model in ("zoo/base", "zoo/maths", "zoo/ja"):
        page.get_by_role("checkbox", name=model).check()
    page.get_by_role("checkbox", name="word_problems_ja").check()
    expect(page.locator("#errors")).to_contain_text("base")
    page.get_by_label("Base model").select_option("zoo/base")
    page.get_by_label("Trials").fill("30")
    page.get_by_label("Items of each task").fill("24")
    expect(page.locator("#verdict")).to_have_text("This can start as it is.")
    expect(page.locator("#estimate")).to_contain_text("Genes10")
    expect(page.locator("#estimate")).to_contain_text("Items in all, at most720")
    spec = yaml.safe_load(page.locator("#yaml").text_content() or "")
    assert spec["stages"][0]["space"]["parents"] == ["ja", "maths"]
    page.get_by_text("As a curl line").click()
    line = shlex.split(page.locator("#curl").text_content() or "")
    assert line[:3] == ["curl", "-X", "POST"]
    assert yaml.safe_load(line[-1]) == spec
    start.click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator("h1")).to_contain_text("by form queued")
    with database.snapshot() as session:
        (job,) = jobs.active(session)
    assert job.spec["items"] == 24


def test_a_clone_begins_with_the_spec_of_its_job(page: Page, database: Database) -> None:
    job = finished(database)
    page.goto(f"/jobs/{job.id}")
    page.get_by_role("link", name="Clone").click()
    expect(page.get_by_label("Base model")).to_have_value("zoo/base")
    expect(page.get_by_label("Name")).to_have_value("japanese-maths")
    expect(page.locator("#yaml")).to_contain_text("grid_step: null")
    expect(page.locator("#verdict")).to_have_text("This can start as it is.")


def test_jobs_are_compared(page: Page, database: Database) -> None:
    finished(database)
    searched(database)
    page.goto("/")
    compare = page.locator("#compare")
    expect(compare).to_be_disabled()
    expect(page.get_by_role("checkbox")).to_have_count(2)
    for box in page.get_by_role("checkbox").all():
        box.check()
    compare.click()
    page.wait_for_url("**/compare?jobs=*")
    expect(page.locator("#results")).to_contain_text("60.5% (55.6% – 65.2%, n = 400)")
    expect(page.locator("#course .scatterlayer .trace")).to_have_count(2)
    expect(page.locator("#differences")).to_have_text("They are the same but for their names.")
    page.goto("/compare")
    expect(page.get_by_role("heading", name="No jobs to compare")).to_be_visible()


@pytest.fixture
def prefixed(tmp_path: Path) -> Site:
    """A service behind a proxy that serves it under a path of its own."""
    return Site(tmp_path / "data", prefix="/tools/cuvee")


def test_pages_work_under_another_path(page: Page, tmp_path: Path, prefixed: Site) -> None:
    del tmp_path
    prefixed.start()
    database = Database(prefixed.database_url)
    job = searched(database)
    page.goto(f"{prefixed.url}/tools/cuvee/")
    page.get_by_role("link", name="japanese-maths").click()
    page.wait_for_url(f"**/tools/cuvee/jobs/{job.id}")
    expect(page.locator("#chart .annotation-text")).to_have_count(3)
    job.generation(18, [0.9])
    expect(page.locator("#tile-best")).to_have_text("90.0%")
    page.get_by_role("link", name="Cuvee").click()
    page.get_by_role("link", name="New job").click()
    expect(page.get_by_role("checkbox", name="zoo/ja")).to_be_visible()
    database.close()
    prefixed.stop()
