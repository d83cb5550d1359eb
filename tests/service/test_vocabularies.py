"""A job's models may have different vocabularies, if their tokenizers say which token is which."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from safetensors.torch import load_file, save_file

Spec = dict[str, Any]


@pytest.fixture
def shorter(models_dir: Path, spec: Spec) -> Path:
    """`right`, without the last of its words."""
    folder = models_dir / "tiny" / "shorter"
    shutil.copytree(models_dir / "tiny" / "right", folder, dirs_exist_ok=True)
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"] = weights["model.embed_tokens.weight"][:-1].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    data = json.loads((folder / "tokenizer.json").read_text())
    del data["model"]["vocab"]["."]
    (folder / "tokenizer.json").write_text(json.dumps(data))
    spec["models"]["right"]["ref"] = "tiny/shorter"
    return folder


@pytest.mark.usefixtures("shorter")
def test_a_job_with_two_vocabularies(api: TestClient, spec: Spec) -> None:
    assert api.post("/v1/jobs", json=spec).status_code == 201


def test_tokens_that_nobody_can_tell(api: TestClient, spec: Spec, shorter: Path) -> None:
    (shorter / "tokenizer.json").unlink()
    answer = api.post("/v1/jobs", json=spec)
    assert answer.status_code == 422
    assert "'model.embed_tokens.weight' is 20x32" in answer.text
