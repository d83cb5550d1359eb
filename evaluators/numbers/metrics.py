"""What a number that a model wrote is worth, digit by digit.

The three metrics of NUPA (arXiv 2411.03766; src/text_model/metrics.py of its repository), each in
[0, 1] here, higher better:

- `exact_match`: 1 where all runs of digits are equal, else 0.
- `digit_match`: the share of the reference's digits that stand at their place. Integers,
  numerators, denominators and exponents are aligned from the right, decimals from the left.
- `dlength`: 1 / (1 + |digits written - digits of the reference|). NUPA reports the difference
  itself, lower better: 0 there is 1 here, 1 is 0.5. No answer at all is 0.

Where NUPA's reading is wrong, ours differs: the sign of a negative number or exponent is not
dropped (such a number is no answer), `12.5` is not read as the integer 12, and thousands separators
and powers of ten (`1,234`, `1.5 × 10^3`) are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evaluators.numbers.formatting import parts
from evaluators.numbers.pairs import Representation


@dataclass(frozen=True)
class NumberScores:
    """The three metrics, named as in `METRICS`."""

    exact_match: float
    digit_match: float
    dlength: float


def read_number(text: str, representation: Representation) -> str | None:
    """The number in a completion: the first of its representation after the last "The answer is" or
    else after the first "="; from the start where there is neither. None where there is none."""
    _, said, rest = text.rpartition("The answer is")
    if not said:
        _, equals, rest = text.partition("=")
        rest = rest if equals else text
    rest = _POWER_OF_TEN.sub(r"e\1", _GROUPED.sub(_ungroup, rest))
    match = _PATTERNS[representation].search(rest)
    return None if match is None else re.sub(r"[Ee]\+?", "e", match.group())


def compare(answer: str | None, reference: str, representation: Representation) -> NumberScores:
    """The metrics of what `read_number` found."""
    if answer is None:
        return NumberScores(0.0, 0.0, 0.0)
    written, expected = parts(answer, representation), parts(reference, representation)
    matching = sum(
        sum(a == b for a, b in zip(*pair, strict=False))
        for pair in map(_aligned, written, expected, _FROM_RIGHT[representation])
    )
    digits = sum(map(len, expected))
    return NumberScores(
        exact_match=float(written == expected),
        digit_match=matching / digits,
        dlength=1 / (1 + abs(sum(map(len, written)) - digits)),
    )


_FROM_RIGHT: dict[Representation, tuple[bool, ...]] = {
    "integer": (True,),
    "float": (True, False),
    "fraction": (True, True),
    "scientific": (True, False, True),
}
# No letter, digit, point or minus before, no decimals, exponent or denominator after.
_START, _END = r"(?<![A-Za-z\d./\-−])(?<![eE]\+)", r"(?!\d|[./]\d|[eE][+\-−]?\d)"
_PATTERNS: dict[Representation, re.Pattern[str]] = {
    "integer": re.compile(rf"{_START}[0-9]+{_END}"),
    "float": re.compile(rf"{_START}[0-9]+\.[0-9]+{_END}"),
    "fraction": re.compile(rf"{_START}[0-9]+/[0-9]+{_END}"),
    "scientific": re.compile(rf"{_START}[0-9]+\.[0-9]+[eE]\+?[0-9]+{_END}"),
}
_POWER_OF_TEN = re.compile(r"\s*(?:[*×x]|\\times)\s*10\s*\^\s*\{?([0-9]+)\}?")
_GROUPED = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")


def _ungroup(match: re.Match[str]) -> str:
    return match.group().replace(",", "")


def _aligned(written: str, expected: str, from_right: bool) -> tuple[str, str]:
    return (written[::-1], expected[::-1]) if from_right else (written, expected)
