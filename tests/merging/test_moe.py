"""Merging experts: alignment, grouping and routing, on tiny Mixtral and Qwen-MoE models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from merging.checkpoint import inspect_checkpoint, open_parent
from merging.errors import CheckpointError, NonFiniteError
from merging.moe.alignment import Matrices, alignment
from merging.moe.grouping import dominant_counts, leaders
from merging.moe.layout import expert_blocks, stored_tensors
from merging.moe.merge import MergedExperts
from merging.moe.routing import routing_statistics
from merging.moe.writing import write_merged

EXPERTS, LAYERS, HIDDEN, UNITS = 4, 3, 16, 12
TOKENS = torch.tensor([[1, 5, 9, 13, 2], [1, 7, 7, 8, 30]])
ROWS = [[1, 5, 9, 13, 2], [1, 7, 7], [4, 8, 15, 16, 23, 39], [3]]

_COMMON: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "num_experts_per_tok": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_QWEN: dict[str, Any] = {
    "num_experts": EXPERTS,
    "moe_intermediate_size": UNITS,
    "intermediate_size": 20,
}


def _mixtral() -> Any:
    return MixtralForCausalLM(
        MixtralConfig(**_COMMON, num_local_experts=EXPERTS, intermediate_size=UNITS)
    )


def _qwen2() -> Any:
    return Qwen2MoeForCausalLM(
        # The first block is dense, and there is a shared expert besides the routed ones.
        Qwen2MoeConfig(**_COMMON, **_QWEN, shared_expert_intermediate_size=8, mlp_only_layers=[0])
    )


def _qwen3() -> Any:
    return Qwen3MoeForCausalLM(Qwen3MoeConfig(**_COMMON, **_QWEN, tie_word_embeddings=True))


MAKERS = {"mixtral": _mixtral, "qwen2": _qwen2, "qwen3": _qwen3}


def written(
    make: Callable[[], Any], folder: Path, change: Callable[[Any], None] | None = None
) -> Path:
    """A random model with routers that choose, changed if asked for, and saved."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.normal_(0, 0.3)
            if change is not None:
                change(model)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(params=list(MAKERS))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return written(MAKERS[request.param], tmp_path / "moe")


def loaded(folder: Path) -> Any:
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval()


def logits(folder: Path) -> Tensor:
    with torch.no_grad():
        found: Tensor = loaded(folder)(TOKENS).logits
    return found


def merge(folder: Path, groups: float, out: Path) -> MergedExperts:
    parent = open_parent(folder)
    statistics = routing_statistics(loaded(folder), [ROWS])
    merged = MergedExperts(list(parent.info.tensors), parent.tensor, statistics, groups)
    write_merged(parent, merged, out)
    return merged


def matrices(seed: int, units: int = UNITS) -> Matrices:
    generator = torch.Generator().manual_seed(seed)
    gate, up = (torch.randn(units, HIDDEN, generator=generator) for _ in range(2))
    return gate, up, torch.randn(HIDDEN, units, generator=generator)


@given(st.integers(0, 1000), st.integers(1, 20))
def test_alignment_finds_an_experts_order_again(seed: int, units: int) -> None:
    gate, up, down = matrices(seed, units)
    shuffle = torch.randperm(units, generator=torch.Generator().manual_seed(seed))
    order = alignment((gate, up, down), (gate[shuffle], up[shuffle], down[:, shuffle])).tolist()
    assert torch.equal(gate[shuffle][order], gate)
    assert torch.equal(up[shuffle][order], up)
    assert torch.equal(down[:, shuffle][:, order], down)


def test_alignment_is_better_than_no_alignment() -> None:
    first, second = matrices(1), matrices(2)
    order = alignment(first, second).tolist()
    assert sorted(order) == list(range(UNITS))
    gates = (first[0] * second[0][order]).sum() + (first[1] * second[1][order]).sum()
    aligned = gates + (first[2] * second[2][:, order]).sum()
    assert aligned > sum((a * b).sum() for a, b in zip(first, second, strict=True))


def test_a_models_tensors_have_their_names_in_the_checkpoint(folder: Path) -> None:
    model, parent = loaded(folder), open_parent(folder)
    stored = stored_tensors(model)
    assert set(stored) == set(parent.info.tensors)
    for name, tensor in stored.items():
        assert torch.equal(tensor, parent.tensor(name))
    name = expert_blocks(stored)[0].experts[2].up
    with torch.no_grad():
        stored[name].zero_()
    assert not bool(stored_tensors(model)[name].any())


def test_other_models_keep_their_names() -> None:
    dense: Any = LlamaForCausalLM(LlamaConfig(**{**_COMMON, "intermediate_size": 20}))
    assert list(stored_tensors(dense)) == [name for name, _ in dense.named_parameters()]
    with pytest.raises(CheckpointError, match="no routers over experts"):
        routing_statistics(dense, [ROWS])
    with pytest.raises(CheckpointError, match="has no experts of the Mixtral or Qwen-MoE layout"):
        expert_blocks(stored_tensors(dense))


