"""The three metrics, checked by hand, and what counts as an answer."""

from __future__ import annotations

import pytest

from evaluators.numbers.metrics import NumberScores, compare, read_number
from evaluators.numbers.pairs import Representation


@pytest.mark.parametrize(
    ("answer", "reference", "representation", "scores"),
    [
        ("1234", "1234", "integer", NumberScores(1, 1, 1)),
        # Aligned from the right: of 1234, the last three stand at their place.
        ("234", "1234", "integer", NumberScores(0, 0.75, 0.5)),
        ("123", "1234", "integer", NumberScores(0, 0, 0.5)),
        ("91234", "1234", "integer", NumberScores(0, 1, 0.5)),
        # Decimals from the left: 5 of 51 is right, the integer part is.
        ("12.5", "12.51", "float", NumberScores(0, 0.75, 0.5)),
        ("12.15", "12.51", "float", NumberScores(0, 0.5, 1)),
        ("6/8", "3/4", "fraction", NumberScores(0, 0, 1)),
        ("1.20e3", "1.2e3", "scientific", NumberScores(0, 1, 0.5)),
        ("1.2e13", "1.2e3", "scientific", NumberScores(0, 1, 0.5)),
        (None, "1234", "integer", NumberScores(0, 0, 0)),
    ],
)
def test_metrics(
    answer: str | None, reference: str, representation: Representation, scores: NumberScores
) -> None:
    assert compare(answer, reference, representation) == scores


@pytest.mark.parametrize(
    ("text", "representation", "answer"),
    [
        (" 123", "integer", "123"),
        (" 123.", "integer", "123"),
        (" 1,234,567", "integer", "1234567"),
        ("12 + 34 = 46", "integer", "46"),
        ("It is 5. The answer is 46.", "integer", "46"),
        (" 12.5", "integer", None),
        (" -3", "integer", None),
        (" 3/4", "integer", None),
        (" 2e5", "integer", None),
        (" 12.5", "float", "12.5"),
        (" 12", "float", None),
        (" 1,234.5", "float", "1234.5"),
        (" 1.2.3", "float", None),
        (" 3/4.", "fraction", "3/4"),
        (" 3/4/5", "fraction", None),
        (" 1.5E+3", "scientific", "1.5e3"),
        (" 1.5e-3", "scientific", None),
        (" 1.5 * 10^3.", "scientific", "1.5e3"),
        (" $1.5 \\times 10^{12}$", "scientific", "1.5e12"),
        (" 1.5 × 10^-3", "scientific", None),
        (" 12 × 10^3", "integer", None),
        ("", "scientific", None),
        (" who knows", "fraction", None),
    ],
)
def test_reading(text: str, representation: Representation, answer: str | None) -> None:
    assert read_number(text, representation) == answer
