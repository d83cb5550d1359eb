"""The diagonal Fisher information, against an explicit loop, and the merge that it weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

from merging.calibration.fisher import diagonal_fisher
from merging.calibration.store import Measured
from merging.calibration.texts import Text
from merging.errors import CalibrationError, NonFiniteError
from merging.pointwise import Runner
from merging.site import Workshop
from tests.merging.conftest import Family
from tests.merging.running import NAME, merger_of, run_models, tensors

TEXTS = [Text((1, 5, 9, 12, 30)), Text((1, 7, 7, 21, 6, 33, 2), read=4), Text((4,))]


@pytest.fixture
def model(tied: Family) -> Any:
    loaded: Any = LlamaForCausalLM.from_pretrained(tied["maths"])
    return loaded.eval().requires_grad_(False)


def explicit(model: Any, texts: Sequence[Text], seed: int) -> dict[str, Tensor]:
    """The same by one backward pass a place, of which the gradients of a text are added up."""
    parameters = dict(model.named_parameters())
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(True)
    total = {name: torch.zeros_like(one) for name, one in parameters.items()}
    for text in texts:
        chances = model(input_ids=torch.tensor([text.tokens])).logits[0].softmax(-1)
        chances = chances[text.read - 1 :]
        labels = torch.multinomial(chances.detach(), 1, generator=generator)[:, 0].tolist()
        summed = {name: torch.zeros_like(one) for name, one in parameters.items()}
        for place, label in enumerate(labels):
            model.zero_grad()
            chances[place, label].log().backward(retain_graph=True)
            for name, one in parameters.items():
                assert one.grad is not None
                summed[name] += one.grad
        for name, gradient in summed.items():
            total[name] += gradient**2 / len(texts)
    model.requires_grad_(False)
    return total


def test_it_is_the_mean_of_each_texts_squared_gradient(model: Any) -> None:
    found = diagonal_fisher(model, TEXTS, seed=3)
    expected = explicit(model, TEXTS, 3)
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        torch.testing.assert_close(found[name], one, rtol=1e-3, atol=1e-7)


def test_it_approaches_the_information_over_all_labels(model: Any) -> None:
    # For a text with one prediction: sum_y p(y) (d log p(y))^2, every label of 40 in its turn.
    text = Text((1, 8, 3), read=3)
    head = model.model.norm.weight
    model.requires_grad_(True)
    chances = model(input_ids=torch.tensor([text.tokens])).logits[0, -1].log_softmax(-1)
    rows = [torch.autograd.grad(one, head, retain_graph=True)[0] for one in chances]
    exact = sum(chance.exp() * row**2 for chance, row in zip(chances.detach(), rows, strict=True))
    found = diagonal_fisher(model, [text] * 1000, seed=0)["model.norm.weight"]
    assert isinstance(exact, Tensor)
    torch.testing.assert_close(found.sum(), exact.sum(), rtol=0.1, atol=0)
    assert torch.corrcoef(torch.stack([found, exact]))[0, 1] > 0.98


def test_the_seed_decides_and_nothing_else(model: Any) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = diagonal_fisher(model, TEXTS, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    again = diagonal_fisher(model, TEXTS, seed=3)
    other = diagonal_fisher(model, TEXTS, seed=4)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    assert not any(one.requires_grad or one.grad is not None for one in model.parameters())


def test_only_what_counts_is_predicted(model: Any) -> None:
    # What is read before the first prediction matters as context alone.
    whole = diagonal_fisher(model, [Text((1, 7, 7, 21))], seed=0)
    last = diagonal_fisher(model, [Text((1, 7, 7, 21), read=4)], seed=0)
    name = "model.layers.2.mlp.down_proj.weight"
    assert float(last[name].sum()) < float(whole[name].sum())


def test_experts_are_named_as_in_the_checkpoint() -> None:
    torch.manual_seed(0)
    config = MixtralConfig(
        vocab_size=30,
        hidden_size=16,
        intermediate_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_local_experts=4,
        num_experts_per_tok=1,
    )
    mixture: Any = MixtralForCausalLM(config)
    mixture.eval()
    found = diagonal_fisher(mixture, [Text((3, 4))], seed=0)
    prefix = "model.layers.0.block_sparse_moe"
    used = [float(found[f"{prefix}.experts.{number}.w2.weight"].sum()) > 0 for number in range(4)]
    assert found[f"{prefix}.experts.0.w1.weight"].shape == (12, 16)
    # Two tokens reach two experts at most.
    assert 1 <= sum(used) <= 2


def test_without_texts_there_is_nothing_to_say(model: Any) -> None:
    with pytest.raises(CalibrationError, match="no text"):
        diagonal_fisher(model, [], seed=0)


def test_a_model_that_is_no_number_is_refused(model: Any) -> None:
    with torch.no_grad():
        model.model.norm.weight[0] = float("inf")
    with pytest.raises(CalibrationError, match="not finite"):
        diagonal_fisher(model, TEXTS, seed=0)


def merged(
    parents: Sequence[Tensor],
    information: Sequence[Tensor],
    weights: Sequence[float] | None = None,
    **shared: Any,
) -> Tensor:
    measured = Measured({str(i): {NAME: one} for i, one in enumerate(information)})
    rows = {} if weights is None else {"weight": list(weights)}
    models = [{NAME: one} for one in parents]
    child = run_models("fisher", None, models, per_parent=rows, shared=shared, measured=measured)
    return child[NAME]


def positive(count: int, shape: tuple[int, ...], seed: int) -> list[Tensor]:
    return [one.square() + 1e-3 for one in tensors(count, shape, seed)]


@given(seed=st.integers(0, 1000), weights=st.lists(st.floats(0.1, 2), min_size=3, max_size=3))
@settings(max_examples=20, deadline=None)
def test_it_follows_its_formula(seed: int, weights: list[float]) -> None:
    parents, information = tensors(3, (4, 5), seed), positive(3, (4, 5), seed + 1)
    shares = [w * f / f.norm() for w, f in zip(weights, information, strict=True)]
    expected = sum(s * one for s, one in zip(shares, parents, strict=True)) / sum(shares)
    torch.testing.assert_close(merged(parents, information, weights), expected)


@given(seed=st.integers(0, 1000), weights=st.lists(st.floats(0.1, 2), min_size=3, max_size=3))
@settings(max_examples=10, deadline=None)
def test_equal_information_gives_the_weighted_average(seed: int, weights: list[float]) -> None:
    parents, (one,) = tensors(3, (6,), seed), positive(1, (6,), seed)
    expected = sum(w * p for w, p in zip(weights, parents, strict=True)) / sum(weights)
    torch.testing.assert_close(merged(parents, [one] * 3, weights), expected)


def test_what_one_model_alone_knows_of_is_its_own() -> None:
    parents = tensors(2, (4,))
    nothing, all_of_it = torch.zeros(4), torch.ones(4)
    child = merged(parents, [nothing, all_of_it], floor=0.0)
    assert torch.equal(child, parents[1])


def test_where_no_model_has_information_the_first_wins_or_all_have_a_share() -> None:
    parents = tensors(3, (4,))
    nothing = [torch.zeros(4)] * 3
    assert torch.equal(merged(parents, nothing), parents[0])
    assert torch.equal(merged(parents, nothing, floor=0.0), parents[0])
    shared = merged(parents, nothing, favor_target=False)
    torch.testing.assert_close(shared, torch.stack(parents).mean(0))


def test_the_norm_is_that_of_the_whole_model() -> None:
    parents = [{"model.layers.0.a": one, "model.layers.0.b": one} for one in tensors(2, (3,))]
    information = [
        {"model.layers.0.a": torch.full((3,), 3.0), "model.layers.0.b": torch.full((3,), 4.0)},
        {"model.layers.0.a": torch.full((3,), 8.0), "model.layers.0.b": torch.full((3,), 6.0)},
    ]
    measured = Measured({str(i): one for i, one in enumerate(information)})
    child = run_models("fisher", None, parents, measured=measured)
    first, second = (one["model.layers.0.a"] for one in parents)
    # Norms are sqrt(3) times 5 and 10.
    torch.testing.assert_close(child["model.layers.0.a"], (0.6 * first + 0.8 * second) / 1.4)
    raw = run_models("fisher", None, parents, measured=measured, shared={"normalize_fisher": False})
    torch.testing.assert_close(raw["model.layers.0.a"], (3 * first + 8 * second) / 11)


def test_weights_of_0_are_refused() -> None:
    with pytest.raises(NonFiniteError, match="all 0"):
        merged(tensors(2, (3,)), positive(2, (3,), 0), [0.0, 0.0])


def test_without_statistics_nothing_is_merged() -> None:
    models = [{NAME: one} for one in tensors(2, (3,))]
    with pytest.raises(CalibrationError, match="was not computed"):
        run_models("fisher", None, models)
    with pytest.raises(CalibrationError, match="no statistic of the tensor"):
        run_models("fisher", None, models, measured=Measured())


@pytest.mark.parametrize("favor_target", [True, False])
def test_compiled_and_eager_are_one_child(*, favor_target: bool) -> None:
    shape = (700, 601)
    models = [{NAME: one} for one in tensors(2, shape)]
    measured = Measured({str(i): {NAME: one} for i, one in enumerate(positive(2, shape, 5))})
    children = []
    for compiled in (True, False):
        workshop = Workshop(runner=Runner(compiled=compiled))
        merger = merger_of(
            "fisher",
            None,
            models,
            per_parent={"weight": [1.0, 0.3]},
            shared={"favor_target": favor_target, "floor": 0.5, "normalize_fisher": False},
            workshop=workshop,
            measured=measured,
        )
        children.append(merger.tensor(NAME))
        assert workshop.runner.compiled is compiled
    torch.testing.assert_close(children[0], children[1])
