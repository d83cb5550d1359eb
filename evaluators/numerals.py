"""Numbers as people and models write them, read exactly.

Read are digits of every script, full-width ones too; signs (ASCII, U+2212, full width, a leading ▲
or △, "minus"); decimals; fractions (3/4, 1 1/2, 4分の3, \\frac{3}{4}); thousands separators (1,234,
12,34,567, 1.234.567, 1'234, 1_234, 1 234 567, no-break spaces); powers of ten (1.5e3, 2×10^3) and
multipliers (8万, 1億2000万, 2.5 million). Units, currency and percent signs are dropped: 25% is 25.
Digits inside a word (m2) are no numbers, neither are number words and kanji numerals.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction


def normalise(text: str) -> str:
    """One spelling for digits, signs, separators, fractions and LaTeX. Takes linear time."""
    # Before NFKC, which would glue 2½ into 21/2, 5² into 52 and ①3 into 13, and which makes a
    # thousands separator that no sentence contains into a common space.
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)
    text = re.sub(r"[①-⑳]", lambda m: f"({unicodedata.normalize('NFKC', m.group())}) ", text)
    text = re.sub(r"[⁰¹²³⁴-⁹⁻]+", lambda m: "^" + m.group().translate(_SUPERSCRIPTS), text)
    text = re.sub(r"(?<=\d)[\u00a0\u2009\u202f'’_](?=\d{3}(?!\d))", ",", text)
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).replace("⁄", "/")
    text = re.sub(r"(?![0-9])\d", lambda m: str(unicodedata.decimal(m.group())), text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    text = _CERTAIN_SPACE_GROUPS.sub(_without_spaces, text)
    return _CONTINENTAL.sub(_with_point, text)


def with_decimal_commas(text: str) -> str:
    """A normalised text of a language that writes 1.234,5, in the spelling 1234.5.

    Three digits after a lone comma stay thousands, for models write those in English too.
    """
    text = _POINT_GROUPS.sub(_with_point, text)
    return _DECIMAL_COMMA.sub(r"\1.\2", text)


def with_grouping_spaces(text: str) -> str:
    """A normalised text, with the spaces of 1 234 removed, which could as well be two numbers."""
    return _SPACE_GROUPS.sub(_without_spaces, text)


def numbers(text: str) -> Iterator[Fraction]:
    """The numbers in a normalised text, in order. Numbers out of all bounds are left out."""
    for match in _NUMBER.finditer(text):
        value = _value(match)
        if value is not None:
            yield -value if _negative(text[max(0, match.start() - 8) : match.start()]) else value


_DECIMAL = (
    r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d{1,2}(?:,\d\d)+,\d{3}(?!\d)"
    r"|\d+(?:\.\d+)?|\.\d+)"
)
_WHOLE = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
_NUMBER = re.compile(
    rf"""
    (?<![A-Za-z\d^_])(?<!\d\.)
    (?:
        (?:(?P<whole>\d+)(?:\s+(?:and\s+)?|と\s*))?
        (?P<top>(?<!/){_WHOLE})\s?/\s?(?P<bottom>{_WHOLE})(?!\s?/|[\d.])
      | (?:(?P<mantissa>{_DECIMAL})\s?[×x*]\s?)?10\^\{{?(?P<power>-?\d+)
      | (?P<kanji>(?:{_DECIMAL}[百千万億兆]+)+(?:{_DECIMAL})?)
      | (?P<decimal>{_DECIMAL})
        (?:e(?P<exponent>[+-]?\d+)(?![A-Za-z\d])|\s?(?P<word>thousand|million|billion|trillion)\b)?
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_KANJI_TERM = re.compile(rf"({_DECIMAL})([百千万億兆]*)")
_SIGN = re.compile(r"-[$£€¥]?$|[$£€¥]-$")
_OPERAND = re.compile(r"[A-Za-z]$|[\d%)\]]\s*$")
_MULTIPLIERS = {
    "百": 10**2,
    "千": 10**3,
    "万": 10**4,
    "億": 10**8,
    "兆": 10**12,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
# Longer ones come from a model that repeats itself; they would cost time and are never right.
_MAX_DIGITS = 100
_MAX_EXPONENT = 100

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_SIGNS = str.maketrans({**dict.fromkeys("−‐‑‒–—﹣－", "-"), "٫": ".", "٬": ","})
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(-?)\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r" \1\2/\3 "),
    (re.compile(r"(-?)\\[dtc]?frac\s*(\d)\s*(\d)"), r" \1\2/\3 "),
    (re.compile(r"(-?)(?<!\d)(\d+)分の(\d+)"), r" \1\3/\2 "),
    (re.compile(r"\\times\b|\\cdot\b"), "×"),
    (re.compile(r"\\approx\b"), "≈"),
    (re.compile(r"\\([$%#])"), r"\1"),
    (re.compile(r"(?<=\d)(?:\\,|\{,\}|,\\!)(?=\d{3})"), ","),
    (re.compile(r"\\(?:text|mathrm|mathbf|textbf)\s*\{([^{}]*)\}"), r" \1 "),
    (re.compile(r"(?<=\d)\*\*(?=\d)"), "^"),
    (re.compile(r"\\[()\[\]]|\\text\s*\{|\*\*|`"), " "),
    (re.compile(r"\bis equal to\b|\bequals\b", re.IGNORECASE), "="),
    (re.compile(r"(?:\bminus\b|\bnegative\b|マイナス)\s*(?=[$£€¥]?[\d.])", re.IGNORECASE), "-"),
    (re.compile(r"(?<=[=≈])[ ]*-[ ]+(?=[$£€¥]?\d)"), " -"),
    (re.compile(r"[▲△](?=[$£€¥]?\d)"), "-"),
    (re.compile(r"(?<![\d,.])(\d+),(\d{1,2})(?=\s?(?:€|EUR\b|[Ee]uros?\b))"), r"\1.\2"),
    (re.compile(r"(?<=€)(\s?\d+),(\d{1,2})(?![\d,])"), r"\1.\2"),
)
# A point between groups is certain where there are two of them, or a comma follows.
_CONTINENTAL = re.compile(
    r"(?<![\d.,])[1-9]\d{0,2}(?:(?:\.\d{3}){2,}(?:,\d+)?|(?:\.\d{3})+,\d+)(?![\d,]|\.\d)"
)
_POINT_GROUPS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?(?![\d,]|\.\d)")
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(0(?=,\d)|\d+(?=,(?:\d{1,2}|\d{4,})(?!\d))),(\d+)(?!,\d)")
# So are spaces: of two groups a million is made, or an amount of euros.
_CERTAIN_SPACE_GROUPS = re.compile(
    r"(?<![\d.,/])(?<!\d )[1-9]\d{0,2}(?:(?: \d{3}){2,}(?![\d/]| [\d/]|,\d{3})"
    r"|(?: \d{3})+(?=(?:[.,]\d\d?)? ?(?:€|EUR\b|[Ee]uros?\b|руб)))"
)
_SPACE_GROUPS = re.compile(r"(?<![\d.,/])\d{1,3}(?: \d{3})+(?![\d/]|,\d{3}| /)")


def _without_spaces(match: re.Match[str]) -> str:
    return match.group().replace(" ", "")


def _with_point(match: re.Match[str]) -> str:
    return match.group().replace(".", "").replace(",", ".")


def _negative(before: str) -> bool:
    """Whether a number is signed; a minus after a number, a word or a bracket is an operator."""
    sign = _SIGN.search(before)
    return sign is not None and _OPERAND.search(before[: sign.start()]) is None


def _value(match: re.Match[str]) -> Fraction | None:
    """The unsigned value of a match of `_NUMBER`; None where it is out of all bounds."""
    if sum(character.isdigit() for character in match.group()) > _MAX_DIGITS:
        return None
    if match["top"]:
        top, bottom = _decimal(match["top"]), _decimal(match["bottom"])
        return int(match["whole"] or 0) + top / bottom if bottom else None
    power = int(match["power"] or match["exponent"] or 0)
    if abs(power) > _MAX_EXPONENT:
        return None
    if match["kanji"]:
        return _kanji_value(match["kanji"])
    scale = Fraction(10) ** power * _MULTIPLIERS.get((match["word"] or "").lower(), 1)
    return _decimal(match["decimal"] or match["mantissa"] or "1") * scale


def _kanji_value(text: str) -> Fraction:
    """Sum of terms such as 1億, 2000万 and 5000; 3千500万 is (3000 + 500) times 10000."""
    total = pending = Fraction(0)
    for digits, multipliers in _KANJI_TERM.findall(text):
        small = multipliers.rstrip("万億兆")
        large = multipliers[len(small) :]
        pending += _decimal(digits) * math.prod(_MULTIPLIERS.get(m, 1) for m in small)
        if large:
            total += pending * math.prod(_MULTIPLIERS[m] for m in large)
            pending = Fraction(0)
    return total + pending


def _decimal(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))
