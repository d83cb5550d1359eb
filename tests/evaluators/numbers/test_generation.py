"""Problems: answers checked by an independent calculation, operands within their bounds."""

from __future__ import annotations

import random
from decimal import Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.numbers.generation import Problem, draw
from evaluators.numbers.pairs import PAIRS, Pair

ONE_OPERAND = {"get_digit", "length", "count", "to_float", "to_scient", "sig"}


def length_of(text: str, pair: Pair) -> int:
    if pair.representation == "integer":
        return len(text)
    if pair.representation == "fraction":
        return max(map(len, text.split("/")))
    return len(text.partition("e")[0].split(".")[1])


def padded(problem: Problem) -> tuple[str, str, int]:
    """Both operands with equally many digits before and after the point, and the decimals."""
    sides = [text.partition(".")[::2] for text in (problem.first, problem.second)]
    whole = max(len(side[0]) for side in sides)
    decimals = max(len(side[1]) for side in sides)
    a, b = (side[0].zfill(whole) + side[1].ljust(decimals, "0") for side in sides)
    return a, b, decimals


def expected(pair: Pair, problem: Problem) -> Fraction:
    """The answer's value, calculated in another way."""
    a = Fraction(problem.first)
    if pair.operation.startswith("digit_"):
        return digit_by_digit(pair, problem)
    if pair.operation in ONE_OPERAND:
        return {
            "to_float": lambda: a,
            "to_scient": lambda: a,
            "length": lambda: Fraction(sum(c.isdigit() for c in problem.first)),
            "count": lambda: Fraction(sum(c == problem.second for c in problem.first)),
            "get_digit": lambda: Fraction(
                [c for c in problem.first if c != "."][int(problem.second)]
            ),
            "sig": lambda: Fraction(
                Context(prec=int(problem.second)).create_decimal(Decimal(problem.first))
            ),
        }[pair.operation]()
    b = Fraction(problem.second)
    return {
        "add": lambda: a + b,
        "sub": lambda: a - b,
        "multiply": lambda: a * b,
        "truediv": lambda: a / b,
        "floordiv": lambda: Fraction((a - a % b) / b),
        "mod": lambda: a - b * (a.numerator // b.numerator),
        "max": lambda: a if a - b > 0 else b,
        "min": lambda: a if a - b < 0 else b,
    }[pair.operation]()


def digit_by_digit(pair: Pair, problem: Problem) -> Fraction:
    x, y, decimals = padded(problem)
    digits = [
        {"digit_max": max(i, j), "digit_min": min(i, j), "digit_add": (i + j) % 10}[pair.operation]
        for i, j in zip(map(int, x), map(int, y), strict=True)
    ]
    return Fraction(int("".join(map(str, digits))), 10**decimals)


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(min_value=0), data=st.data())
def test_answers_are_right(name: str, seed: int, data: st.DataObject) -> None:
    pair = PAIRS[name]
    length = data.draw(st.integers(1, pair.bands["XL"][1]))
    problem = draw(pair, length, random.Random(seed))
    assert Fraction(problem.answer) == expected(pair, problem)
    operands = [problem.first, problem.second]
    if pair.operation in ONE_OPERAND:
        operands = operands[:1]
    assert max(length_of(text, pair) for text in operands) == length
    assert draw(pair, length, random.Random(seed)) == problem


def some(name: str, length: int, count: int = 300) -> list[Problem]:
    rng = random.Random(4)
    return [draw(PAIRS[name], length, rng) for _ in range(count)]


def test_answers_are_canonical() -> None:
    for name in PAIRS:
        for problem in some(name, 4, 100):
            if PAIRS[name].answers_in == "fraction":
                value = Fraction(problem.answer)
                assert problem.answer == f"{value.numerator}/{value.denominator}"
            elif PAIRS[name].answers_in == "integer":
                assert problem.answer == str(int(problem.answer))
            elif PAIRS[name].answers_in == "float":
                whole, decimals = problem.answer.split(".")
                assert whole == str(int(whole))
                assert decimals == "0" or not decimals.endswith("0")
            else:
                mantissa, exponent = problem.answer.split("e")
                assert 1 <= Decimal(mantissa) < 10
                assert 0 <= int(exponent) <= 99


def test_problems_are_not_trivial() -> None:
    assert {len(p.answer) == 4 for p in some("numbers_integer_max", 4)} == {True}
    assert sum(p.first[0] == p.second[0] for p in some("numbers_integer_max", 20)) > 60
    for problem in some("numbers_integer_mod", 10):
        assert min(len(problem.first), len(problem.second)) <= 8
    for problem in some("numbers_scientific_add", 5):
        exponents = [int(text.partition("e")[2]) for text in (problem.first, problem.second)]
        assert abs(exponents[0] - exponents[1]) <= 5
    for problem in some("numbers_fraction_max", 5):
        assert Fraction(problem.first) < 1
        assert Fraction(problem.second) < 1
    assert sum(p.answer != "0" for p in some("numbers_integer_count", 3)) > 150
    assert sum(p.first.endswith("00") for p in some("numbers_integer_to_scient", 8)) > 100
