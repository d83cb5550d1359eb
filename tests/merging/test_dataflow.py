"""Paths through blocks: shared weights, caches by hop, and exports without code of ours."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from evaluators.batches import Limits, prepare
from evaluators.generation import generate
from evaluators.likelihood import log_likelihoods, prepare_pairs
from evaluators.shared_prefix import read_prefix
from evaluators.task import GenerationSettings, Item
from merging.checkpoint import open_parent
from merging.dataflow.fold import FoldedPath
from merging.dataflow.path import Hop, read_path
from merging.engine import MergeEngine
from merging.errors import CheckpointError, RecipeError
from merging.export import write_checkpoint
from merging.recipe import Recipe
from tests.evaluators.byte_model import byte_tokenizer

_Auto: Any = AutoModelForCausalLM
TOKENS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8]])
COMMON: dict[str, Any] = {
    "vocab_size": 20,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False}),
    "mistral": ("Mistral", {"sliding_window": None, "tie_word_embeddings": False}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3", {"tie_word_embeddings": True}),
}
# Blocks visited again, both models, and scales of both signs.
HOPS = [("a", 0, 1.0), ("a", 1, 0.7), ("b", 1, -1.3), ("b", 1, 0.9), ("b", 0, 1.2), ("a", 2, -0.8)]


def write(folder: Path, family: str, seed: int, layers: int = 3, **more: Any) -> Path:
    name, special = FAMILIES[family]
    config = getattr(transformers, f"{name}Config")(
        **(COMMON | special | {"num_hidden_layers": layers} | more)
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = getattr(transformers, f"{name}ForCausalLM")(config)
        for parameter in model.parameters():
            # Norms and biases too, which are ones and zeros otherwise.
            parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=list(FAMILIES))
def parents(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    root = tmp_path_factory.mktemp(request.param)
    return {
        "a": write(root / "a", request.param, 1),
        "b": write(root / "b", request.param, 2, layers=2),
    }


def recipe_of(hops: Sequence[tuple[str, int, float]], **more: Any) -> Recipe:
    slices = [
        {
            "sources": [
                {
                    "model": model,
                    "layer_range": [layer, layer + 1],
                    "parameters": {} if scale == 1 else {"input_scale": scale},
                }
            ]
        }
        for model, layer, scale in hops
    ]
    return Recipe.parse({"merge_method": "passthrough", "slices": slices} | more)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(TOKENS).logits
    return found


def test_a_path_over_one_model_is_that_model(parents: dict[str, Path]) -> None:
    child = MergeEngine(parents).merge(recipe_of([("a", layer, 1.0) for layer in range(3)]))
    original = _Auto.from_pretrained(parents["a"], dtype=torch.float32).eval()
    assert torch.equal(logits(child), logits(original))


def test_weights_are_shared_with_the_mapped_parents(parents: dict[str, Path]) -> None:
    engine = MergeEngine(parents)
    child = engine.merge(recipe_of(HOPS))
    for name, parameter in child.named_parameters():
        if ".layers." in name:
            place = int(name.split(".")[2])
            model, layer, _ = HOPS[place]
            source = name.replace(f"layers.{place}.", f"layers.{layer}.")
            assert parameter.data_ptr() == engine.parents[model].tensor(source).data_ptr()
    resident = logits(engine.model)
    engine.merge(recipe_of(HOPS[:1] + HOPS[-1:]))
    assert torch.equal(logits(engine.model), resident)


def test_scales_multiply_the_stream_where_it_enters(parents: dict[str, Path]) -> None:
    """By hand: the parents' own layers, one after another."""
    models = {
        name: _Auto.from_pretrained(folder, dtype=torch.float32).eval()
        for name, folder in parents.items()
    }
    first = models["a"].model
    with torch.no_grad():
        stream = first.embed_tokens(TOKENS)
        rotary = first.rotary_emb(stream, torch.arange(TOKENS.shape[1])[None])
        for model, layer, scale in HOPS:
            block = models[model].model.layers[layer]
            stream = block(stream * scale, position_embeddings=rotary)
        expected = models["a"].lm_head(first.norm(stream))
    child = MergeEngine(parents).merge(recipe_of(HOPS))
    torch.testing.assert_close(logits(child), expected)


def test_keys_and_values_are_cached_by_hop(parents: dict[str, Path]) -> None:
    child: Any = MergeEngine(parents).merge(recipe_of(HOPS))
    arguments = {"max_new_tokens": 12, "do_sample": False}
    cached = child.generate(TOKENS, **arguments)
    plain = child.generate(TOKENS, use_cache=False, **arguments)
    assert torch.equal(cached, plain)


def test_the_export_needs_no_code_of_ours(parents: dict[str, Path], tmp_path: Path) -> None:
    recipe = recipe_of(HOPS)
    child: Any = MergeEngine(parents).merge(recipe)
    write_checkpoint(recipe, parents, tmp_path / "child")
    loaded = _Auto.from_pretrained(tmp_path / "child", dtype=torch.float32).eval()
    assert loaded.config.num_hidden_layers == len(HOPS)
    torch.testing.assert_close(logits(loaded), logits(child), rtol=1e-4, atol=2e-4)
    arguments = {"max_new_tokens": 12, "do_sample": False}
    assert torch.equal(loaded.generate(TOKENS, **arguments), child.generate(TOKENS, **arguments))


