"""Where the models of a job may come from: the models folder, and what lies outside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from merging.checkpoint import CheckpointInfo, content_digest
from search.errors import FieldError
from service.models import available, resolve
from tests.tiny import write_llama

FIELD = "models.right.ref"
QUERY = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    write_llama(tmp_path / "models" / "tiny" / "base", 0)
    return tmp_path / "models"


def write_adapter(folder: Path, base: Path | None = None) -> Path:
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": str(base)}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    factors = {
        f"{QUERY}.lora_A.weight": torch.ones(2, 32),
        f"{QUERY}.lora_B.weight": torch.ones(32, 2),
    }
    save_file(factors, folder / "adapter_model.safetensors")
    return folder


def found(answer: CheckpointInfo | FieldError) -> CheckpointInfo:
    assert isinstance(answer, CheckpointInfo), answer
    return answer


def refused(answer: CheckpointInfo | FieldError) -> str:
    assert isinstance(answer, FieldError)
    assert answer.field == FIELD
    return answer.message


def test_a_model_with_an_adapter(models_dir: Path) -> None:
    base, adapter = models_dir / "tiny" / "base", write_adapter(models_dir / "tiny" / "adapter")
    info = found(resolve("tiny/base+tiny/adapter", models_dir, FIELD))
    assert (info.folder, info.path) == (base, Path(f"{base}+{adapter}"))
    assert content_digest(info.path) != content_digest(base)
    message = refused(resolve("tiny/base+tiny/gone", models_dir, FIELD))
    assert message.startswith("there is no model 'tiny/gone'; ")
    assert message.endswith("the models folder holds: tiny/base")


def test_an_adapter_may_not_name_a_base_elsewhere(models_dir: Path, tmp_path: Path) -> None:
    secret = write_llama(tmp_path / "secret", 1)
    write_adapter(models_dir / "inside", models_dir / "tiny" / "base")
    write_adapter(models_dir / "outside", secret)
    write_adapter(tmp_path / "stranger", secret)
    assert found(resolve("inside", models_dir, FIELD)).folder == models_dir / "tiny" / "base"
    for reference in ("outside", "tiny/base+../stranger", f"tiny/base+{tmp_path}/stranger"):
        message = refused(resolve(reference, models_dir, FIELD))
        assert "outside the models folder" in message


def test_a_repository_in_the_local_cache(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    commit = "0" * 40
    snapshot = tmp_path / "hub" / "models--org--name" / "snapshots" / commit
    shutil.copytree(models_dir / "tiny" / "base", snapshot)
    assert found(resolve(f"org/name@{commit}", models_dir, FIELD)).path == snapshot
    message = refused(resolve("org/name@main", models_dir, FIELD))
    assert "org/name@main: is not in the local Hugging Face cache" in message
    message = refused(resolve("org/name", models_dir, FIELD))
    assert "there is no model 'org/name'; one of a repository is written" in message


def test_what_there_is_to_choose_from(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_adapter(models_dir / "adapter")
    (models_dir / "quantised").mkdir()
    (models_dir / "quantised" / "small.gguf").write_bytes(b"GGUF")
    assert available(models_dir) == ["quantised/small.gguf", "tiny/base"]
    message = refused(resolve("quantised/small.gguf", models_dir, FIELD))
    assert "cannot be read as a GGUF model" in message
