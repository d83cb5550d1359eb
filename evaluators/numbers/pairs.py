"""Which number tasks there are: 17 tasks, four representations, 41 pairs, four length bands.

Source: NUPA, "Number Cookbook: Number Understanding of Language Models and How to Improve It"
(arXiv 2411.03766). Its paper counts 41 pairs; the pairs here are those of its released task table
(`valid_tasks` in src/task.py of GraphPKU/number_cookbook), where easy and hard variants of a task
count once: 16 of integers, 12 of floats, 7 of fractions, 6 of scientific notation. (The table in
its README marks others and adds up to 39.)

A number's length is the digits of an integer, the longer side of a fraction, and the decimals of a
float or of a mantissa. Bands are those of the same source: up to 20 digits where something is
calculated, up to 100 where digits are compared, looked up or moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evaluators.cards import EXACT_MATCH, TaskCard
from evaluators.task import Split

Representation = Literal["integer", "float", "fraction", "scientific"]
Operation = Literal[
    "add", "sub", "multiply", "truediv", "floordiv", "mod", "max", "min", "digit_max",
    "digit_min", "digit_add", "get_digit", "length", "count", "to_float", "to_scient", "sig",
]  # fmt: skip
Band = Literal["S", "M", "L", "XL"]

BANDS: tuple[Band, ...] = ("S", "M", "L", "XL")
METRICS = (EXACT_MATCH, "digit_match", "dlength")
ITEMS_A_BAND: dict[Split, int] = {"search": 32, "select": 50, "holdout": 100}

_OPERATIONS: dict[Representation, tuple[Operation, ...]] = {
    "integer": (
        "add", "sub", "multiply", "truediv", "floordiv", "mod", "max", "min", "digit_max",
        "digit_min", "digit_add", "get_digit", "length", "count", "to_scient", "sig",
    ),
    "float": (
        "add", "sub", "multiply", "max", "min", "digit_max", "digit_min", "digit_add",
        "get_digit", "length", "to_scient", "sig",
    ),
    "fraction": ("add", "sub", "multiply", "truediv", "max", "min", "to_float"),
    "scientific": ("add", "sub", "multiply", "max", "min", "to_float"),
}  # fmt: skip
_ANSWERS: dict[Operation, Representation] = {
    "truediv": "fraction",
    "get_digit": "integer",
    "length": "integer",
    "count": "integer",
    "to_float": "float",
    "to_scient": "scientific",
    "sig": "scientific",
}
_CALCULATIONS = frozenset({"add", "sub", "multiply", "truediv", "floordiv", "mod"})
_BANDS_20: dict[Band, tuple[int, int]] = {"S": (1, 4), "M": (5, 8), "L": (9, 14), "XL": (15, 20)}
_BANDS_100: dict[Band, tuple[int, int]] = {
    "S": (1, 10),
    "M": (11, 20),
    "L": (21, 60),
    "XL": (61, 100),
}


@dataclass(frozen=True)
class Pair:
    """A task over one representation."""

    representation: Representation
    operation: Operation

    @property
    def name(self) -> str:
        return f"numbers_{self.representation}_{self.operation}"

    @property
    def answers_in(self) -> Representation:
        """How the answer is written."""
        return _ANSWERS.get(self.operation, self.representation)

    @property
    def bands(self) -> dict[Band, tuple[int, int]]:
        """The shortest and the longest number of each band, in digits."""
        calculated = self.operation in _CALCULATIONS or self.representation == "fraction"
        return _BANDS_20 if calculated else _BANDS_100


PAIRS: dict[str, Pair] = {
    pair.name: pair
    for pair in (
        Pair(representation, operation)
        for representation, operations in _OPERATIONS.items()
        for operation in operations
    )
}


def card(pair: Pair) -> TaskCard:
    """What is told of a pair's task."""
    longest = pair.bands["XL"][1]
    return TaskCard(
        name=pair.name,
        summary=f"{_TITLES[pair.operation]}: {_PLURALS[pair.representation]} of up to {longest} "
        "digits, generated after NUPA (arXiv 2411.03766)",
        languages=(),
        licence="Apache-2.0",
        splits={split: len(BANDS) * count for split, count in ITEMS_A_BAND.items()},
        metrics=METRICS,
    )


_PLURALS: dict[Representation, str] = {
    "integer": "integers",
    "float": "decimal numbers",
    "fraction": "fractions",
    "scientific": "scientific notation",
}
_TITLES: dict[Operation, str] = {
    "add": "Sum",
    "sub": "Difference",
    "multiply": "Product",
    "truediv": "Quotient as a fraction",
    "floordiv": "Whole quotient",
    "mod": "Remainder",
    "max": "Larger number",
    "min": "Smaller number",
    "digit_max": "Larger digit at each place",
    "digit_min": "Smaller digit at each place",
    "digit_add": "Sum of digits at each place, without carries",
    "get_digit": "Digit at a position",
    "length": "Number of digits",
    "count": "How often a digit occurs",
    "to_float": "Conversion to decimal notation",
    "to_scient": "Conversion to scientific notation",
    "sig": "Rounding to significant figures",
}
