"""A stage that builds on an earlier one's best."""

from __future__ import annotations

from typing import Any

import pytest

from search.baselines import grid_space
from search.errors import SpecError
from search.references import StageReference, references, stage_reference, stand_in
from search.spec import SearchSpec
from tests.search.specs import spec_data


def _two_stages(kind: str = "dataflow", **space: Any) -> dict[str, Any]:
    data = spec_data()
    full = {"parents": ["weights.best", "ja"], "kind": kind} | space
    second = {"name": "layers", "space": full, "budget": {"trials": 20}}
    data["stages"].append(second | {"sampler": {"kind": "random"}})
    return data


@pytest.mark.parametrize(
    ("alias", "found"),
    [
        ("weights.best", StageReference("weights", 1)),
        ("weights.3", StageReference("weights", 3)),
        ("weights", None),
        ("weights.0", None),
        ("weights.worst", None),
    ],
)
def test_what_an_alias_refers_to(alias: str, found: StageReference | None) -> None:
    assert stage_reference(alias) == found


def test_a_later_stage_names_an_earlier_ones_children() -> None:
    spec = SearchSpec.parse(_two_stages())
    assert references(spec.stages[1].space) == {"weights.best": StageReference("weights", 1)}
    assert stand_in(spec, "weights.best") == "base"
    # The uniform grid stays with the models that a person has.
    assert grid_space(spec) == spec.stages[0].space


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"parents": ["other.best"]}, "no earlier stage is named 'other'"),
        ({"parents": ["layers.best"]}, "no earlier stage is named 'layers'"),
        ({"parents": ["weights.worst"]}, "'weights.worst' is not among the models"),
        ({"parents": ["weights.301"]}, "the stage has 300 trials at most"),
    ],
)
def test_a_reference_to_nothing_is_refused(space: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        SearchSpec.parse(_two_stages(**space))
    assert caught.value.field == "stages.1.space.parents"


def test_a_path_of_any_length_cannot_be_averaged() -> None:
    data = _two_stages()
    third = {"kind": "parameter", "method": "linear", "parents": ["layers.best", "ja"]}
    data["stages"].append(data["stages"][0] | {"name": "third", "space": third})
    with pytest.raises(SpecError, match="is a path of any number of layers"):
        SearchSpec.parse(data)


def test_no_model_is_named_like_a_child() -> None:
    data = spec_data()
    data["models"]["ja"]["ref"] = "recipe:abc"
    with pytest.raises(SpecError, match=r"models\.ja\.ref"):
        SearchSpec.parse(data)
