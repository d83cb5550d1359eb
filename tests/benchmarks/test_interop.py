"""The cases that mergekit and Cuvee are compared by, and how the outcome is told."""

from __future__ import annotations

import pytest

from benchmarks.agreement import Agreement
from benchmarks.cases import DIFFERENCES, DTYPE, cases, intended
from benchmarks.interop import ZOO, Row, asked
from benchmarks.recipes import NUMBERS, RANDOM, SHARED, chosen_methods, recipe
from merging.catalogue import methods
from merging.checkpoint import inspect_checkpoint
from merging.checks import check_recipe
from merging.recipe import Recipe

FOLDERS = [str(ZOO / name) for name in ("base", "maths", "ja", "distractor")]
EXACT = [name for name in SHARED if name not in RANDOM]


@pytest.mark.parametrize("method", EXACT)
def test_every_case_is_a_recipe_of_its_own(method: str) -> None:
    infos = {one: inspect_checkpoint(ZOO / one) for one in FOLDERS}
    depth = infos[FOLDERS[0]].num_layers
    digests = []
    for case in cases(method):
        made = asked(method, case, FOLDERS, depth)
        check_recipe(made, infos)
        assert Recipe.from_yaml(made.to_yaml()).digest() == made.digest()
        digests.append(made.digest())
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("method", SHARED)
def test_every_repeat_merges_by_other_numbers(method: str) -> None:
    made = [recipe(method, FOLDERS[0], FOLDERS[1:], share) for share in (0.3, 0.5)]
    taken = [one.name for one in methods()[method].parameters]
    assert (made[0].digest() != made[1].digest()) == bool(set(NUMBERS) & set(taken))


def test_parents_have_numbers_of_their_own() -> None:
    made = recipe("ties", FOLDERS[0], FOLDERS[1:], 0.5)
    assert made.models is not None
    assert len({one.parameters["weight"] for one in made.models}) == 3
    assert len({one.parameters["density"] for one in made.models}) == 3


def test_every_difference_that_is_meant_is_one_of_a_shared_method() -> None:
    for one in DIFFERENCES:
        assert set(one.methods) <= set(SHARED)
        concerned = one.methods or EXACT
        if one.settings is not None:
            assert all(one.settings in [case.settings for case in cases(it)] for it in concerned)
    assert intended("ties", DTYPE, large=False) is not None
    assert intended("ties", "share 0.35", large=True) is None
    assert intended("arcee_fusion", "share 0.35", large=False) is None
    assert intended("arcee_fusion", "share 0.35", large=True) is not None


def test_what_holds() -> None:
    def found(off: int) -> Agreement:
        return Agreement(10_000, 0, 0, off, 3.0, "w")

    assert Row("ties", "", found(1)).holds
    assert not Row("ties", "", found(2)).holds
    assert Row("ties", "", found(2), difference="meant").holds
    # No child is no difference.
    assert not Row("ties", "", None, difference="meant", refused="no").holds
    assert not Agreement(0, 0, 0, 0, 0.0, "").holds


def test_a_method_that_is_not_shared_is_refused() -> None:
    assert chosen_methods("ties,linear") == ["ties", "linear"]
    assert chosen_methods(None) == list(SHARED)
    with pytest.raises(SystemExit, match="not shared with mergekit: opcm, tie"):
        chosen_methods("tie,opcm")
