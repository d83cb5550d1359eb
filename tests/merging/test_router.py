"""The router over models: what it reads, what it learns, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from merging.errors import CalibrationError
from merging.twin.router import Training, mean_states, train_router
from tests.merging.conftest import Family

WIDTH = 8


def states(count: int, centre: float | Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, WIDTH, generator=generator) + centre


def test_states_are_those_of_each_prompt_by_itself(tied: Family) -> None:
    model: Any = LlamaForCausalLM.from_pretrained(tied["base"])
    model.eval()
    rows = [[1 + (place * 7 + step) % 39 for step in range(1 + place % 9)] for place in range(70)]
    found = mean_states(model, rows)
    with torch.no_grad():
        alone = [
            model(input_ids=torch.tensor([row]), output_hidden_states=True).hidden_states[-1][0]
            for row in rows
        ]
    expected = torch.stack([one.mean(dim=0) for one in alone])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_it_tells_apart_prompts_that_it_has_not_seen() -> None:
    # As far apart as leaves the best possible router 3 % of errors.
    centres = 3 * torch.eye(3, WIDTH)
    groups = [states(200, centre, seed) for seed, centre in enumerate(centres)]
    router = train_router(groups, Training(batch=64))
    for place, centre in enumerate(centres):
        weights = router.weights(states(200, centre, 10 + place))
        assert weights.shape == (200, 3)
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(200))
        assert float((weights.argmax(dim=1) == place).float().mean()) > 0.9


def test_prompts_that_cannot_be_told_apart_get_equal_weights() -> None:
    # Many prompts, so that nothing is learnt by heart.
    router = train_router([states(2000, 0, 1), states(2000, 0, 2)], Training(epochs=5))
    weights = router.weights(states(500, 0, 3)).mean(dim=0)
    torch.testing.assert_close(weights, torch.full((2,), 0.5), rtol=0, atol=0.1)


def test_the_seed_decides_and_nothing_else() -> None:
    groups, probe = [states(20, -1, 1), states(30, 1, 2)], states(5, 0, 3)

    def trained(seed: int) -> Tensor:
        return train_router(groups, Training(epochs=3, seed=seed)).weights(probe)

    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = trained(0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(trained(0), first)
    assert not torch.equal(trained(1), first)


def test_a_prompt_s_weights_do_not_depend_on_its_company() -> None:
    router = train_router([states(20, -1, 1), states(20, 1, 2)], Training(epochs=3))
    probe = states(6, 0, 3)
    together = router.weights(probe)
    alone = torch.cat([router.weights(one[None]) for one in probe])
    torch.testing.assert_close(together, alone)


def test_one_prompt_a_model_and_one_more_than_a_batch_are_enough() -> None:
    two = train_router([states(1, -1, 1), states(1, 1, 2)], Training(epochs=2))
    assert bool(two.weights(states(1, 0, 3)).isfinite().all())
    odd = train_router([states(5, -1, 1), states(4, 1, 2)], Training(epochs=2, batch=8))
    assert bool(odd.weights(states(1, 0, 3)).isfinite().all())


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([], "two models or more"),
        ([states(3, 0, 0)], "two models or more"),
        ([states(3, 0, 0), states(0, 0, 0)], "prompts for each"),
        ([states(3, 0, 0), torch.full((2, WIDTH), float("nan"))], "not finite"),
    ],
)
def test_what_cannot_be_learnt_is_refused(groups: list[Tensor], message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        train_router(groups, Training())
