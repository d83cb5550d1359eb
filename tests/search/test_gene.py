"""Genes with levels: what a number stands for."""

from __future__ import annotations

from search.gene import Gene
from search.space import ParameterSpace
from tests.search.specs import SHAPES, make_spec


def test_levels_lie_between_edges() -> None:
    gene = Gene("merge.layers", 0.0, 3.0, 1.5, edges=(0.5, 1.5, 2.5))
    assert [gene.level(value) for value in (0.0, 0.4, 0.6, 1.4, 2.4, 3.0)] == [0, 0, 1, 1, 2, 3]
    assert [gene.middle(level) for level in range(4)] == [0.25, 1.0, 2.0, 2.75]
    assert all(gene.level(gene.middle(level)) == level for level in range(4))
    assert all(round(gene.middle(level)) == level for level in range(4))


def test_the_genes_of_choices_have_a_level_an_option() -> None:
    spec = make_spec(
        {
            "method": "ties",
            "parameters": {"normalize": {"choices": [True, False]}},
        }
    )
    stage = spec.stages[0].space
    assert stage.kind == "parameter"
    space = ParameterSpace.from_spec(spec, stage, SHAPES)
    stepped = [gene for gene in space.genes if gene.edges]
    assert [gene.name for gene in stepped] == ["merge.normalize"]
    assert stepped[0].edges == (0.5,)
    assert not stepped[0].ordered
    decoded = [
        space.decode(
            [stepped[0].middle(level) if gene.edges else gene.initial for gene in space.genes]
        )
        for level in (0, 1)
    ]
    assert [recipe.parameters["normalize"] for recipe in decoded] == [True, False]
