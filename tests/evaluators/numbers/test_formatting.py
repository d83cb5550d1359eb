"""Numbers as text: exact, canonical, and cut into runs of digits."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.numbers.formatting import (
    float_text,
    fraction_text,
    integer_text,
    parts,
    rounded_text,
    scientific_text,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [("12", "12.0"), ("12.50", "12.5"), ("0.004", "0.004"), ("0", "0.0"), ("3/8", "0.375")],
)
def test_floats(value: str, text: str) -> None:
    assert float_text(Fraction(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("7", "7.0e0"), ("120", "1.2e2"), ("1234.5", "1.2345e3"), ("1e9", "1.0e9")],
)
def test_scientific_notation(value: str, text: str) -> None:
    assert scientific_text(Fraction(value)) == text


@pytest.mark.parametrize(
    ("value", "figures", "text"),
    [
        ("1234", 2, "1.2e3"),
        ("1251", 2, "1.3e3"),
        ("9999", 3, "1.00e4"),
        ("7", 2, "7.0e0"),
        ("1.0349", 4, "1.035e0"),
        ("120000", 4, "1.200e5"),
    ],
)
def test_significant_figures(value: str, figures: int, text: str) -> None:
    assert rounded_text(Fraction(value), figures) == text


def test_what_cannot_be_written() -> None:
    for write, value in (
        (integer_text, "1/2"),
        (float_text, "1/3"),
        (float_text, "7/60"),
        (scientific_text, "0.5"),
    ):
        with pytest.raises(ValueError):
            write(Fraction(value))
    with pytest.raises(ValueError, match="tie"):
        rounded_text(Fraction(125), 2)
    assert fraction_text(Fraction(4)) == "4/1"


def test_parts() -> None:
    assert parts("12.5e3", "scientific") == ("12", "5", "3")
    assert parts("3/14", "fraction") == ("3", "14")
    assert parts("12.50", "float") == ("12", "50")
    assert parts("12", "integer") == ("12",)


@given(st.decimals(min_value=1, max_value=10**30, allow_nan=False, allow_infinity=False))
def test_texts_are_exact(value: Decimal) -> None:
    exact = Fraction(value)
    assert Fraction(float_text(exact)) == exact
    text = scientific_text(exact)
    assert Fraction(text) == exact
    assert 1 <= Fraction(text.partition("e")[0]) < 10
