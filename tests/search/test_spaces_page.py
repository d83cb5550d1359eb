"""docs/spaces.md tells of every field of a space."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.dataflow_spec import DataFlowSpaceSpec
from search.parameter_spec import GeneChoices, GeneRange, ParameterSpaceSpec, ParentChoice
from search.spec import Stage

PAGE = (Path(__file__).parents[2] / "docs" / "spaces.md").read_text(encoding="utf-8")
FIELDS = [
    *(name for name in ParameterSpaceSpec.model_fields),
    *(name for name in DataFlowSpaceSpec.model_fields),
    *(name for name in GeneRange.model_fields),
    *(name for name in GeneChoices.model_fields),
    *(name for name in ParentChoice.model_fields),
    *(name for name in Stage.model_fields if name == "seeds"),
]


@pytest.mark.parametrize("name", dict.fromkeys(FIELDS))
def test_a_field_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE or f"{name}:" in PAGE or f"`{name}, " in PAGE or f" {name}," in PAGE
