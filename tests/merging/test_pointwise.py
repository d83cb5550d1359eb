"""Compiled loops and tiles give one child; without a compiler there are tiles."""

from __future__ import annotations

import logging

import pytest
import torch

from merging.method import Pointwise
from merging.pointwise import Runner
from merging.site import Workshop
from tests.merging.running import merger_of, tensors

NAME = "model.layers.0.w"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["linear", "ties", "dare_ties"])
def test_compiled_and_eager_are_one_child(name: str, dtype: torch.dtype) -> None:
    base, *parents = [one.to(dtype) for one in tensors(3, (700, 601))]
    children = []
    for compiled in (True, False):
        workshop = Workshop(runner=Runner(compiled=compiled))
        rows = {"weight": [0.7, 0.4]} | ({} if name == "linear" else {"density": [0.3, 0.6]})
        merger = merger_of(
            name,
            None if name == "linear" else {NAME: base},
            [{NAME: one} for one in parents],
            per_parent=rows,
            workshop=workshop,
        )
        children.append(merger.tensor(NAME))
        assert workshop.runner.compiled is compiled
    torch.testing.assert_close(children[0], children[1])


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler_it_goes_on_tile_by_tile(
    compiler: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", compiler)
    runner = Runner(compiled=True)
    target = torch.empty(10_000)
    with caplog.at_level(logging.WARNING):
        runner.write(Pointwise(_double, (torch.ones(10_000),), (2.0,)), target)
        assert runner.sum(Pointwise(_double, (torch.ones(10_000),), (2.0,))) == 20_000
    assert target.tolist() == [2.0] * 10_000
    assert not runner.compiled
    assert "could not be compiled" in caplog.text


def test_what_no_loop_is_written_for_goes_tile_by_tile() -> None:
    runner = Runner(compiled=True)
    target = torch.empty(5, dtype=torch.float64)
    runner.write(Pointwise(_double, (torch.ones(5),), (2.0,)), target)
    assert target.tolist() == [2.0] * 5
    assert runner.compiled


def _double(
    found: list[torch.Tensor],
    numbers: torch.Tensor,
    integers: torch.Tensor,
    index: torch.Tensor,
) -> torch.Tensor:
    del integers, index
    return found[0].float() * numbers[0]
