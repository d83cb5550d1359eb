"""Problems of a pair: operands of a given length, and the exact answer.

One operand has the length asked for; the other has it too in half of the problems, and is shorter
in the rest. Half of the comparisons share their leading digits. Operands are drawn until the task
makes sense: a difference is positive, a divisor is not 0 and, for a remainder, has at most
floor(0.7 n) + 1 digits, exponents lie in 0..99 and differ by at most 5 in sums and differences,
compared fractions are below 1, and what is to be rounded is not a tie.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest

from evaluators.numbers.formatting import (
    WRITERS,
    float_text,
    parts,
    rounded_text,
    scientific_text,
)
from evaluators.numbers.pairs import Pair, Representation

MAX_EXPONENT = 99
MAX_EXPONENT_DIFFERENCE = 5


@dataclass(frozen=True)
class Problem:
    """Operands and the answer as text; `second` is empty where the task takes one number."""

    first: str
    second: str
    answer: str

    @property
    def key(self) -> str:
        """What tells problems apart: the operands, in either order."""
        return " ".join(sorted((self.first, self.second)))


def draw(pair: Pair, length: int, rng: random.Random) -> Problem:
    """A problem whose longest operand has `length` digits (see pairs.py)."""
    while True:
        try:
            return _draw(pair, length, rng)
        except _Unsuitable:
            continue


class _Unsuitable(Exception):
    """These operands make no sense for the task: draw others."""


def _draw(pair: Pair, length: int, rng: random.Random) -> Problem:
    one_operand = _ONE_OPERAND.get(pair.operation)
    if one_operand is not None:
        return one_operand(pair, length, rng)
    if pair.operation in {"max", "min"}:
        return _comparison(pair, length, rng)
    a = _number(pair.representation, length, rng)
    b = _number(pair.representation, _other_length(pair, length, rng), rng)
    if pair.operation.startswith("digit_"):
        a, b = _shuffled(a, b, rng)
        return Problem(a, b, _digit_by_digit(pair, a, b))
    if pair.representation == "scientific":
        a, b = _near_exponents(pair, a, b, rng)
    if pair.operation in {"sub", "floordiv", "mod"}:
        a, b = sorted((a, b), key=value_of, reverse=True)
    elif pair.operation in {"add", "multiply", "truediv"}:
        a, b = _shuffled(a, b, rng)
    return Problem(a, b, _calculated(pair, value_of(a), value_of(b)))


def value_of(text: str) -> Fraction:
    """The exact value of a number in any of the four representations."""
    return Fraction(text)


def _calculated(pair: Pair, a: Fraction, b: Fraction) -> str:
    if pair.operation == "add":
        value = a + b
    elif pair.operation == "sub":
        value = a - b
    elif pair.operation == "multiply":
        value = a * b
    elif b == 0:
        raise _Unsuitable
    elif pair.operation == "truediv":
        value = a / b
    elif pair.operation == "floordiv":
        value = Fraction(a // b)
    else:
        value = a % b
    least = 1 if pair.representation == "scientific" else 0
    if value < least or (pair.operation == "sub" and value == 0):
        raise _Unsuitable
    text = WRITERS[pair.answers_in](value)
    if pair.answers_in == "scientific" and int(text.partition("e")[2]) > MAX_EXPONENT:
        raise _Unsuitable
    return text


def _number(representation: Representation, length: int, rng: random.Random) -> str:
    """A number of exactly this length."""
    if representation == "integer":
        return str(_digits(length, rng))
    if representation == "float":
        return f"{_digits(rng.randint(1, length), rng)}.{_decimals(length, rng)}"
    if representation == "scientific":
        exponent = rng.randint(0, MAX_EXPONENT)
        return f"{rng.randint(1, 9)}.{_decimals(length, rng)}e{exponent}"
    shorter, longer = rng.randint(1, length), length
    top, bottom = (shorter, longer) if rng.random() < 0.5 else (longer, shorter)
    value = Fraction(max(1, _digits(top, rng)), max(1, _digits(bottom, rng)))
    if max(len(str(value.numerator)), len(str(value.denominator))) != length:
        raise _Unsuitable
    return WRITERS["fraction"](value)


def _digits(length: int, rng: random.Random) -> int:
    return rng.randint(10 ** (length - 1) if length > 1 else 0, 10**length - 1)


def _decimals(length: int, rng: random.Random) -> str:
    """Decimals that do not end in 0, so that they are canonical."""
    return "".join(str(rng.randint(0, 9)) for _ in range(length - 1)) + str(rng.randint(1, 9))


def _other_length(pair: Pair, length: int, rng: random.Random) -> int:
    other = length if rng.random() < 0.5 else rng.randint(1, length)
    return min(other, int(0.7 * length) + 1) if pair.operation == "mod" else other


def _shuffled(a: str, b: str, rng: random.Random) -> tuple[str, str]:
    return (a, b) if rng.random() < 0.5 else (b, a)


def _near_exponents(pair: Pair, a: str, b: str, rng: random.Random) -> tuple[str, str]:
    mantissa, _, exponent = a.partition("e")
    other = b.partition("e")[0]
    if pair.operation == "multiply":
        return a, f"{other}e{rng.randint(0, MAX_EXPONENT - int(exponent))}"
    difference = rng.randint(-MAX_EXPONENT_DIFFERENCE, MAX_EXPONENT_DIFFERENCE)
    moved = min(max(int(exponent) + difference, 0), MAX_EXPONENT)
    return f"{mantissa}e{exponent}", f"{other}e{moved}"


def _comparison(pair: Pair, length: int, rng: random.Random) -> Problem:
    a = _number(pair.representation, length, rng)
    if pair.representation == "fraction":
        a = _below_one(a)
        b = _below_one(_number("fraction", _other_length(pair, length, rng), rng))
    elif rng.random() < 0.5:
        b = _same_start(a, rng)
    else:
        b = _number(pair.representation, _other_length(pair, length, rng), rng)
    a, b = _shuffled(a, b, rng)
    if value_of(a) == value_of(b):
        raise _Unsuitable
    return Problem(a, b, (max if pair.operation == "max" else min)(a, b, key=value_of))


def _below_one(text: str) -> str:
    value = Fraction(text)
    if value == 1:
        raise _Unsuitable
    return WRITERS["fraction"](min(value, 1 / value))


def _same_start(text: str, rng: random.Random) -> str:
    """The number with its digits drawn anew from some place on; an exponent stays."""
    mantissa, e, exponent = text.partition("e")
    start = rng.randrange(len(mantissa))
    tail = "".join("." if c == "." else str(rng.randint(0, 9)) for c in mantissa[start:])
    mantissa = mantissa[:start] + tail
    if mantissa.startswith("0") or ("." in mantissa and mantissa.endswith("0")):
        raise _Unsuitable
    return mantissa + e + exponent


def _digit_by_digit(pair: Pair, a: str, b: str) -> str:
    """Aligned at the units, missing digits being 0."""
    choose = _DIGIT_OPERATIONS[pair.operation]
    left, right = parts(a, pair.representation), parts(b, pair.representation)
    whole = zip_longest(left[0][::-1], right[0][::-1], fillvalue="0")
    text = "".join(choose(x, y) for x, y in whole)[::-1]
    if pair.representation == "float":
        decimals = zip_longest(left[1], right[1], fillvalue="0")
        text += "." + "".join(choose(x, y) for x, y in decimals)
    return WRITERS[pair.representation](Fraction(text))


_DIGIT_OPERATIONS: dict[str, Callable[[str, str], str]] = {
    "digit_max": max,
    "digit_min": min,
    "digit_add": lambda a, b: str((int(a) + int(b)) % 10),
}


def _get_digit(pair: Pair, length: int, rng: random.Random) -> Problem:
    text = _number(pair.representation, length, rng)
    digits = text.replace(".", "")
    position = rng.randrange(len(digits))
    return Problem(text, str(position), digits[position])


def _length(pair: Pair, length: int, rng: random.Random) -> Problem:
    text = _number(pair.representation, length, rng)
    return Problem(text, "", str(len(text.replace(".", ""))))


def _count(pair: Pair, length: int, rng: random.Random) -> Problem:
    """Half of the digits asked for occur, so that 0 is not the usual answer of short numbers."""
    text = _number(pair.representation, length, rng)
    digit = rng.choice(text) if rng.random() < 0.5 else str(rng.randint(0, 9))
    return Problem(text, digit, str(text.count(digit)))


def _to_float(pair: Pair, length: int, rng: random.Random) -> Problem:
    if pair.representation == "scientific":
        mantissa = f"{rng.randint(1, 9)}.{_decimals(length, rng)}"
        text = f"{mantissa}e{rng.randint(0, min(length, MAX_EXPONENT))}"
        return Problem(text, "", float_text(Fraction(text)))
    bottom = 2 ** rng.randint(0, length) * 5 ** rng.randint(0, length)
    value = Fraction(max(1, _digits(length, rng)), bottom)
    if max(len(str(value.numerator)), len(str(value.denominator))) != length:
        raise _Unsuitable
    return Problem(WRITERS["fraction"](value), "", float_text(value))


def _to_scientific(pair: Pair, length: int, rng: random.Random) -> Problem:
    text = _number(pair.representation, length, rng)
    if pair.representation == "integer":
        zeros = rng.randint(0, length // 2)
        text = text[: length - zeros] + "0" * zeros
    if value_of(text) < 1:
        raise _Unsuitable
    return Problem(text, "", scientific_text(value_of(text)))


def _significant(pair: Pair, length: int, rng: random.Random) -> Problem:
    text = _number(pair.representation, length, rng)
    figures = rng.randint(2, max(2, len(text.replace(".", ""))))
    try:
        return Problem(text, str(figures), rounded_text(value_of(text), figures))
    except ValueError:
        raise _Unsuitable from None


_ONE_OPERAND: dict[str, Callable[[Pair, int, random.Random], Problem]] = {
    "get_digit": _get_digit,
    "length": _length,
    "count": _count,
    "to_float": _to_float,
    "to_scient": _to_scientific,
    "sig": _significant,
}
