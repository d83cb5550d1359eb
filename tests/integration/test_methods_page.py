"""The page of methods is what its script writes of the catalogue and the recorded figures."""

from __future__ import annotations

from benchmarks.methods import PAGE, page, recorded, searched


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(recorded()), "run: make methods-page"


def test_every_method_was_run() -> None:
    assert set(searched()) <= {one.name for one in recorded()}
