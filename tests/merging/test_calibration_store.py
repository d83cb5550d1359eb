"""Statistics as files: computed once, named by what they depend on, whole or not there."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from merging.calibration.needs import models_of, preparations, settings_of
from merging.calibration.store import kept, statistic_name
from merging.calibration.texts import Text, texts_digest
from merging.recipe import Recipe

NAME = "fisher-0.safetensors"


def some() -> Mapping[str, Tensor]:
    # Not contiguous, as an expert's view may be.
    return {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor([0.25])}


def test_what_is_kept_is_computed_once(tmp_path: Path) -> None:
    folder = tmp_path / "statistics"
    counted: list[int] = []

    def compute() -> Mapping[str, Tensor]:
        counted.append(1)
        return some()

    first, again = kept(folder, NAME, compute), kept(folder, NAME, compute)
    assert len(counted) == 1
    for name, one in some().items():
        assert torch.equal(first[name], one)
        assert torch.equal(again[name], one)


def test_of_several_at_the_same_time_one_computes(tmp_path: Path) -> None:
    counted: list[int] = []
    results: list[Mapping[str, Tensor]] = []
    begun = threading.Barrier(4)

    def compute() -> Mapping[str, Tensor]:
        counted.append(1)
        # The others are at the lock by then, or come to it later: both must end the same way.
        time.sleep(0.05)
        return some()

    def want() -> None:
        begun.wait()
        results.append(kept(tmp_path, NAME, compute))

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted) == 1
    assert len(results) == 4


def test_what_fails_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> Mapping[str, Tensor]:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        kept(tmp_path, NAME, fail)
    assert not list(tmp_path.glob("*.safetensors"))
    assert torch.equal(kept(tmp_path, NAME, some)["b"], some()["b"])


def test_a_process_that_dies_while_it_computes_leaves_the_way_free(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from merging.calibration.store import kept; "
        "kept(Path(sys.argv[1]), sys.argv[2], lambda: os._exit(9))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path), NAME], check=False)
    assert ended.returncode == 9
    assert torch.equal(kept(tmp_path, NAME, some)["b"], some()["b"])


def test_the_name_depends_on_everything() -> None:
    texts = [Text((1, 2, 3)), Text((4,))]
    names = [
        statistic_name("fisher", ["m"], [texts_digest(texts)], {"seed": 0}),
        statistic_name("fisher", ["m"], [texts_digest(texts)], {"seed": 1}),
        statistic_name("fisher", ["m"], [texts_digest(texts[:1])], {"seed": 0}),
        statistic_name("fisher", ["m"], [texts_digest([Text((1, 2, 3), read=2), texts[1]])], {}),
        statistic_name("fisher", ["m"], [texts_digest([Text((1, 2)), Text((3, 4))])], {}),
        statistic_name("fisher", ["m", "n"], ["t"], {}),
        statistic_name("fisher", ["n", "m"], ["t"], {}),
        statistic_name("adamerging", ["n", "m"], ["t"], {}),
    ]
    assert len(set(names)) == len(names)
    assert names[0] == statistic_name("fisher", ["m"], [texts_digest(list(texts))], {"seed": 0})


def test_needs_are_read_off_a_recipe() -> None:
    data = {
        "merge_method": "fisher",
        "models": [{"model": "a"}, {"model": "b"}],
        "base_model": "a",
        "calibration": {"task": "x"},
    }
    # Fisher merges whole models: a base that is named is merged as any other.
    assert preparations(Recipe.parse(data)) == ["a", "b"]
    data |= {"merge_method": "adamerging", "parameters": {"steps": 7}}
    recipe = Recipe.parse(data)
    assert models_of(recipe) == ["b"]
    assert preparations(recipe) == [None]
    assert settings_of(recipe) == {
        "steps": 7,
        "learning_rate": 1e-3,
        "initial": 0.3,
        "batch": 16,
    }
    plain = Recipe.parse({"merge_method": "linear", "models": [{"model": "a"}]})
    assert preparations(plain) == []
    assert settings_of(plain) == {}