@pytest.mark.parametrize("before", ["", "1 + 1 = 2; "], ids=["alone", "shared prefix"])
@pytest.mark.parametrize("family", FAMILIES)
def test_completions_are_those_of_the_export(family: str, before: str, tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    size = len(tokenizer)
    folders = {
        "a": write(tmp_path / "a", family, 1, vocab_size=size),
        "b": write(tmp_path / "b", family, 2, layers=2, vocab_size=size),
    }
    recipe = recipe_of(HOPS)
    write_checkpoint(recipe, folders, tmp_path / "child")
    loaded = _Auto.from_pretrained(tmp_path / "child", dtype=torch.float32).eval()
    items = [Item(str(n), before + "7 + 5 = "[: n + 1] * n, "12") for n in range(1, 6)]
    batches = prepare(items, tokenizer, GenerationSettings(12), limits=Limits(prefix=8))
    child: Any = MergeEngine(folders).merge(recipe)
    assert bool(batches.prefix) == bool(before)
    if before:
        assert read_prefix(child, batches.prefix) is not None
    completions = generate(child, batches)
    assert completions == generate(loaded, batches)
    if not before:
        assert len({completion.text for completion in completions}) > 1
    # By transformers' own loop, which neither batches nor pads here.
    for item, completion in zip(items, completions, strict=True):
        tokens = torch.tensor([tokenizer(item.prompt)["input_ids"]])
        ends = tokenizer.eos_token_id
        whole = child.generate(tokens, max_new_tokens=12, do_sample=False, eos_token_id=ends)
        text = tokenizer.decode(whole[0, tokens.shape[1] :], skip_special_tokens=True)
        assert completion.text == text


def test_likelihoods_are_those_of_the_export(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    size = len(tokenizer)
    folders = {
        "a": write(tmp_path / "a", "llama", 1, vocab_size=size),
        "b": write(tmp_path / "b", "llama", 2, layers=2, vocab_size=size),
    }
    recipe = recipe_of(HOPS)
    write_checkpoint(recipe, folders, tmp_path / "child")
    loaded = _Auto.from_pretrained(tmp_path / "child", dtype=torch.float32).eval()
    child: Any = MergeEngine(folders).merge(recipe)
    examples = "2 + 2 = 4; 3 + 4 = 7; 1 + 1 = 2; "
    asked = [(f"{examples}{n} + 5 =", f" {n + 5}") for n in range(6)]
    pairs = prepare_pairs(asked, tokenizer)
    assert pairs.prefix >= len(examples)
    assert read_prefix(child, pairs.texts[0][: pairs.prefix]) is not None
    for text, count, found in zip(
        pairs.texts, pairs.counts, log_likelihoods(child, pairs), strict=True
    ):
        with torch.inference_mode():
            scores = loaded(torch.tensor([text[:-1]])).logits[0, -count:].log_softmax(-1)
        after = torch.tensor(text[-count:])
        assert found is not None
        assert found.log == pytest.approx(float(scores.gather(1, after[:, None]).sum()), abs=1e-3)
        assert found.greedy == torch.equal(scores.argmax(-1), after)


def test_windows_of_attention_go_with_their_blocks(tmp_path: Path) -> None:
    """Each model's first layers see everything, the later ones a window."""
    window = {"use_sliding_window": True, "sliding_window": 3}
    folders = {
        "a": write(tmp_path / "a", "qwen2", 1, max_window_layers=3, **window),
        "b": write(tmp_path / "b", "qwen2", 2, max_window_layers=1, **window),
    }
    config = json.loads((folders["b"] / "config.json").read_text())
    # As older files have it: the number of the window's first layer alone.
    del config["layer_types"]
    (folders["b"] / "config.json").write_text(json.dumps(config))
    recipe = recipe_of([("a", 0, 1.0), ("b", 1, 1.0), ("b", 0, 1.0), ("a", 2, 1.0)])
    child: Any = MergeEngine(folders).merge(recipe)
    kinds = ["full_attention", "sliding_attention", "full_attention", "full_attention"]
    assert child.config.layer_types == kinds
    write_checkpoint(recipe, folders, tmp_path / "child")
    loaded = _Auto.from_pretrained(tmp_path / "child", dtype=torch.float32).eval()
    assert loaded.config.layer_types == kinds
    assert torch.equal(logits(loaded), logits(child))
    everything = MergeEngine(folders).merge(recipe_of([("a", layer, 1.0) for layer in range(3)]))
    original = _Auto.from_pretrained(folders["a"], dtype=torch.float32).eval()
    assert torch.equal(logits(everything), logits(original))


def test_parents_of_another_type_are_converted_once(tmp_path: Path) -> None:
    write(tmp_path / "full", "llama", 1)
    halved = _Auto.from_pretrained(tmp_path / "full", dtype=torch.bfloat16)
    halved.save_pretrained(tmp_path / "a")
    engine = MergeEngine({"a": tmp_path / "a"})
    path = recipe_of([("a", layer, 1.0) for layer in range(3)])
    children = [engine.merge(path), engine.merge(path)]
    original = _Auto.from_pretrained(tmp_path / "a", dtype=torch.float32).eval()
    assert torch.equal(logits(children[0]), logits(original))
    first, second = ({one.data_ptr() for one in child.parameters()} for child in children)
    assert first == second


def test_a_path_without_scales_is_exported_exactly(
    parents: dict[str, Path], tmp_path: Path
) -> None:
    recipe = recipe_of([("a", 0, 1.0), ("b", 1, 1.0), ("b", 0, 1.0)])
    child = MergeEngine(parents).merge(recipe)
    write_checkpoint(recipe, parents, tmp_path / "child")
    loaded = _Auto.from_pretrained(tmp_path / "child", dtype=torch.float32).eval()
    # Norm and head are the last hop's model's.
    assert torch.equal(logits(loaded), logits(child))
    saved = Recipe.from_yaml((tmp_path / "child" / "recipe.yaml").read_text())
    assert saved.digest() == recipe.digest()
    assert "input_scale" not in saved.to_yaml()


def test_the_yaml_says_what_mergekit_passes_over() -> None:
    recipe = recipe_of(HOPS)
    assert recipe.to_yaml().startswith("# input_scale is Cuvee's own")
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


SCALES = st.floats(0.3, 3).flatmap(lambda size: st.sampled_from([size, -size]))


@given(scales=st.lists(SCALES, min_size=2, max_size=5))
@settings(max_examples=15, deadline=None)
def test_any_scales_within_the_bounds_fold(
    scales: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fold"
    if not folder.exists():
        write(folder, "llama", 3)
    hops = [("a", place % 3, scale) for place, scale in enumerate(scales)]
    products = [math.prod(scales[: place + 1]) for place in range(len(scales))]
    recipe = recipe_of(hops)
    path = read_path(recipe)
    assert path is not None
    opened = {"a": open_parent(folder)}
    if not all(1 / 16 <= abs(product) <= 16 for product in products):
        with pytest.raises(CheckpointError, match="scales up to hop"):
            FoldedPath(path, opened)
        return
    folded = FoldedPath(path, opened)
    engine = MergeEngine({"a": folder})
    child = engine.merge(recipe)
    kind: Any = transformers.LlamaForCausalLM
    plain = kind(child.config).eval()
    state = {name: folded.tensor(name) for name in folded.tensors}
    plain.load_state_dict(state)
    # The norm's epsilon costs the more the larger the product is.
    torch.testing.assert_close(logits(plain), logits(child), rtol=2e-2, atol=2e-2)


def test_numbers_along_a_slice_are_one_a_layer() -> None:
    source = {"model": "a", "layer_range": [1, 4], "parameters": {"input_scale": [1, 0.5, 2]}}
    slices = [{"sources": [source]}]
    path = read_path(Recipe.parse({"merge_method": "passthrough", "slices": slices}))
    assert path is not None
    assert path.hops == (Hop("a", 1, 1.0), Hop("a", 2, 0.5), Hop("a", 3, 2.0))


def test_layers_there_are_not(parents: dict[str, Path]) -> None:
    with pytest.raises(RecipeError, match="layer_range ends at 3, but 'b' has 2 layers"):
        MergeEngine(parents).merge(recipe_of([("a", 0, 1.0), ("b", 2, 1.0)]))


def test_an_input_scale_needs_slices(parents: dict[str, Path]) -> None:
    recipe = Recipe.parse(
        {
            "merge_method": "passthrough",
            "models": [{"model": "a", "parameters": {"input_scale": 0.5}}],
        }
    )
    with pytest.raises(RecipeError, match="input_scale: belongs to slices"):
        MergeEngine(parents).merge(recipe)


def test_embeddings_between_the_ends_may_be_of_any_size(tmp_path: Path) -> None:
    folders = {
        "a": write(tmp_path / "a", "llama", 1),
        "b": write(tmp_path / "b", "llama", 2, vocab_size=31),
        "c": write(tmp_path / "c", "llama", 3, tie_word_embeddings=True),
    }
    inside = recipe_of([("a", 0, 1.0), ("b", 0, 0.5), ("c", 1, 1.0), ("a", 2, 1.0)])
    child = MergeEngine(folders).merge(inside)
    write_checkpoint(inside, folders, tmp_path / "child")
    loaded = _Auto.from_pretrained(tmp_path / "child", dtype=torch.float32).eval()
    torch.testing.assert_close(logits(loaded), logits(child), rtol=1e-4, atol=2e-4)
    with pytest.raises(RecipeError, match="is 31x32 in 'b' but 20x32 in 'a'"):
        MergeEngine(folders).merge(recipe_of([("a", 0, 1.0), ("b", 0, 1.0)]))
