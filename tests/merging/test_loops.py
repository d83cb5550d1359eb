"""Native loops give what their kernels give on tensors, whatever the types, sizes and threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from merging.loops.build import NoCompiler, library
from merging.loops.native import NativeLoops
from merging.loops.trace import Untraceable
from merging.method import Pointwise
from merging.methods._random import split_key, uniform

SPECIAL = [0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e-40, -3e38, 0.3, -0.3, 2.5]
LOOPS = NativeLoops()

Kernel = Callable[[Sequence[Any], Any, Any, Any], Any]


def _sums(t: Sequence[Any], n: Any, *_: Any) -> Any:
    return 2 - (t[0].float() + n[0]) * t[1].float() / (3 + t[1].float() * n[1:][0])


def _limits(t: Sequence[Any], n: Any, *_: Any) -> Any:
    low, high = n[:2]
    return t[0].float().clamp(low, high) + t[1].float().clamp(min=-0.5) * t[0].float().abs()


def _extremes(t: Sequence[Any], *_: Any) -> Any:
    return t[0].float().max(t[1].float()) * 2 + t[0].float().min(t[1].float())


def _masks(t: Sequence[Any], n: Any, *_: Any) -> Any:
    one, other = t[0].float(), t[1].float()
    mask = (one > other) & ~(one == 0) | ((one >= n[0]) ^ (other < n[1])) & (one != other)
    unlike = (one <= 0) != (other > 0)
    return one.masked_fill(mask, 7) + other.where(unlike, one) + (mask | unlike).float()


def _places(t: Sequence[Any], _: Any, i: Any, at: Any) -> Any:
    chosen = ((at <= i[0]).int() + (t[2] < i[1]).int()) >= 1
    return t[0].float() * chosen.float() + t[2].float()


def _drawn(t: Sequence[Any], _: Any, i: Any, at: Any) -> Any:
    return uniform(at, i[2], i[3]) + 0 * t[0].float().sign()


def _curves(t: Sequence[Any], *_: Any) -> Any:
    return t[0].float().tanh() + t[1].float().sign() * t[0].float().exp()


KERNELS: list[Kernel] = [_sums, _limits, _extremes, _masks, _places, _drawn, _curves]
NUMBERS = (-0.7, 0.9)
INTEGERS = (20, 3, *split_key(0x123456789ABCDEF))


def _plan(kernel: Kernel, dtype: torch.dtype, count: int, seed: int = 0) -> Pointwise:
    generator = torch.Generator().manual_seed(seed)
    tensors = [torch.randn(count, generator=generator) * 2 for _ in range(2)]
    for tensor in tensors:
        places = torch.randint(count, (count // 2,), generator=generator)
        chosen = torch.randint(len(SPECIAL), places.shape, generator=generator)
        tensor[places] = torch.tensor(SPECIAL)[chosen]
    ranks = torch.randint(0, 7, (count,), generator=generator, dtype=torch.int32)
    return Pointwise(
        kernel, (*(one.to(dtype) for one in tensors), ranks.to(torch.uint16)), NUMBERS, INTEGERS
    )


def _on_tensors(plan: Pointwise) -> Tensor:
    tensors = [one.to(torch.int32) if one.dtype == torch.uint16 else one for one in plan.tensors]
    index = torch.arange(tensors[0].numel())
    given_numbers = torch.tensor(plan.numbers, dtype=torch.float32)
    return plan.kernel(tensors, given_numbers, torch.tensor(plan.integers), index)


@pytest.mark.parametrize(
    ("kernel", "dtype"),
    [
        *((kernel, torch.float32) for kernel in KERNELS),
        *((_sums, dtype) for dtype in (torch.bfloat16, torch.float16, torch.float64)),
    ],
)
def test_a_loop_gives_what_its_kernel_gives(kernel: Kernel, dtype: torch.dtype) -> None:
    plan = _plan(kernel, dtype, 1003)
    expected = _on_tensors(plan)
    exact = kernel is not _curves
    for written in (torch.float32, torch.bfloat16):
        out = torch.empty(1003, dtype=written)
        finite = LOOPS.write(plan, plan.tensors, out)
        wanted = expected.to(written)
        rtol = 0.0 if exact else 2**-8 if written == torch.bfloat16 else 1e-6
        atol = 0.0 if exact else 1e-7
        torch.testing.assert_close(out, wanted, equal_nan=True, rtol=rtol, atol=atol)
        assert finite is bool(wanted.isfinite().all())


@given(count=st.integers(1, 70), seed=st.integers(0, 2**31), place=st.integers(0, len(KERNELS) - 2))
@settings(deadline=None, max_examples=60)
def test_any_length(count: int, seed: int, place: int) -> None:
    plan = _plan(KERNELS[place], torch.float32, count, seed)
    # What lies behind a tensor's end stays as it was.
    memory = torch.full((count + 32,), 5.0)
    LOOPS.write(plan, plan.tensors, memory[:count])
    torch.testing.assert_close(memory[:count], _on_tensors(plan), equal_nan=True, rtol=0, atol=0)
    assert memory[count:].eq(5).all()


@given(size=st.floats(-88, 88), small=st.floats(-1, 1))
@settings(deadline=None, max_examples=100)
def test_curves_are_accurate_to_a_few_units_in_the_last_place(size: float, small: float) -> None:
    plan = Pointwise(_curves, (torch.tensor([size, small]), torch.tensor([0.0, 0.0])), (), ())
    out = torch.empty(2)
    LOOPS.write(plan, plan.tensors, out)
    torch.testing.assert_close(out, plan.tensors[0].double().tanh().float(), rtol=5e-7, atol=0)


@pytest.fixture
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_two_threads")
def test_threads_share_a_large_tensor_and_change_nothing() -> None:
    plan = _plan(_drawn, torch.float32, 300_001)
    out = torch.empty(300_001)
    assert NativeLoops().write(plan, plan.tensors, out)
    torch.testing.assert_close(out, _on_tensors(plan), rtol=0, atol=0)
    total = NativeLoops().sum(plan, plan.tensors)
    assert total == pytest.approx(float(out.double().sum()), rel=1e-9)


def test_masks_are_read() -> None:
    mask = torch.tensor([True, False, True] * 7)
    plan = Pointwise(_kept, (torch.full((21,), 3.0), mask), (), ())
    out = torch.empty(21)
    assert LOOPS.write(plan, plan.tensors, out)
    assert torch.equal(out, 3 * mask.float())


def _kept(t: Sequence[Any], *_: Any) -> Any:
    return t[0].float() * t[1].float()


def test_an_entry_too_large_for_its_type_is_not_finite() -> None:
    plan = Pointwise(_same, (torch.tensor([3.4e38]),), (), ())
    assert LOOPS.write(plan, plan.tensors, torch.empty(1))
    assert not LOOPS.write(plan, plan.tensors, torch.empty(1, dtype=torch.bfloat16))


def _same(t: Sequence[Any], *_: Any) -> Any:
    return t[0].float()


@pytest.mark.parametrize(
    "kernel",
    [
        lambda t, *_: t[0].float() if t[0] > 0 else t[1].float(),
        lambda t, *_: (t[0] > 0) + t[1].float(),
        lambda t, *_: t[0].float() & 1,
        lambda *_: 1.0,
    ],
    ids=["steered by entries", "mask as a number", "bits of a float", "no entry"],
)
def test_what_cannot_be_traced_is_refused(kernel: Kernel) -> None:
    plan = _plan(kernel, torch.float32, 5)
    with pytest.raises(Untraceable):
        LOOPS.write(plan, plan.tensors, torch.empty(5))


def test_a_library_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = 'extern "C" int run() { return 42; }'
    assert library(source).run() == 42
    (kept,) = (tmp_path / "cuvee" / "loops").iterdir()
    written = kept.stat().st_mtime_ns
    assert library(source).run() == 42
    assert kept.stat().st_mtime_ns == written


def test_a_source_that_is_no_source_has_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(NoCompiler, match="error"):
        library("this is no C++")
    assert not list((tmp_path / "cuvee" / "loops").iterdir())
