"""How candidates are cut into blocks where a spec leaves that open: decided once, and kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.jobs.admission import admit
from service.jobs.blocks import with_blocks
from service.settings import Settings
from tests.service.conftest import Spec


def block(spec: Spec, settings: Settings, workers: int) -> Any:
    admitted = with_blocks(admit(json.dumps(spec), settings), workers, None)
    allocation = admitted.spec.allocation
    assert allocation.kind == "full"
    again = with_blocks(admitted, 2 * workers, None)
    assert again.spec == admitted.spec
    return allocation.block


@pytest.mark.parametrize(("workers", "expected"), [(0, None), (4, None), (5, 25), (64, 12)])
def test_few_candidates_are_cut_for_many_workers(
    workers: int, expected: int | None, spec: Spec, settings: Settings
) -> None:
    # Four candidates of 256 items.
    assert block(spec, settings, workers) == expected


def test_the_last_generation_counts_where_it_is_the_only_one(
    spec: Spec, settings: Settings
) -> None:
    spec["stages"][0]["budget"]["trials"] = 2
    assert block(spec, settings, 4) == 16


def test_what_is_asked_for_stays(spec: Spec, settings: Settings) -> None:
    for asked in (None, 7):
        spec["allocation"] = {"kind": "full", "block": asked}
        assert block(spec, settings, 64) == asked


def test_steady_stages_are_scored_whole(spec: Spec, settings: Settings) -> None:
    spec["stages"][0] |= {"mode": "steady", "sampler": {"kind": "random"}}
    assert block(spec, settings, 64) is None
