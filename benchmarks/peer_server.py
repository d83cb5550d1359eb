"""Runs in mergekit's environment: merges configurations from standard input into memory.

What mergekit-evolve does for a candidate in memory: plan, execute, and copy into a resident model's
tensors; the loaders of the parents stay open from one candidate to the next.
"""

import contextlib
import json
import os
import sys
import time

import torch
import yaml
from mergekit.architecture import get_architecture_info
from mergekit.config import MergeConfiguration
from mergekit.graph import Executor
from mergekit.merge import _model_out_config
from mergekit.options import MergeOptions
from mergekit.plan import MergePlanner
from safetensors.torch import save_file


def main() -> None:
    """Answer every line with the seconds its merge took, or with its error."""
    torch.set_num_threads(int(sys.argv[1]))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # What mergekit prints is no answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    resident: dict[str, torch.Tensor] = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            seconds = merge(request["config"], request["seed"], resident)
            if request["out"]:
                save_file(
                    {name: one.contiguous() for name, one in resident.items()}, request["out"]
                )
            answer: dict[str, float | str] = {"seconds": seconds}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def merge(config: str, seed: int, resident: dict[str, torch.Tensor]) -> float:
    """Merge into `resident`, which is filled by the first merge."""
    options = MergeOptions(quiet=True)
    torch.manual_seed(seed)
    started = time.perf_counter()
    parsed = MergeConfiguration.model_validate(yaml.safe_load(config))
    architecture = get_architecture_info(parsed, options)
    out_config = _model_out_config(parsed, architecture)
    planner = MergePlanner(parsed, architecture, options=options, out_model_config=out_config)
    # What `plan_in_memory` does; with pydantic 2.14 that itself fails, on a generic field's type.
    planner._plan()
    names = {task: weight.name for weight, task in planner._tensors}
    for name in resident.keys() - set(names.values()):
        del resident[name]
    executor = Executor(list(names), math_device="cpu", storage_device="cpu")
    with contextlib.redirect_stdout(sys.stderr):
        for task, value in executor.run(quiet=True):
            name = names[task]
            held = resident.get(name)
            if held is not None and (held.shape, held.dtype) == (value.shape, value.dtype):
                held.copy_(value)
            else:
                resident[name] = value.clone()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