def test_an_expert_that_lacks_a_tensor(folder: Path) -> None:
    names = list(inspect_checkpoint(folder).tensors)
    lost = expert_blocks(names)[-1].experts[1].down
    with pytest.raises(CheckpointError, match="which its experts need"):
        expert_blocks([name for name in names if name != lost])


def test_statistics_count_what_the_routers_choose(folder: Path) -> None:
    """The same by hand, one row at a time, from the router logits that transformers returns."""
    model = loaded(folder)
    statistics = routing_statistics(model, [ROWS[:2], ROWS[2:]])
    blocks = expert_blocks(inspect_checkpoint(folder).tensors)
    assert list(statistics) == [block.router for block in blocks]
    with torch.no_grad():
        read = [model(torch.tensor([row]), output_router_logits=True).router_logits for row in ROWS]
    for place, table in enumerate(statistics.values()):
        columns = torch.cat([row[place].reshape(-1, EXPERTS) for row in read])
        chosen = columns.topk(2, dim=-1).indices.flatten().bincount(minlength=EXPERTS)
        torch.testing.assert_close(table[0], chosen / chosen.sum())
        cosine = torch.nn.functional.cosine_similarity(columns.T[:, None], columns.T[None], dim=-1)
        torch.testing.assert_close(table[1:], (1 + cosine) / 2, rtol=1e-5, atol=1e-5)


def test_batches_and_padding_do_not_count(folder: Path) -> None:
    model = loaded(folder)
    one, other = (
        routing_statistics(model, batches) for batches in ([ROWS], [[row] for row in ROWS])
    )
    for name, table in one.items():
        torch.testing.assert_close(table, other[name], rtol=1e-5, atol=1e-5)
    with pytest.raises(CheckpointError, match="no calibration token"):
        routing_statistics(model, [])


def test_the_budget_goes_to_the_most_used() -> None:
    rows = [[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25], [0.4, 0.3, 0.2, 0.1]]
    assert dominant_counts(rows, 1) == [1, 1, 1]
    # After the three that lead: 0.3 of the last block, then 0.25 of the second twice.
    assert dominant_counts(rows, 5 / 3) == [1, 2, 2]
    assert dominant_counts(rows, 2) == [1, 3, 2]
    assert dominant_counts(rows, 4) == [4, 4, 4]
    assert dominant_counts(rows, 9) == [4, 4, 4]


def test_experts_join_the_leader_that_they_resemble() -> None:
    similarity = [[1, 0.2, 0.9, 0.5], [0.2, 1, 0.3, 0.5], [0.9, 0.3, 1, 0.1], [0.5, 0.5, 0.1, 1]]
    frequencies = [0.4, 0.3, 0.2, 0.1]
    # The last resembles both alike and joins the more frequent.
    assert leaders(frequencies, similarity, 2) == [0, 1, 0, 0]
    assert leaders(frequencies, similarity, 1) == [0, 0, 0, 0]
    assert leaders(frequencies, similarity, 4) == [0, 1, 2, 3]


