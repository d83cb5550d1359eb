"""A small search over the bundled parents, as tests submit it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from evaluators.task import SPLITS
from evaluators.tasks import load_task


def zoo_spec(
    *, seed: int = 5, trials: int = 12, sampler: str = "cmaes", **more: Any
) -> dict[str, Any]:
    """Two parents, ten genes, few items: some seconds of search."""
    samplers = {
        "cmaes": {"kind": "cmaes", "population": 6, "sigma": 0.25},
        "tpe": {"kind": "tpe", "batch": 4, "startup": 6},
        "random": {"kind": "random", "batch": 5},
    }
    spec = {
        "name": "small",
        "seed": seed,
        "models": {name: {"ref": f"zoo/{name}"} for name in ("base", "maths", "ja")},
        "tasks": [{"task": "word_problems_ja"}],
        "items": 24,
        "select": {"top_k": 2},
        "baselines": {"averages": True, "grid_step": None},
        "stages": [
            {
                "name": "weights",
                "space": {
                    "kind": "parameter",
                    "method": "task_arithmetic",
                    "base": "base",
                    "parents": ["maths", "ja"],
                    "layer_groups": 4,
                },
                "sampler": samplers[sampler],
                "budget": {"trials": trials},
            }
        ],
    }
    return spec | more


def write_spec(folder: Path, spec: dict[str, Any]) -> Path:
    """The spec as a YAML file."""
    path = folder / f"{spec['name']}.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def write_few(folder: Path) -> Path:
    """A new tasks folder with `jsonl:few`: the bundled word problems, but few of them."""
    task = load_task("word_problems_ja")
    items = [(split, item) for split in SPLITS for item in task.items(split)[:24]]
    lines = [
        json.dumps({"id": item.id, "prompt": item.prompt, "answer": item.reference, "split": split})
        for split, item in items
    ]
    folder.mkdir()
    (folder / "few.jsonl").write_text("\n".join(lines))
    (folder / "few.toml").write_text("max_new_tokens = 48")
    return folder
