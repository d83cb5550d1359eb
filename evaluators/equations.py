"""Equations such as `<<(16-3-4)*2=18>>` in worked solutions, evaluated exactly.

The grammar is that of GSM8K's calculator annotations: numbers with or without decimals, + - * /,
brackets and leading minus signs; anything else is refused. Values are fractions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

MAX_NESTING = 20


@dataclass(frozen=True)
class Equation:
    """Tokens of the left side (numbers as fractions), and the number on the right."""

    tokens: tuple[Fraction | str, ...]
    result: Fraction

    @property
    def numbers(self) -> tuple[Fraction, ...]:
        """The numbers of the left side, in order."""
        return tuple(token for token in self.tokens if isinstance(token, Fraction))


def equations(solution: str) -> list[Equation]:
    """The annotations of a solution, in order. Raises ValueError for one outside the grammar."""
    return [_equation(text) for text in re.findall(r"<<([^<>]*)>>", solution)]


def evaluate(equation: Equation, numbers: Sequence[Fraction]) -> Fraction:
    """The left side with `numbers` in the places of its own.

    Raises ValueError where it divides by zero or is malformed, and for another count of numbers.
    """
    given = iter(numbers)
    if len(numbers) != len(equation.numbers):
        raise ValueError(f"{len(numbers)} numbers for {len(equation.numbers)} places")
    tokens = [next(given) if isinstance(token, Fraction) else token for token in equation.tokens]
    reader = _Reader(tokens)
    value = reader.sum(0)
    if reader.rest():
        raise ValueError("more than one expression")
    return value


_TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d*)?|\.\d+)|(?P<sign>[-+*/()]))")


def _equation(text: str) -> Equation:
    left, equals, right = text.partition("=")
    if not equals or "=" in right:
        raise ValueError(f"not one equation: {text!r}")
    equation = Equation(_tokens(left), Fraction(0))
    evaluate(equation, equation.numbers)
    result = Equation(_tokens(right), Fraction(0))
    return Equation(equation.tokens, evaluate(result, result.numbers))


def _tokens(text: str) -> tuple[Fraction | str, ...]:
    tokens: list[Fraction | str] = []
    end = 0
    text = text.strip()
    while end < len(text):
        match = _TOKEN.match(text, end)
        if match is None:
            raise ValueError(f"not in the grammar: {text!r}")
        end = match.end()
        tokens.append(Fraction(match["number"].rstrip(".")) if match["number"] else match["sign"])
    return tuple(tokens)


class _Reader:
    """A recursive descent over tokens."""

    def __init__(self, tokens: Sequence[Fraction | str]) -> None:
        self._tokens = tokens
        self._place = 0

    def rest(self) -> bool:
        return self._place < len(self._tokens)

    def sum(self, depth: int) -> Fraction:
        value = self._product(depth)
        while (sign := self._take("+-")) is not None:
            operand = self._product(depth)
            value = value + operand if sign == "+" else value - operand
        return value

    def _product(self, depth: int) -> Fraction:
        value = self._factor(depth)
        while (sign := self._take("*/")) is not None:
            operand = self._factor(depth)
            if sign == "/" and operand == 0:
                raise ValueError("division by zero")
            value = value * operand if sign == "*" else value / operand
        return value

    def _factor(self, depth: int) -> Fraction:
        if depth > MAX_NESTING:
            raise ValueError("nested too deeply")
        if self._take("-") is not None:
            return -self._factor(depth + 1)
        if self._take("(") is not None:
            value = self.sum(depth + 1)
            if self._take(")") is None:
                raise ValueError("a bracket is not closed")
            return value
        token = self._tokens[self._place] if self.rest() else None
        if not isinstance(token, Fraction):
            raise ValueError("a number is missing")
        self._place += 1
        return token

    def _take(self, signs: str) -> str | None:
        token = self._tokens[self._place] if self.rest() else None
        if isinstance(token, str) and token in signs:
            self._place += 1
            return token
        return None
