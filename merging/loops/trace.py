"""A kernel written down: run on symbols in place of tensors, it leaves the C++ of its formula.

A kernel works by the operators and methods of what it is given and is steered by its options alone
(`merging.method.Kernel`), so one run on symbols sees all that it ever does. Every operation becomes
one line over vectors of entries; the prelude (prelude.h) says what they mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from merging.method import Kernel

Kind = Literal["F", "I", "M"]
"""What a vector holds: float32, int32, or a mask."""

# Within `Symbol`, `int` is a method, as it is of tensors.
Whole = int


class Untraceable(Exception):
    """A kernel does what no loop is written for."""


@dataclass
class Lines:
    """The lines so far, each a new name; an expression that comes again is computed once."""

    text: list[str] = field(default_factory=list)
    known: dict[str, Symbol] = field(default_factory=dict)

    def add(self, kind: Kind, expression: str) -> Symbol:
        """The symbol of an expression."""
        if expression not in self.known:
            name = f"v{len(self.text)}"
            self.text.append(f"const {kind} {name} = {expression};")
            self.known[expression] = Symbol(self, kind, name)
        return self.known[expression]


class Symbol:
    """A vector of entries under a name, with those operators of tensors that kernels use.

    Raises Untraceable where it is joined with what it cannot be joined with.
    """

    # Equality gives a mask.
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, lines: Lines, kind: Kind, name: str) -> None:
        self.lines = lines
        self.kind = kind
        self.name = name

    def float(self) -> Symbol:
        if self.kind == "F":
            return self
        return self.lines.add("F", f"{'one_if' if self.kind == 'M' else 'to_float'}({self.name})")

    def int(self) -> Symbol:
        if self.kind == "I":
            return self
        return self.lines.add(
            "I", f"{self.name} & 1" if self.kind == "M" else f"to_int({self.name})"
        )

    def expand_as(self, other: Symbol) -> Symbol:
        return self

    def __add__(self, other: Any) -> Symbol:
        return self._arithmetic("+", other)

    def __radd__(self, other: Any) -> Symbol:
        return self._arithmetic("+", other, turned=True)

    def __sub__(self, other: Any) -> Symbol:
        return self._arithmetic("-", other)

    def __rsub__(self, other: Any) -> Symbol:
        return self._arithmetic("-", other, turned=True)

    def __mul__(self, other: Any) -> Symbol:
        return self._arithmetic("*", other)

    def __rmul__(self, other: Any) -> Symbol:
        return self._arithmetic("*", other, turned=True)

    def __truediv__(self, other: Any) -> Symbol:
        return self.float()._arithmetic("/", other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return self.float()._arithmetic("/", other, turned=True)

    def __rshift__(self, by: Whole) -> Symbol:
        return self.lines.add("I", f"{self._of('I')} >> {by}")

    def __gt__(self, other: Any) -> Symbol:
        return self._compared(">", other)

    def __ge__(self, other: Any) -> Symbol:
        return self._compared(">=", other)

    def __lt__(self, other: Any) -> Symbol:
        return self._compared("<", other)

    def __le__(self, other: Any) -> Symbol:
        return self._compared("<=", other)

    def __eq__(self, other: object) -> Symbol:  # type: ignore[override]
        return self._compared("==", other)

    def __ne__(self, other: object) -> Symbol:  # type: ignore[override]
        return self._compared("!=", other)

    def __and__(self, other: Any) -> Symbol:
        return self._bitwise("&", other)

    def __or__(self, other: Any) -> Symbol:
        return self._bitwise("|", other)

    def __xor__(self, other: Any) -> Symbol:
        return self._bitwise("^", other)

    def __invert__(self) -> Symbol:
        return self.lines.add(self.kind, f"~{self.name}")

    def abs(self) -> Symbol:
        return self._call("magnitude")

    def sign(self) -> Symbol:
        return self._call("sign")

    def exp(self) -> Symbol:
        return self._call("exponential")

    def tanh(self) -> Symbol:
        return self._call("hyperbolic_tangent")

    def max(self, other: Any) -> Symbol:
        return self._call("larger", other)

    def min(self, other: Any) -> Symbol:
        return self._call("smaller", other)

    def clamp(self, min: Any = None, max: Any = None) -> Symbol:
        found = self
        if min is not None:
            found = found._call("at_least", min)
        return found if max is None else found._call("at_most", max)

    def where(self, condition: Symbol, other: Any) -> Symbol:
        return self.lines.add(
            self.kind, f"{condition._of('M')} ? {self.name} : {self._operand(other)}"
        )

    def masked_fill(self, mask: Symbol, value: Any) -> Symbol:
        return self.lines.add(self.kind, f"{mask._of('M')} ? {self._operand(value)} : {self.name}")

    def __bool__(self) -> bool:
        raise Untraceable("entries steer the kernel")

    def _arithmetic(self, operator: str, other: Any, *, turned: bool = False) -> Symbol:
        kind = self._joined(other)
        one = self.float() if kind == "F" else self
        pair = [one.name, one._operand(other)]
        first, second = reversed(pair) if turned else pair
        return self.lines.add(kind, f"{first} {operator} {second}")

    def _joined(self, other: Any) -> Kind:
        """Floats where either is one."""
        if self.kind == "M" or (isinstance(other, Symbol) and other.kind == "M"):
            raise Untraceable("a mask is no number")
        whole = other.kind == "I" if isinstance(other, Symbol) else isinstance(other, int)
        return "I" if self.kind == "I" and whole else "F"

    def _compared(self, operator: str, other: Any) -> Symbol:
        if self.kind == "M" and operator == "!=":
            return self._bitwise("^", other)
        kind = self._joined(other)
        one = self.float() if kind == "F" else self
        return self.lines.add("M", f"{one.name} {operator} {one._operand(other)}")

    def _bitwise(self, operator: str, other: Any) -> Symbol:
        if self.kind == "F":
            raise Untraceable("bits of a float")
        return self.lines.add(self.kind, f"{self.name} {operator} {self._operand(other)}")

    def _call(self, function: str, *others: Any) -> Symbol:
        names = ", ".join([self._of("F"), *(self._operand(other) for other in others)])
        return self.lines.add("F", f"{function}({names})")

    def _of(self, kind: Kind) -> str:
        if self.kind != kind:
            raise Untraceable(f"{self.kind} where {kind} is wanted")
        return self.name

    def _operand(self, other: Any) -> str:
        """The name of what is joined with this symbol, of its kind."""
        if isinstance(other, Symbol):
            return (other.float() if self.kind == "F" else other)._of(self.kind)
        if self.kind == "F":
            return f"all({literal(other)})"
        if self.kind == "I" and isinstance(other, int):
            return f"all(int32_t({other}))"
        raise Untraceable(f"{other!r} beside {self.kind}")


class Scalars(Sequence[Symbol]):
    """The numbers, or the whole numbers, of a plan, as a kernel reads them."""

    def __init__(self, symbols: Sequence[Symbol]) -> None:
        self._symbols = symbols

    def __getitem__(self, place: Any) -> Any:
        found = self._symbols[place]
        return Scalars(found) if isinstance(place, slice) else found

    def __len__(self) -> int:
        return len(self._symbols)

    def __iter__(self) -> Iterator[Symbol]:
        return iter(self._symbols)


def literal(number: float) -> str:
    """A number as C++ reads it in single precision, digit for digit."""
    if math.isinf(number):
        return "INFINITY" if number > 0 else "-INFINITY"
    return f"float({float(number).hex()})"


def traced(
    kernel: Kernel, options: Mapping[str, Any], kinds: Sequence[Kind], numbers: int, integers: int
) -> list[str]:
    """The lines of a kernel; the last returns the result.

    It reads `t0`, `t1`, ..., vectors of `kinds`; `n0`, ...; `i0`, ...; and `place`, which are the
    plan's tensors, numbers, integers and index. Raises Untraceable.
    """
    lines = Lines()
    tensors = [Symbol(lines, kind, f"t{place}") for place, kind in enumerate(kinds)]
    merged: Any = kernel(
        tensors,
        Scalars([Symbol(lines, "F", f"n{place}") for place in range(numbers)]),
        Scalars([Symbol(lines, "I", f"i{place}") for place in range(integers)]),
        Symbol(lines, "I", "place"),
        **options,
    )
    if not isinstance(merged, Symbol):
        raise Untraceable("the kernel gives no entry")
    return [*lines.text, f"return {merged.float().name};"]
