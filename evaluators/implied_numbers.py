"""Numbers that a question's words stand for: a dozen is 12, an hour has 60 minutes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction


def implied_numbers(question: str) -> set[Fraction]:
    """Every number that a word of the question may put into its solution; 1 always."""
    words = set(re.findall(r"[a-z]+|[%$¢]", question.lower()))
    words |= {word.removesuffix(ending) for word in words for ending in ("s", "es")}
    found = {Fraction(1)}
    for word in words:
        found.update(map(Fraction, _IMPLIED.get(word, ())))
    return found


def percentages(values: Iterable[Fraction]) -> set[Fraction]:
    """What percentages become in a solution: p/100, 1 - p/100, 1 + p/100, 100 - p, 100 + p."""
    return {
        number for p in values for number in (p / 100, 1 - p / 100, 1 + p / 100, 100 - p, 100 + p)
    }


_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen", "twenty"),
)
_TENS = ("thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = ("third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_IMPLIED: Mapping[str, tuple[str, ...]] = {
    **{word: (str(number),) for number, word in enumerate(_WORDS)},
    **{word: (str(number),) for number, word in zip(range(30, 100, 10), _TENS, strict=True)},
    **{word: (str(n), f"1/{n}", f"{n - 1}/{n}") for n, word in enumerate(_ORDINALS, 3)},
    "half": ("2", "1/2", "3/2"),
    "halve": ("2", "1/2"),
    "twice": ("2", "3"),
    "double": ("2",),
    "doubled": ("2",),
    "triple": ("3",),
    "tripled": ("3",),
    "thrice": ("3",),
    "quadruple": ("4",),
    "couple": ("2",),
    "pair": ("2",),
    "both": ("2",),
    "twin": ("2",),
    "triplet": ("3",),
    "quarter": ("4", "1/4", "3/4", "25"),
    "dime": ("10", "1/10"),
    "nickel": ("5", "1/20"),
    "penny": ("1/100",),
    "pennie": ("1/100",),
    "cent": ("100", "1/100"),
    "¢": ("100", "1/100"),
    "dozen": ("12",),
    "score": ("20",),
    "hundred": ("100",),
    "thousand": ("1000",),
    "million": ("1000000",),
    "percent": ("100", "1/100"),
    "%": ("100", "1/100"),
    "second": ("60", "2", "1/2"),
    "minute": ("60",),
    "hour": ("60", "24"),
    "hourly": ("24",),
    "day": ("24", "7"),
    "daily": ("7",),
    "weekday": ("5",),
    "weekend": ("2",),
    "week": ("7", "4", "52"),
    "weekly": ("7", "4", "52"),
    "month": ("12", "30", "4"),
    "monthly": ("12",),
    "year": ("12", "365", "52"),
    "yearly": ("12",),
    "annual": ("12",),
    "annually": ("12",),
    "decade": ("10",),
    "century": ("100",),
    "inch": ("12", "36"),
    "foot": ("12", "3"),
    "feet": ("12", "3"),
    "yard": ("3", "36"),
    "mile": ("5280",),
    "ounce": ("16", "8"),
    "pound": ("16", "2000"),
    "ton": ("2000", "1000"),
    "cup": ("8", "16"),
    "pint": ("2",),
    "quart": ("4", "2"),
    "gallon": ("4", "128"),
    "gram": ("1000",),
    "kilogram": ("1000",),
    "kg": ("1000",),
    "meter": ("100", "1000"),
    "kilometer": ("1000",),
    "liter": ("1000",),
    "square": ("4",),
    "rectangle": ("2",),
    "rectangular": ("2",),
    "perimeter": ("2", "4"),
    "triangle": ("3", "2", "180"),
}
