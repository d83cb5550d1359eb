"""Which language a completion is written in, told by its script.

A language identifier trained on sentences is unsure about "12+5=17。答えは17個です。"; counting
letters is not. Numbers, punctuation, symbols and LaTeX commands have no language.
"""

from __future__ import annotations

import re
import unicodedata


def looks_japanese(text: str) -> bool:
    """At least one kana or kanji, and more of them than other letters.

    Kanji alone count as Japanese, for a short answer may have no kana: a task that must tell
    Japanese from Chinese needs a language identifier.
    """
    japanese, _, letters = _count(text)
    return 2 * japanese > letters


def looks_english(text: str) -> bool:
    """At least one Latin letter, and more of them than other letters."""
    _, latin, letters = _count(text)
    return 2 * latin > letters


_COMMAND = re.compile(r"\\[A-Za-z]+")
_JAPANESE = re.compile(
    r"[\u3005\u3006\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"
)
_LATIN = re.compile(r"[A-Za-z]")


def _count(text: str) -> tuple[int, int, int]:
    """Numbers of Japanese letters, Latin letters, and letters of any script."""
    text = _COMMAND.sub(" ", unicodedata.normalize("NFKC", text))
    letters = sum(character.isalpha() for character in text)
    return len(_JAPANESE.findall(text)), len(_LATIN.findall(text)), letters
