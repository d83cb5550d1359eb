"""How numbers are written: exact values to text, text to its runs of digits.

Integers `123`, floats `12.5` (a point and a decimal always), fractions `3/4` (irreducible, the
denominator always), scientific notation `1.25e3` (one digit before the point, an exponent of at
least 0). Only non-negative numbers occur.
"""

from __future__ import annotations

import re
from fractions import Fraction

from evaluators.numbers.pairs import Representation


def integer_text(value: Fraction) -> str:
    """A whole number."""
    if value.denominator != 1:
        raise ValueError(f"{value} is not whole")
    return str(value.numerator)


def float_text(value: Fraction) -> str:
    """The shortest decimal that is exactly the value; ValueError where none is."""
    places, rest = 1, value.denominator
    for factor in (2, 5):
        power = 0
        while rest % factor == 0:
            rest //= factor
            power += 1
        places = max(places, power)
    if rest != 1:
        raise ValueError(f"{value} has no finite decimal")
    digits = str((value * 10**places).numerator).zfill(places + 1)
    return f"{digits[:-places]}.{digits[-places:]}"


def fraction_text(value: Fraction) -> str:
    """Numerator and denominator, without a common factor."""
    return f"{value.numerator}/{value.denominator}"


def scientific_text(value: Fraction) -> str:
    """The shortest exact mantissa and the exponent; ValueError below 1."""
    exponent = len(str(int(value))) - 1
    if value < 1:
        raise ValueError(f"{value} would need a negative exponent")
    return f"{float_text(value / 10**exponent)}e{exponent}"


def rounded_text(value: Fraction, figures: int) -> str:
    """Scientific notation with exactly this many significant figures (at least 2).

    Rounded to nearest. Raises ValueError below 1 and for a tie, which conventions round apart.
    """
    exponent = len(str(int(value))) - 1
    scaled = value / Fraction(10) ** (exponent - figures + 1)
    if value < 1 or scaled - int(scaled) == Fraction(1, 2):
        raise ValueError(f"{value} to {figures} figures is below 1 or a tie")
    digits = str(round(scaled))
    exponent += len(digits) - figures
    return f"{digits[0]}.{digits[1:figures]}e{exponent}"


WRITERS = {
    "integer": integer_text,
    "float": float_text,
    "fraction": fraction_text,
    "scientific": scientific_text,
}


def parts(text: str, representation: Representation) -> tuple[str, ...]:
    """Runs of digits: integer; integer and decimals; numerator and denominator; mantissa's two and
    exponent. `text` is as the writers above write it."""
    return tuple(re.split(r"[./e]", text)) if text else ("",) * PARTS[representation]


PARTS: dict[Representation, int] = {"integer": 1, "float": 2, "fraction": 2, "scientific": 3}
