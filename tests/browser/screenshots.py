"""Pictures of the dashboard for the docs, of a service that has two finished jobs or more:

python -m tests.browser.screenshots http://127.0.0.1:8642 docs/screenshots
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

Scheme = Literal["light", "dark"]

_WIDTH = 1200
_MOST_BYTES = 200_000


def take(address: str, folder: Path) -> None:
    """Write a picture of every page, light and dark, to a folder.

    Raises ValueError where one is larger than a reader of the docs should wait for.
    """
    ended = [job["id"] for job in httpx.get(f"{address}/v1/jobs?state=finished").json()]
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox"]
        )
        for scheme in ("light", "dark"):
            for name, show in _views(ended).items():
                with _page(browser, address, scheme) as page:
                    show(page)
                    path = folder / f"{name}-{scheme}.png"
                    page.screenshot(path=path)
                if path.stat().st_size > _MOST_BYTES:
                    raise ValueError(f"{path} has {path.stat().st_size} bytes")
        browser.close()


def _views(ended: list[str]) -> dict[str, Callable[[Page], None]]:
    newest = ended[0]

    def jobs(page: Page) -> None:
        page.set_viewport_size({"width": _WIDTH, "height": 520})
        page.goto("/")
        page.locator("#rows .spark").nth(len(ended) - 1).wait_for()

    def job(page: Page) -> None:
        page.goto(f"/jobs/{newest}")
        page.locator("#chart .scatterlayer .point").first.wait_for()
        page.locator("#holdout .dot").first.wait_for()

    def trial(page: Page) -> None:
        page.goto(f"/jobs/{newest}")
        winner = httpx.get(page.url.replace("/jobs/", "/v1/jobs/")).json()["winner"]
        page.goto(f"/jobs/{newest}#trial-{winner}")
        page.reload()
        page.locator("#trial-items summary").last.click()
        page.locator(".words > li").first.wait_for()
        page.locator(".words > li").first.scroll_into_view_if_needed()

    def new(page: Page) -> None:
        page.goto(f"/new?from={newest}")
        page.get_by_text("This can start as it is.").wait_for()

    def compare(page: Page) -> None:
        page.goto(f"/compare?jobs={','.join(ended[:2])}")
        page.locator("#course .scatterlayer .trace").first.wait_for()

    return {"jobs": jobs, "job": job, "trial": trial, "new": new, "compare": compare}


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
