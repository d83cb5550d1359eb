"""Equations of worked solutions: exact values, and nothing but the grammar."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.equations import equations, evaluate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16-3-4", "9"),
        ("2+3*4", "14"),
        ("(2+3)*4", "20"),
        ("12/4/3", "1"),
        ("2-3-4", "-5"),
        ("300*40*.01", "120"),
        ("1/3+1/6", "1/2"),
        ("-3*-2", "6"),
        ("-(1+2)", "-3"),
        ("5.", "5"),
        (" 1 + 2 ", "3"),
    ],
)
def test_values(text: str, value: str) -> None:
    (equation,) = equations(f"So it is <<{text}=7>>7.")
    assert evaluate(equation, equation.numbers) == Fraction(value)
    assert equation.result == 7


def test_other_numbers_in_the_same_places() -> None:
    (equation,) = equations("<<(16-3-4)*2=18>>")
    assert list(map(int, equation.numbers)) == [16, 3, 4, 2]
    assert evaluate(equation, [Fraction(n) for n in (20, 1, 1, 3)]) == 54
    with pytest.raises(ValueError, match="3 numbers for 4 places"):
        evaluate(equation, [Fraction(1)] * 3)


@pytest.mark.parametrize(
    "text",
    ["1+1", "1=2=3", "x=1", "1+=1", "(1+2=3", "1)=1", "2**3=8", "1,000=1000", "__import__('os')=1",
     "1/0=1", "=1", "1=", "1 2=12", "()=0", "(" * 50 + "1" + ")" * 50 + "=1", "-" * 50 + "1=1"],
)  # fmt: skip
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        equations(f"<<{text}>>")


@given(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 999)), min_size=1, max_size=6))
def test_products_before_sums(steps: list[tuple[str, int]]) -> None:
    text = "".join(f"{sign}{number}" for sign, number in steps)
    (equation,) = equations(f"<<7{text}=1>>")
    total, product = Fraction(0), Fraction(7)
    for sign, number in steps:
        if sign == "*":
            product *= number
        else:
            total, product = total + product, Fraction(number if sign == "+" else -number)
    assert evaluate(equation, equation.numbers) == total + product
