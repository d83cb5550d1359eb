from __future__ import annotations

from pathlib import Path

import pytest

from search.references import references, stand_in, with_models
from search.spaces import make_space
from search.spec import ModelShape, SearchSpec, check_spec

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_valid_spec(path: Path) -> None:
    spec = SearchSpec.from_yaml(path.read_text(encoding="utf-8"))
    assert spec.name == path.stem
    shapes = {alias: ModelShape(4, tied_embeddings=True) for alias in spec.models}
    assert check_spec(spec, shapes) == []
    for stage in spec.stages:
        found = references(stage.space)
        there = shapes | {alias: shapes[stand_in(spec, alias)] for alias in found}
        space = make_space(with_models(spec, {alias: alias for alias in found}), stage, there)
        space.decode([gene.initial for gene in space.genes])


def test_the_main_example_has_ten_genes_and_300_trials() -> None:
    (path,) = [path for path in EXAMPLES if path.stem == "japanese-maths"]
    spec = SearchSpec.from_yaml(path.read_text(encoding="utf-8"))
    (stage,) = spec.stages
    shapes = {alias: ModelShape(4, tied_embeddings=True) for alias in spec.models}
    assert len(make_space(spec, stage, shapes).genes) == 10
    assert stage.budget.trials == 300
