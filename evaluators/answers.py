"""Reading the final number out of what a model wrote.

Which number counts: the first one after the last anchor phrase ("答えは", "The answer is", "####",
"\\boxed{", and their like in the eleven languages of MGSM), or the one right before "is the answer"
and "が答えです"; an equation in that sentence counts as the side that is one number, the right
one first. Without an anchor the result of an equation that the text ends with, or else the last
number. An anchor that no number follows (a completion cut short) gives way to the anchor before it.

What does not count unless there is nothing else: numbers in parentheses, dates and times, ordinals,
"step 3", "1人あたり", "not 17 but", the numbering of a list, remarks that open with "なお" or
"Note:", and an explanation after a lone number. What a model makes up after its answer, a next
question with its own answer, never counts.

How numbers are written: see numerals.py. After a German, Spanish, French or Russian anchor 12,5 is
a decimal and 1.234 a thousand.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction

from evaluators.numerals import normalise, numbers, with_decimal_commas, with_grouping_spaces

RELATIVE_TOLERANCE = Fraction(1, 10**6)


def parse_number(text: str) -> Fraction | None:
    """The number that a completion ends up with, or None where it has none."""
    text = _ANNOUNCED_AFTERWARDS.sub(r"\1\n#### \1", normalise(text))
    for part in (*_before_next_question(text), text):
        answer = _announced(part)
        if answer is None:
            answer = _last(part)
        if answer is not None:
            return answer
    return None


def same_number(a: Fraction, b: Fraction) -> bool:
    """Equal up to a relative difference of `RELATIVE_TOLERANCE`; symmetric."""
    return abs(a - b) <= RELATIVE_TOLERANCE * max(abs(a), abs(b))


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern for normalised text, in which NFKC has decomposed some Thai letters."""
    return re.compile(unicodedata.normalize("NFKC", text), re.IGNORECASE | re.MULTILINE)


_ANCHOR = _pattern(
    r"(?:答え?|解答|回答|正解|正答)(?:は|が|\s*[:=])|答え[ \t]+(?=[-$¥\d])"
    r"|\banswer\b(?:\s+to\b[^.\n:=]{0,60}?)?\s*(?:\b(?:is|(?:would|should|must|will)\s+be)\b|[:=])"
    r"|\bans\b\s*[:=]"
    r"|####"
    r"|\\f?boxed\s*\{|\\f?boxed\s+(?=\d)"
    r"|答案(?:是|为|為|\s*[:=])"
    r"|\bjibu\b(?:\s+la\s+mwisho)?\s*(?:ni\b|[:=])"
    r"|సమాధానం\s*(?:[:=]|(?=[-\d]))"
    r"|คำตอบ(?:สุดท้าย)?(?:คือ|\s*[:=])"
    r"|উত্তর(?:টি)?\s*(?:হলো|হল|[:=])"
    r"|(?P<decimal_comma>"
    r"\b(?:antwort|lösung)\b\s*(?:lautet|ist|[:=])"
    r"|\brespuesta\b(?:\s+(?:final|correcta))?\s*(?:es\b|[:=])"
    r"|\bréponse\b(?:\s+(?:finale|correcte))?\s*(?:est\b|[:=])"
    r"|\bответ\b\s*(?:равен|[-:=]))"
)
# "18 is the answer", "18ドルが答えです": the number before counts.
_ANNOUNCED_AFTERWARDS = _pattern(
    r"((?<![\d.,/])-?[$£€¥]?\d[\d,./]*(?: \d+/\d+)?)"
    r"(?:[^\d\s、。,.]{0,4}が(?:答え|正解)(?:です|だ|で(?=す|あ)|とな|にな)"
    r"| ?[a-z%]{0,12} is (?:the|our|your) (?:final |correct )?answer\b)"
)
_NEXT_QUESTION = _pattern(
    r"^[ \t#]*(?:question|problem|instruction|q|問題|質問|指示|frage|pregunta|задача|swali"
    r"|ప్రశ్న|โจทย์|প্রশ্ন|问题)\s?\d{0,3}\s?:"
)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_LINE_END = re.compile(r"[\n。।]")
_EQUALS = re.compile(r"[=≈≒]")
# What follows an equation's result up to the end, where no new clause or sum begins.
_EQUATION_TAIL = re.compile(r"(?<=[=≈≒])[^=≈≒+×÷*/<\n、,;:。]*$")
_LONE_MINUS = re.compile(r"[ :=]*-[ ]+(?=[$£€¥]?\d)")

