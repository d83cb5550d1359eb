"""Archives: parents go in, come back as the masks say, and what cannot is told."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from merging.checkpoint import content_digest, inspect_checkpoint, open_parent
from merging.errors import CheckpointError, NonFiniteError
from merging.tall_masks import writing
from merging.tall_masks.masks import merged_vector, tall_mask
from merging.tall_masks.reading import ArchivedParent
from merging.tall_masks.writing import Models, compress
from tests.merging.conftest import Family, write_model

LAMBDAS = {"maths": 0.4, "ja": 0.3, "other": 0.6}
TOKENS = torch.tensor([[1, 5, 9, 13, 2], [1, 7, 7, 8, 30]])


def models_of(family: Family) -> Models:
    return Models(family["base"], {name: family[name] for name in LAMBDAS})


@pytest.fixture
def archive(family: Family, tmp_path: Path) -> Path:
    compress(models_of(family), LAMBDAS, tmp_path / "archive")
    return tmp_path / "archive"


def rewritten(source: Path, folder: Path, change: dict[str, torch.Tensor | None]) -> Path:
    """A copy of a model folder with some tensors changed, added, or (None) left out."""
    folder.mkdir()
    (folder / "config.json").write_bytes((source / "config.json").read_bytes())
    tensors = load_file(source / "model.safetensors") | change
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    save_file(kept, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("name", LAMBDAS)
def test_a_parent_comes_back_as_the_formula_says(name: str, family: Family, archive: Path) -> None:
    opened = {one: open_parent(folder) for one, folder in family.items()}
    archived, known = ArchivedParent(archive, name), models_of(family)
    assert set(archived.names) == set(opened["base"].info.tensors)
    for one in archived.names:
        base = opened["base"].tensor(one)
        merged = merged_vector(base, [opened[parent].tensor(one) for parent in LAMBDAS])
        mask = tall_mask(opened[name].tensor(one) - base, merged, LAMBDAS[name])
        expected = base + mask * merged
        assert torch.equal(archived.tensor(one), expected)
        assert torch.equal(known.restored(name, one, LAMBDAS[name]), expected)
        # Some entries are taken, some are not, or the test would not tell.
        assert bool(mask.any())
    assert any(
        not torch.equal(archived.tensor(one), opened["base"].tensor(one)) for one in archived.names
    )


def test_tiles_do_not_show(
    family: Family, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {
        one: ArchivedParent(archive, "ja").tensor(one)
        for one in ArchivedParent(archive, "ja").names
    }
    monkeypatch.setattr(writing, "TILE", 64)
    compress(models_of(family), LAMBDAS, tmp_path / "tiled")
    for file in ("base.safetensors", "merged.safetensors", "parents/ja/mask.safetensors"):
        assert (tmp_path / "tiled" / file).read_bytes() == (archive / file).read_bytes()
    monkeypatch.setattr("merging.tall_masks.reading.TILE", 64)
    for one, tensor in whole.items():
        assert torch.equal(ArchivedParent(archive, "ja").tensor(one), tensor)


def test_a_restored_parent_is_an_ordinary_checkpoint(
    family: Family, archive: Path, tmp_path: Path
) -> None:
    archived, out = ArchivedParent(archive, "ja"), tmp_path / "deep" / "ja"
    archived.restore(out)
    for file in ("config.json", "generation_config.json", "tokenizer.json"):
        assert (out / file).read_bytes() == (family["ja"] / file).read_bytes()
    assert inspect_checkpoint(out).tensors == inspect_checkpoint(family["ja"]).tensors
    loaded = AutoModelForCausalLM.from_pretrained(out)
    for name, parameter in loaded.named_parameters():
        assert torch.equal(parameter, archived.tensor(name))
    assert bool(loaded(TOKENS).logits.isfinite().all())
    assert not list(tmp_path.rglob(".*"))


def test_one_parent_alone_comes_back_whole(tied: Family, tmp_path: Path) -> None:
    compress(Models(tied["base"], {"ja": tied["ja"]}), {"ja": 0.6}, tmp_path / "archive")
    ja, archived = open_parent(tied["ja"]), ArchivedParent(tmp_path / "archive", "ja")
    for name in archived.names:
        torch.testing.assert_close(archived.tensor(name), ja.tensor(name), rtol=0, atol=1e-6)


def test_sizes_and_manifest(tied: Family, tmp_path: Path) -> None:
    sizes = compress(models_of(tied), LAMBDAS, tmp_path / "archive")
    info = inspect_checkpoint(tied["base"])
    counts = [torch.Size(one.shape).numel() for one in info.tensors.values()]
    assert sizes.parents == 3 * 4 * sum(counts)
    headers = 0
    for file in (tmp_path / "archive").rglob("*.safetensors"):
        with file.open("rb") as opened:
            headers += 8 + int.from_bytes(opened.read(8), "little")
    masks = 3 * sum(math.ceil(count / 8) for count in counts)
    assert sizes.archive - headers == 2 * 4 * sum(counts) + masks
    assert sizes.ratio == sizes.archive / sizes.parents
    manifest = json.loads((tmp_path / "archive" / "manifest.json").read_text())
    assert manifest["base_digest"] == content_digest(tied["base"])
    for name, threshold in LAMBDAS.items():
        assert manifest["parents"][name]["digest"] == content_digest(tied[name])
        assert manifest["parents"][name]["lambda"] == threshold


def test_types_are_those_of_the_parents(tied: Family, tmp_path: Path) -> None:
    halves = {
        name: one.bfloat16() for name, one in load_file(tied["ja"] / "model.safetensors").items()
    }
    base = {
        name: one.bfloat16() for name, one in load_file(tied["base"] / "model.safetensors").items()
    }
    ja = rewritten(tied["ja"], tmp_path / "ja", {**halves})
    start = rewritten(tied["base"], tmp_path / "base", {**base})
    compress(Models(start, {"ja": ja}), {"ja": 0.4}, tmp_path / "small")
    merged = load_file(tmp_path / "small" / "merged.safetensors")
    assert {one.dtype for one in merged.values()} == {torch.bfloat16}
    archived, stored = ArchivedParent(tmp_path / "small", "ja"), open_parent(ja)
    start_model = open_parent(start)
    for name in archived.names:
        assert archived.tensor(name).dtype == torch.bfloat16
        # Two roundings, of the vector and of the sum, each by half a place: bfloat16 has 8 bits.
        wanted, begun = stored.tensor(name).float(), start_model.tensor(name).float()
        allowed = 2**-8 * ((wanted - begun).abs() + archived.tensor(name).float().abs())
        assert bool(((archived.tensor(name).float() - wanted).abs() <= allowed).all())
    compress(
        Models(start, {"ja": ja, "maths": tied["maths"]}),
        {"ja": 0.4, "maths": 0.4},
        tmp_path / "mix",
    )
    merged = load_file(tmp_path / "mix" / "merged.safetensors")
    assert {one.dtype for one in merged.values()} == {torch.float32}
    name = archived.names[0]
    assert ArchivedParent(tmp_path / "mix", "ja").tensor(name).dtype == torch.bfloat16
    assert ArchivedParent(tmp_path / "mix", "maths").tensor(name).dtype == torch.float32


def test_numbers_without_a_dimension_and_of_whole_type(tied: Family, tmp_path: Path) -> None:
    extra = {"scale": torch.tensor(0.5), "count": torch.tensor([3, 4])}
    base = rewritten(tied["base"], tmp_path / "base", {**extra})
    ja = rewritten(tied["ja"], tmp_path / "ja", {**extra, "scale": torch.tensor(0.75)})
    compress(Models(base, {"ja": ja}), {"ja": 0.4}, tmp_path / "archive")
    archived = ArchivedParent(tmp_path / "archive", "ja")
    assert archived.tensor("scale").item() == 0.75
    assert archived.tensor("scale").shape == ()
    assert torch.equal(archived.tensor("count"), extra["count"])
    other = rewritten(tied["ja"], tmp_path / "other", {**extra, "count": torch.tensor([3, 5])})
    with pytest.raises(CheckpointError, match="'count' of 'ja'"):
        Models(base, {"ja": other})


def test_parents_that_do_not_fit(tied: Family, untied: Family, tmp_path: Path) -> None:
    norm = "model.norm.weight"
    lacking = rewritten(tied["ja"], tmp_path / "lacking", {norm: None})
    with pytest.raises(CheckpointError, match=f"'ja' has no tensor '{norm}'"):
        Models(tied["base"], {"ja": lacking})
    wide = write_model(tmp_path / "wide", 5, hidden_size=64)
    with pytest.raises(CheckpointError, match="in 'ja' but"):
        Models(tied["base"], {"ja": wide})
    with pytest.raises(CheckpointError, match="only one ties its embeddings"):
        Models(tied["base"], {"ja": untied["ja"]})
    with pytest.raises(CheckpointError, match="a name is made of"):
        Models(tied["base"], {"../ja": tied["ja"]})


def test_nan_leaves_no_archive_behind(tied: Family, tmp_path: Path) -> None:
    norm = "model.norm.weight"
    broken = load_file(tied["ja"] / "model.safetensors")[norm]
    broken[3] = float("nan")
    ja = rewritten(tied["ja"], tmp_path / "ja", {norm: broken})
    with pytest.raises(NonFiniteError, match=norm):
        compress(Models(tied["base"], {"ja": ja}), {"ja": 0.4}, tmp_path / "out" / "archive")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_folder_holds_is_replaced_only_when_told(tied: Family, tmp_path: Path) -> None:
    out = tmp_path / "archive"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="already holds files"):
        compress(models_of(tied), LAMBDAS, out)
    assert (out / "notes.txt").read_text() == "mine"
    compress(models_of(tied), LAMBDAS, out, overwrite=True)
    assert not (out / "notes.txt").exists()
    assert ArchivedParent(out, "ja").names


def test_folders_that_are_no_archive(tied: Family, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    compress(models_of(tied), LAMBDAS, archive)
    with pytest.raises(CheckpointError, match=r"no parent 'en'; there are: maths, ja, other"):
        ArchivedParent(archive, "en")
    with pytest.raises(CheckpointError, match="`cuvee compress` did not write it"):
        ArchivedParent(tied["base"], "ja")
    mask = archive / "parents" / "ja" / "mask.safetensors"
    mask.write_bytes(mask.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"mask\.safetensors: is missing, truncated"):
        ArchivedParent(archive, "ja")
    manifest = archive / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(CheckpointError, match="version: Input should be 1"):
        ArchivedParent(archive, "maths")
