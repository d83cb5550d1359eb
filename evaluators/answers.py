"""Reading the final number out of what a model wrote.

Which number counts: the first one after the last anchor phrase ("答えは", "The answer is", "####",
"\\boxed{"), where an equation in that sentence counts as its right-hand side; without an anchor
the last number outside parentheses; without any of those the last number at all. An anchor that
no number follows (a completion cut short) gives way to the anchor before it.

How it is read: full-width digits and signs, a leading minus, decimals, thousands separators inside
`d{1,3}(,d{3})+` only, fractions (3/4, 1 1/2, 4分の3, \\frac{3}{4}), powers of ten (1.5e3, 2×10^3)
and multipliers (8万, 1億2000万, 2.5 million). Units, currency and percent signs are dropped: "25%"
is 25. Digits inside a word (m2) are no numbers, neither are kanji numerals.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction

RELATIVE_TOLERANCE = Fraction(1, 10**6)


def parse_number(text: str) -> Fraction | None:
    """The number that a completion ends up with, or None where it has none."""
    text = _normalise(text)
    end = len(text)
    for anchor in reversed(list(_ANCHOR.finditer(text))):
        answer = _after_anchor(text[anchor.end() : end], boxed=anchor.group().endswith("{"))
        if answer is not None:
            return answer
        end = anchor.start()
    numbers = _numbers_outside_parentheses(text)
    return numbers[-1] if numbers else None


def same_number(a: Fraction, b: Fraction) -> bool:
    """Equal up to a relative difference of `RELATIVE_TOLERANCE`; symmetric."""
    return abs(a - b) <= RELATIVE_TOLERANCE * max(abs(a), abs(b))


_ANCHOR = re.compile(
    r"(?:答え?|解答|回答|正解)(?:は|\s*[:=])"
    r"|\banswer\b\s*(?:is\b|[:=])"
    r"|####"
    r"|\\f?boxed\s*\{",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_LINE_END = re.compile(r"[\n。]")
_EQUALS = re.compile(r"[=≈≒]")
_PARENTHESES = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】|<<[^<>]*>>")

_DECIMAL = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_NUMBER = re.compile(
    rf"""
    (?<![A-Za-z\d^_])(?<!\d\.)
    (?:
        (?P<below>\d+)分の(?P<above>\d+)
      | (?:(?P<whole>\d+)(?:\s+(?:and\s+)?|と))?
        (?P<top>(?<!/)\d+)\s?/\s?(?P<bottom>\d+)(?!\s?/|[\d.])
      | (?:(?P<mantissa>{_DECIMAL})\s?[×x*]\s?)?10\^\{{?(?P<power>-?\d+)
      | (?P<kanji>(?:{_DECIMAL}[百千万億兆]+)+(?:\d+)?)
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
_MAX_NESTING = 3

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_DASHES = str.maketrans(dict.fromkeys("−‐‑‒–—﹣－", "-"))
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\\[dt]?frac\s*\{\s*([^{}]*?)\s*\}\s*\{\s*([^{}]*?)\s*\}"), r" \1/\2 "),
    (re.compile(r"\\times\b|\\cdot\b"), "×"),
    (re.compile(r"\\approx\b"), "≈"),
    (re.compile(r"\\([$%#])"), r"\1"),
    (re.compile(r"(?<=\d)(?:\\,|\{,\})(?=\d{3})"), ","),
    (re.compile(r"\\[()\[\]]|\\text\s*\{|\*\*|`"), " "),
    (re.compile(r"(?:\bminus\b|\bnegative\b|マイナス)\s*(?=[$£€¥]?[\d.])", re.IGNORECASE), "-"),
)


def _normalise(text: str) -> str:
    """One spelling for digits, signs, fractions and LaTeX."""
    # Before NFKC, which would glue 2½ into 21/2 and 5² into 52.
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)
    text = re.sub(r"[⁰¹²³⁴-⁹⁻]+", lambda m: "^" + m.group().translate(_SUPERSCRIPTS), text)
    text = unicodedata.normalize("NFKC", text.translate(_DASHES)).replace("⁄", "/")
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text


def _after_anchor(text: str, *, boxed: bool) -> Fraction | None:
    """The answer announced by an anchor, of which `text` is the rest."""
    if boxed:
        text = text.partition("}")[0]
    else:
        text = _LINE_END.split(text.lstrip(" \t\n:=*"), maxsplit=1)[0]
    sentence = _SENTENCE_END.split(text, maxsplit=1)[0]
    for part in (sentence, text):
        for side in reversed(_EQUALS.split(part)):
            numbers = _numbers_outside_parentheses(side)
            if numbers:
                return numbers[0]
    return None


def _numbers_outside_parentheses(text: str) -> list[Fraction]:
    """The numbers outside parentheses, or those inside where there are no others."""
    outside = text
    for _ in range(_MAX_NESTING):
        outside = _PARENTHESES.sub(" ", outside)
    return list(_numbers(outside)) or list(_numbers(text))


def _numbers(text: str) -> Iterator[Fraction]:
    for match in _NUMBER.finditer(text):
        value = _value(match)
        if value is not None:
            yield -value if _negative(text[max(0, match.start() - 8) : match.start()]) else value


def _negative(before: str) -> bool:
    """Whether a number is signed; a minus after a number, a word or a bracket is an operator."""
    sign = _SIGN.search(before)
    return sign is not None and _OPERAND.search(before[: sign.start()]) is None


def _value(match: re.Match[str]) -> Fraction | None:
    """The unsigned value of a match of `_NUMBER`; None where it is out of all bounds."""
    if sum(character.isdigit() for character in match.group()) > _MAX_DIGITS:
        return None
    top, bottom = match["top"] or match["above"], match["bottom"] or match["below"]
    if top and bottom:
        if int(bottom) == 0:
            return None
        return int(match["whole"] or 0) + Fraction(int(top), int(bottom))
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