_PARENTHESES = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】|<<[^<>]*>>")
_MAX_NESTING = 3
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_ASIDES = re.compile(
    rf"""
    (?<![\d-])\d{{4}}([-/])\d\d?\1\d\d?(?![\d-])
  | (?<![\d:.])\d\d?:\d\d(?::\d\d)?(?![\d:])(?:\s?[ap]\.?m\b)?
  | (?<!\d)(?:1[89]|20)\d\d年(?![間前後])(?:\d\d?月)?(?:\d\d?日)?
  | (?<!\d)\d\d?月\d\d?日
  | \b{_MONTH}\.?\ \d\d?(?:st|nd|rd|th)?(?:,\ \d{{4}})?\b
  | (?<![\d.,=>])(?<!=\ )\d+(?:st|nd|rd|th)\b
  | 第\s?\d+
  | (?<!\d)\d+(?:番|つ|人|個|回|日)目
  | \b(?i:step|question|problem|example|case|option|figure|table|equation)\ \d+\b
  | (?:ステップ|手順|(?<!\d)問)\s?\d+
  | (?<![\d.,])\d+[^\d\s、。,.]{{1,4}}(?:あたり|当たり|につき|ごと)
  | \bnot\ [$£€¥]?\d[\d,.]*
  | (?<![\d.,])\d[\d,.]*[^\d\s、。,.]{{0,4}}(?:ではなく|じゃなく)
    """,
    re.VERBOSE,
)
_NUMBERING = re.compile(r"^[ \t]*(\d\d?)[.)][ \t]", re.MULTILINE)
_REMARK = re.compile(
    r"(?:(?<=。)|(?<=[.!?] )|^)[ \t]*(?:(?:なお|ちなみに|なぜなら|※)[^。\n]*|(?:Note|P\.S\.):.*)",
    re.MULTILINE,
)
_EXPLANATION = re.compile(
    r"^[ \t#]*(?:Explanation|Reason(?:ing)?|理由|説明|解説)\s?:", re.MULTILINE
)


def _before_next_question(text: str) -> Iterator[str]:
    """What stands before the first question that a model goes on to ask itself."""
    for match in _NEXT_QUESTION.finditer(text):
        if match.start() > 0 and not text[: match.start()].isspace():
            yield text[: match.start()]
            return


def _announced(text: str) -> Fraction | None:
    end = len(text)
    for anchor in reversed(list(_ANCHOR.finditer(text))):
        rest = with_grouping_spaces(text[anchor.end() : end])
        if anchor["decimal_comma"]:
            rest = with_decimal_commas(rest)
        answer = _after_anchor(rest, boxed=anchor.group().endswith("{"))
        if answer is not None:
            return answer
        end = anchor.start()
    return None


def _after_anchor(text: str, *, boxed: bool) -> Fraction | None:
    """The answer announced by an anchor, of which `text` is the rest."""
    text = _LONE_MINUS.sub("-", text, count=1) if _LONE_MINUS.match(text) else text
    line = _LINE_END.split(text.lstrip(" \t\n:=*"), maxsplit=1)[0]
    text = _inside_brace(text) if boxed else line
    sentence = _SENTENCE_END.split(text, maxsplit=1)[0]
    for part in (sentence, text):
        for reading in _readings(part):
            sides = [list(numbers(side)) for side in reversed(_EQUALS.split(reading))]
            answers = [s for s in sides if len(s) == 1] or [s for s in sides if s]
            if answers:
                return answers[0][0]
    return None


def _inside_brace(text: str) -> str:
    """The text before the brace that closes one opened before it."""
    depth = 1
    for match in re.finditer(r"[{}]", text):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return text[: match.start()]
    return text


def _last(text: str) -> Fraction | None:
    """The last number of a text in which nothing announces the answer."""
    explanation = _EXPLANATION.search(text)
    if explanation is not None and len(list(numbers(text[: explanation.start()]))) == 1:
        text = text[: explanation.start()]
    listed = {match[1] for match in _NUMBERING.finditer(text)}
    plain = _NUMBERING.sub(" ", text) if {"1", "2"} <= listed else text
    for reading in (*_readings(_REMARK.sub(" ", plain)), *_readings(text)):
        found = list(numbers(reading))
        if found:
            tail = _EQUATION_TAIL.search(reading.rstrip())
            results = list(numbers(reading[tail.start() :])) if tail else []
            return results[0] if results else found[-1]
    return None


def _readings(text: str) -> Iterator[str]:
    """The text without asides, then without parentheses, then all of it."""
    outside = text
    for _ in range(_MAX_NESTING):
        outside = _PARENTHESES.sub(" ", outside)
    yield _ASIDES.sub(" ", outside)
    yield outside
    yield text
