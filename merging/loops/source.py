"""The C++ of a plan's loops: one writes what the plan gives, one adds it up."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from merging.loops.trace import Kind, Untraceable, traced
from merging.method import Pointwise

_FLOATS = {
    torch.float32: "float",
    torch.float64: "double",
    torch.bfloat16: "bfloat16",
    torch.float16: "float16",
}
_WHOLE = {
    torch.uint8: "uint8_t",
    torch.uint16: "uint16_t",
    torch.int32: "int32_t",
    torch.int64: "int64_t",
}
_MASKS = {torch.bool: "uint8_t"}
_WRITTEN = (torch.float32, torch.bfloat16)


def source(plan: Pointwise, written: torch.dtype | None) -> str:
    """The source of a plan's loop into a tensor of type `written`, or, for None, of its sum.

    Raises Untraceable for a kernel or a type that no loop is written for.
    """
    if written is not None and written not in _WRITTEN:
        raise Untraceable(f"no loop writes {written}")
    types = [tensor.dtype for tensor in plan.tensors]
    kinds = [_kind(one) for one in types]
    lines = traced(plan.kernel, dict(plan.options), kinds, len(plan.numbers), len(plan.integers))
    names = [(_FLOATS | _WHOLE | _MASKS)[one] for one in types]
    whole = [_read(name, kind, f"a{place} + at") for place, (name, kind) in _numbered(names, kinds)]
    rest = [
        _read(name, kind, f"Rest<{name}>(a{place} + at, end - at).entries")
        for place, (name, kind) in _numbered(names, kinds)
    ]
    # Vectors are passed by reference: by value they would have no settled calling convention.
    parameters = [f"const {kind}& t{place}" for place, kind in enumerate(kinds)]
    scalars = [f"const F n{place} = all(numbers[{place}]);" for place in range(len(plan.numbers))]
    scalars += [
        f"const I i{place} = all(integers[{place}]);" for place in range(len(plan.integers))
    ]
    arrays = [
        f"auto a{place} = (const {name}*)tensors[{place}];" for place, name in enumerate(names)
    ]
    named = [f"n{place}" for place in range(len(plan.numbers))]
    named += [f"i{place}" for place in range(len(plan.integers))]
    parameters += [f"const {'F' if name[0] == 'n' else 'I'}& {name}" for name in named]
    head = _parts(
        _prelude(),
        f"static inline F entry({', '.join([*parameters, 'const I& place'])}) {{",
        *lines,
        "}",
    )
    arguments = ", ".join([*whole, *named, "first + int32_t(at)"])
    last = ", ".join([*rest, *named, "first + int32_t(at)"])
    body = _parts(*arrays, *scalars, "const I first = lanes();")
    if written is None:
        return _parts(head, _SUM % (body, arguments, last))
    return _parts(head, _WRITE % (body, _FLOATS[written], arguments, last))


_WRITE = """
extern "C" int run(const void* const* tensors, const float* numbers, const int32_t* integers,
                   void* target, int64_t at, int64_t end) {
%s
using Target = %s;
auto out = (Target*)target;
M bad = {};
for (; at + LANES <= end; at += LANES) {
    const F x = entry(%s);
    bad |= ~(magnitude(x) < Write<Target>::LIMIT);
    Write<Target>::to(out + at, x);
}
int found = 0;
for (int lane = 0; lane < LANES; lane++) found |= bad[lane];
if (at < end) {
    const F x = entry(%s);
    Target written[LANES];
    Write<Target>::to(written, x);
    std::memcpy(out + at, written, (end - at) * sizeof(Target));
    for (int lane = 0; lane < end - at; lane++)
        found |= !(std::fabs(x[lane]) < Write<Target>::LIMIT);
}
return found != 0;
}"""

# Sums of float32 a few hundred entries long, added up in double precision.
_SUM = """
extern "C" double run(const void* const* tensors, const float* numbers, const int32_t* integers,
                      void*, int64_t at, int64_t end) {
%s
double total = 0;
while (at + LANES <= end) {
    F sums = {};
    for (int step = 0; step < 64 && at + LANES <= end; step++, at += LANES) sums += entry(%s);
    for (int lane = 0; lane < LANES; lane++) total += sums[lane];
}
if (at < end) {
    const F x = entry(%s);
    for (int lane = 0; lane < end - at; lane++) total += x[lane];
}
return total;
}"""


def _kind(dtype: torch.dtype) -> Kind:
    if dtype in _FLOATS:
        return "F"
    if dtype in _WHOLE:
        return "I"
    if dtype in _MASKS:
        return "M"
    raise Untraceable(f"no loop reads {dtype}")


def _numbered(names: Sequence[str], kinds: Sequence[Kind]) -> list[tuple[int, tuple[str, Kind]]]:
    return list(enumerate(zip(names, kinds, strict=True)))


def _read(name: str, kind: Kind, at: str) -> str:
    whole = f"ReadWhole<{name}>::of({at})"
    return {"F": f"Read<{name}>::of({at})", "I": whole, "M": f"({whole} != 0)"}[kind]


def _parts(*parts: str) -> str:
    return "\n".join(parts)


@cache
def _prelude() -> str:
    return (Path(__file__).parent / "prelude.h").read_text()
