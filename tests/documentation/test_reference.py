"""The reference pages say what the code does."""

from __future__ import annotations

import re

import pytest

from service.reference import pages
from tests.running import REPOSITORY

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_the_code_gives(name: str) -> None:
    written = (REPOSITORY / "docs" / name).read_text(encoding="utf-8")
    assert written == PAGES[name], "the code has changed: make reference"


@pytest.mark.parametrize("name", PAGES)
def test_every_link_within_a_page_leads_somewhere(name: str) -> None:
    headings = {one.lower() for one in re.findall(r"^## (\w+)$", PAGES[name], re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", PAGES[name])) <= headings


def test_every_part_is_told() -> None:
    assert "`--priority" in PAGES["reference-cli.md"]
    assert "\n### `cuvee token create`\n" in PAGES["reference-cli.md"]
    assert "| `search_metric` |" in PAGES["reference-spec.md"]
    assert "## `POST /v1/jobs/{job_id}/pause`" in PAGES["reference-api.md"]
