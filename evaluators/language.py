"""Which language a completion is written in: by its script where that decides, else by its words.

A language identifier trained on sentences is unsure about "12+5=17。答えは17個です。"; counting
letters is not. So Bengali, Telugu, Thai and Japanese are known by their letters. Among German,
English, Spanish, French and Swahili, and between Russian and other Cyrillic, or Chinese and
Japanese without kana, py3langid decides, restricted to those languages. Numbers, punctuation,
symbols and LaTeX commands have no language.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Any

LANGUAGES = ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")


def in_language(text: str, language: str) -> bool:
    """Whether a text is written in one of `LANGUAGES`: most of its letters are of the language's
    script, and its words are the language's where others share the script. False without letters.

    A single word of Latin letters says too little, and passes for each of its five languages.
    Raises KeyError for an unknown language.
    """
    text = _plain(text)
    script = _SCRIPTS[language]
    letters = sum(map(str.isalpha, text))
    own = len(script.findall(text))
    if 2 * own <= letters:
        return False
    if script in (_JAPANESE, _HAN):
        decided = _told_by_characters(text)
        if decided is not None:
            return language == decided
    rivals = _RIVALS.get(language)
    if rivals is None:
        return True
    words = _words(text, script)
    if rivals is _EUROPEAN and len(words) < _FEWEST_WORDS:
        return True
    return _identify(" ".join(words), rivals) == language


def looks_japanese(text: str) -> bool:
    """At least one kana or kanji, and more of them than other letters.

    Kanji alone count as Japanese, for a short answer may have no kana: see `in_language` for a task
    that must tell Japanese from Chinese.
    """
    return _mostly(text, _JAPANESE)


def looks_english(text: str) -> bool:
    """At least one Latin letter, and more of them than other letters."""
    return _mostly(text, _ASCII)


_COMMAND = re.compile(r"\\[A-Za-z]+")
_KANA = re.compile(r"[\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff]")
_JAPANESE = re.compile(
    r"[\u3005\u3006\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"
)
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_ASCII = re.compile(r"[A-Za-z]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_SCRIPTS: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys(("de", "en", "es", "fr", "sw"), _LATIN),
    # Vowel signs are no letters to `str.isalpha`, and are not counted on either side.
    "bn": re.compile(r"[\u0985-\u09b9\u09ce\u09dc-\u09e1]"),
    "te": re.compile(r"[\u0c05-\u0c39\u0c58-\u0c61]"),
    "th": re.compile(r"[\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46]"),
    "ru": re.compile(r"[\u0400-\u04ff]"),
    "ja": _JAPANESE,
    "zh": _HAN,
}
# Characters that only one of simplified Chinese and Japanese writes, of the words of answers.
_SIMPLIFIED = re.compile(
    "[这个们为问题说钱还买卖几总应该课从样对给让谁时间动过开长门车东页岁线级组边约红绿双]"
)
_SHINJITAI = re.compile("[円売買個歳歩変実気図価単値時間問題説開長東車紙線組級]")
# Japanese prose has more kana than this; Chinese has none but in a quoted name.
_KANA_SHARE = 0.1
_FEWEST_WORDS = 2
_EUROPEAN = ("de", "en", "es", "fr", "sw")
_RIVALS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_EUROPEAN, _EUROPEAN),
    "ru": ("ru", "uk", "bg", "sr"),
    "ja": ("ja", "zh"),
    "zh": ("ja", "zh"),
}
_LOCK = threading.Lock()


def _plain(text: str) -> str:
    return _COMMAND.sub(" ", unicodedata.normalize("NFKC", text))


def _mostly(text: str, script: re.Pattern[str]) -> bool:
    text = _plain(text)
    return 2 * len(script.findall(text)) > sum(map(str.isalpha, text))


def _told_by_characters(text: str) -> str | None:
    """Japanese or Chinese, where kana or a character of only one of them tells."""
    kana = len(_KANA.findall(text))
    if kana > _KANA_SHARE * (kana + len(_HAN.findall(text))):
        return "ja"
    simplified, japanese = len(_SIMPLIFIED.findall(text)), len(_SHINJITAI.findall(text))
    if simplified == japanese:
        return None
    return "zh" if simplified > japanese else "ja"


def _words(text: str, script: re.Pattern[str]) -> list[str]:
    """The words of a script; names of variables and units in another one are left out."""
    return [word for word in re.findall(r"[^\W\d_]+", text) if script.search(word)]


def _identify(text: str, languages: tuple[str, ...]) -> str:
    identifier = _identifier(languages)
    language: str = identifier.classify(text)[0]
    return language


def _identifier(languages: tuple[str, ...]) -> Any:
    """An identifier of these languages; loaded once, also by threads that come together."""
    with _LOCK:
        return _load(languages)


@cache
def _load(languages: tuple[str, ...]) -> Any:
    # It takes most of a second, and 90 MB that few processes need.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(languages)
    return identifier
