"""Pictures of the dashboard for the docs, of a service with a running job and two finished ones:

python -m tests.browser.screenshots http://127.0.0.1:8642 docs/screenshots
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

Scheme = Literal["light", "dark"]
Job = dict[str, Any]

_WIDTH = 1200
_MOST_BYTES = 200_000


def take(address: str, folder: Path) -> None:
    """Write a picture of every page, light and dark, to a folder.

    Raises ValueError where one is larger than a reader of the docs should wait for.
    """
    running = httpx.get(f"{address}/v1/jobs?state=running").json()
    found = httpx.get(f"{address}/v1/jobs?state=finished").json()
    # The one with most to see comes first.
    ended = sorted(found, key=lambda job: job["trials_finished"], reverse=True)
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox"]
        )
        for scheme in ("light", "dark"):
            for name, show in _views(running[0], ended).items():
                with _page(browser, address, scheme) as page:
                    show(page)
                    path = folder / f"{name}-{scheme}.png"
                    page.screenshot(path=path)
                if path.stat().st_size > _MOST_BYTES:
                    raise ValueError(f"{path} has {path.stat().st_size} bytes")
        browser.close()


def _views(running: Job, ended: list[Job]) -> dict[str, Callable[[Page], None]]:
    first = ended[0]["id"]

    def jobs(page: Page) -> None:
        page.set_viewport_size({"width": _WIDTH, "height": 620})
        page.goto("/")
        page.locator("#rows .spark").nth(len(ended)).wait_for()

    def job(page: Page) -> None:
        page.goto(f"/jobs/{running['id']}")
        page.locator("#chart .scatterlayer .point").first.wait_for()

    def result(page: Page) -> None:
        page.set_viewport_size({"width": _WIDTH, "height": 1120})
        page.goto(f"/jobs/{first}")
        page.locator("#holdout .dot").first.wait_for()

    def trial(page: Page) -> None:
        page.set_viewport_size({"width": _WIDTH, "height": 1200})
        page.goto(f"/jobs/{first}#trial-{ended[0]['winner']}")
        page.locator("#trial-items summary").last.click()
        page.locator(".words > li").first.wait_for()

    def new(page: Page) -> None:
        page.goto(f"/new?from={first}")
        page.get_by_text("This can start as it is.").wait_for()

    def compare(page: Page) -> None:
        page.goto(f"/compare?jobs={','.join(job['id'] for job in ended[:2])}")
        page.locator("#course .scatterlayer .trace").first.wait_for()

    return {
        "jobs": jobs,
        "job": job,
        "result": result,
        "trial": trial,
        "new": new,
        "compare": compare,
    }


@contextmanager
def _page(browser: Browser, address: str, scheme: Scheme) -> Iterator[Page]:
    context = browser.new_context(
        base_url=address,
        color_scheme=scheme,
        reduced_motion="reduce",
        viewport={"width": _WIDTH, "height": 900},
    )
    yield context.new_page()
    context.close()


if __name__ == "__main__":
    take(sys.argv[1], Path(sys.argv[2]))