@given(st.integers(0, 1000), st.floats(1, EXPERTS))
def test_counts_keep_to_the_budget(seed: int, groups: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.rand(LAYERS, EXPERTS, generator=generator)
    counts = dominant_counts((rows / rows.sum(-1, keepdim=True)).tolist(), groups)
    assert sum(counts) == round(groups * LAYERS)
    assert all(1 <= count <= EXPERTS for count in counts)


def test_as_many_groups_as_experts_change_nothing(folder: Path, tmp_path: Path) -> None:
    merged = merge(folder, EXPERTS, tmp_path / "child")
    assert merged.saved == 0
    child, parent = open_parent(tmp_path / "child"), open_parent(folder)
    assert {name: (one.shape, one.dtype) for name, one in child.info.tensors.items()} == {
        name: (one.shape, one.dtype) for name, one in parent.info.tensors.items()
    }
    assert all(torch.equal(child.tensor(name), parent.tensor(name)) for name in parent.info.tensors)
    assert torch.equal(logits(tmp_path / "child"), logits(folder))


def _same_experts_shuffled(model: Any) -> None:
    """Every expert of a block is the first in another order of its units."""
    stored = stored_tensors(model)
    for block in expert_blocks(stored):
        first = block.experts[0]
        for expert in block.experts[1:]:
            order = torch.randperm(stored[first.gate].shape[0])
            stored[expert.gate].copy_(stored[first.gate][order])
            stored[expert.up].copy_(stored[first.up][order])
            stored[expert.down].copy_(stored[first.down][:, order])


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("groups", [1, 2])
def test_experts_that_are_one_function_merge_without_loss(
    maker: str, groups: int, tmp_path: Path
) -> None:
    folder = written(MAKERS[maker], tmp_path / "moe", _same_experts_shuffled)
    merge(folder, groups, tmp_path / "child")
    torch.testing.assert_close(logits(tmp_path / "child"), logits(folder), rtol=1e-4, atol=1e-5)


def test_members_of_a_group_share_weights_and_routers_stay(folder: Path, tmp_path: Path) -> None:
    merged = merge(folder, 2, tmp_path / "child")
    child, parent = open_parent(tmp_path / "child"), open_parent(folder)
    blocks = expert_blocks(parent.info.tensors)
    statistics = routing_statistics(loaded(folder), [ROWS])
    touched: set[str] = set()
    for block, leading in zip(blocks, merged.leaders, strict=True):
        frequencies = statistics[block.router][0]
        reference = block.experts[0]
        for leader in set(leading):
            members = [number for number, one in enumerate(leading) if one == leader]
            assert frequencies[leader] == frequencies[members].max()
            if len(members) == 1:
                continue
            names = [block.experts[number] for number in members]
            touched.update(one for e in names for one in (e.gate, e.up, e.down))
            shares = frequencies[members] / frequencies[members].sum()
            expected = torch.zeros(UNITS, HIDDEN)
            for share, expert in zip(shares, names, strict=True):
                parts = [(e.gate, e.up, e.down) for e in (reference, expert)]
                first, second = (
                    (parent.tensor(a), parent.tensor(b), parent.tensor(c)) for a, b, c in parts
                )
                order = alignment(first, second).tolist()
                expected += share * parent.tensor(expert.up)[order]
            for expert in names:
                torch.testing.assert_close(child.tensor(expert.up), expected)
                for part in ("gate", "down"):
                    one, other = getattr(expert, part), getattr(names[0], part)
                    assert torch.equal(child.tensor(one), child.tensor(other))
    assert touched
    for name in set(parent.info.tensors) - touched:
        assert torch.equal(child.tensor(name), parent.tensor(name))
    # What is distinct in the child, counted tensor by tensor.
    routed = {one for b in blocks for e in b.experts for one in (e.gate, e.up, e.down)}
    distinct = {child.tensor(name).numpy().tobytes(): child.tensor(name).numel() for name in routed}
    total = sum(child.tensor(name).numel() for name in routed)
    assert total - sum(distinct.values()) == merged.saved > 0
    assert bool(logits(tmp_path / "child").isfinite().all())


def test_a_group_that_was_never_used_is_averaged(tmp_path: Path) -> None:
    folder = written(_mixtral, tmp_path / "moe")
    parent = open_parent(folder)
    block = expert_blocks(parent.info.tensors)[0]
    table = torch.zeros(1 + EXPERTS, EXPERTS)
    table[0, 0] = 1.0
    # Experts 1, 2 and 3 were never chosen; 2 and 3 resemble 1, and not 0.
    table[1:] = torch.tensor([[1, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1]])
    statistics = {one.router: table for one in expert_blocks(parent.info.tensors)}
    # Of equal ones the first is taken: the one expert to spare is this block's second.
    merged = MergedExperts(list(parent.info.tensors), parent.tensor, statistics, 4 / 3)
    assert merged.leaders[0] == [0, 1, 1, 1]
    down = [parent.tensor(one.down) for one in block.experts]
    first = block.experts[0]
    reference = (parent.tensor(first.gate), parent.tensor(first.up), down[0])
    expected = torch.zeros_like(down[0])
    for number in (1, 2, 3):
        expert = block.experts[number]
        own = (parent.tensor(expert.gate), parent.tensor(expert.up), down[number])
        expected += down[number][:, alignment(reference, own).tolist()] / 3
    torch.testing.assert_close(merged.tensor(block.experts[3].down), expected)


def test_statistics_of_another_model(folder: Path) -> None:
    parent = open_parent(folder)
    names = list(parent.info.tensors)
    with pytest.raises(CheckpointError, match="another model's"):
        MergedExperts(names, parent.tensor, {}, 2)
    wrong = {block.router: torch.ones(3, 2) for block in expert_blocks(names)}
    with pytest.raises(CheckpointError, match=f"say nothing of {EXPERTS} experts"):
        MergedExperts(names, parent.tensor, wrong, 2)


def test_nan_in_an_expert_leaves_no_child(tmp_path: Path) -> None:
    def spoil(model: Any) -> None:
        stored = stored_tensors(model)
        for expert in expert_blocks(stored)[1].experts:
            stored[expert.down][0, 0] = float("nan")

    folder = written(_mixtral, tmp_path / "moe")
    spoiled = written(_mixtral, tmp_path / "spoiled", spoil)
    statistics = routing_statistics(loaded(folder), [ROWS])
    parent = open_parent(spoiled)
    merged = MergedExperts(list(parent.info.tensors), parent.tensor, statistics, EXPERTS)
    with pytest.raises(NonFiniteError, match=r"layers\.1.*w2"):
        write_merged(parent, merged, tmp_path / "out" / "child")
    assert list((tmp_path / "out").iterdir()) == []
