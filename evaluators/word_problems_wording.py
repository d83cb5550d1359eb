"""Wording of the word problems: the same story told in Japanese and in English.

A story is a tuple of indices into the tables below and of numbers, so that one story has exactly
one text in each language. English words are cut at spaces by any tokenizer; Japanese is written
without spaces, so `JAPANESE_WORDS` says where its words end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["ja", "en"]
Operation = Literal["+", "-", "×"]


@dataclass(frozen=True)
class Thing:
    """Something countable, with its Japanese counter word."""

    ja: str
    counter: str
    en: str


@dataclass(frozen=True)
class Event:
    """What happens to the count: templates with the fields name, n and counter."""

    operation: Operation
    ja: str
    en: str


@dataclass(frozen=True)
class Wording:
    """How a story is told: indices into `NAMES`, `THINGS`, `EVENTS` (one a step), `QUESTIONS`."""

    name: int
    thing: int
    events: tuple[int, ...]
    question: int


@dataclass(frozen=True)
class Numbers:
    """What is computed: a start, then one (operation, operand) a step, from left to right."""

    start: int
    steps: tuple[tuple[Operation, int], ...]

    def values(self) -> tuple[int, ...]:
        """The start and the count after every step."""
        values = [self.start]
        for operation, operand in self.steps:
            values.append(_apply(operation, values[-1], operand))
        return tuple(values)


NAMES: tuple[tuple[str, str], ...] = (
    ("太郎", "Taro"),
    ("花子", "Hanako"),
    ("健太", "Kenta"),
    ("美咲", "Misaki"),
    ("由紀", "Yuki"),
    ("大輔", "Daisuke"),
    ("さくら", "Sakura"),
    ("誠", "Makoto"),
)
THINGS: tuple[Thing, ...] = (
    Thing("りんご", "個", "apples"),
    Thing("みかん", "個", "oranges"),
    Thing("卵", "個", "eggs"),
    Thing("鉛筆", "本", "pencils"),
    Thing("傘", "本", "umbrellas"),
    Thing("切手", "枚", "stamps"),
    Thing("皿", "枚", "plates"),
    Thing("ノート", "冊", "notebooks"),
)
EVENTS: tuple[Event, ...] = (
    Event("+", "店で{n}{counter}買いました。", "{name} bought {n} more at the shop."),
    Event("+", "友達から{n}{counter}もらいました。", "{name} got {n} more from a friend."),
    Event("+", "家で{n}{counter}見つけました。", "{name} found {n} more at home."),
    Event("+", "さらに{n}{counter}集めました。", "{name} collected {n} more."),
    Event("-", "友達に{n}{counter}あげました。", "{name} gave {n} to a friend."),
    Event("-", "学校で{n}{counter}使いました。", "{name} used {n} at school."),
    Event("-", "道で{n}{counter}なくしました。", "{name} lost {n} on the road."),
    Event("-", "店で{n}{counter}売りました。", "{name} sold {n} at the shop."),
    Event("×", "数は{n}倍になりました。", "The number became {n} times as large."),
    Event("×", "それから数を{n}倍にしました。", "Then {name} made the number {n} times as large."),
)
QUESTIONS: tuple[tuple[str, str], ...] = (
    ("{thing}は今何{counter}ありますか。", "How many {thing} are there now?"),
    (
        "{name}は今{thing}を何{counter}持っていますか。",
        "How many {thing} does {name} have now?",
    ),
)

JAPANESE_WORDS: tuple[str, ...] = (
    *(name for name, _ in NAMES),
    *(thing.ja for thing in THINGS),
    *("個", "本", "枚", "冊", "倍", "数", "何", "今", "店", "友達", "家", "学校", "道"),
    *("買いました", "もらいました", "見つけました", "集めました", "さらに", "それから"),
    *("あげました", "使いました", "なくしました", "売りました", "なりました", "しました"),
    *("持っています", "あります", "答えは", "です", "か", "は", "が", "を", "に", "で", "から"),
    *("問題：", "解答：", "。", "、"),
)


def problem(wording: Wording, numbers: Numbers, language: Language) -> str:
    """The question of a story, without any heading."""
    sentences = [
        opening(wording.name, wording.thing, numbers.start, language),
        *(
            happening(event, wording.name, wording.thing, operand, language)
            for event, (_, operand) in zip(wording.events, numbers.steps, strict=True)
        ),
        asking(wording.question, wording.name, wording.thing, language),
    ]
    return ("" if language == "ja" else " ").join(sentences)


def prompt(question: str, language: Language) -> str:
    """A question under its heading, ready to be answered."""
    if language == "ja":
        return f"問題：{question}\n解答："
    return f"Question: {question}\nAnswer:"


def solution(wording: Wording, numbers: Numbers, language: Language) -> str:
    """The worked equations and the final answer; follows `prompt` directly."""
    values = numbers.values()
    equations = [
        f"{before}{operation}{operand}={after}"
        for before, (operation, operand), after in zip(
            values, numbers.steps, values[1:], strict=False
        )
    ]
    thing = THINGS[wording.thing]
    if language == "ja":
        return "".join(f"{e}。" for e in equations) + f"答えは{values[-1]}{thing.counter}です。"
    return "".join(f" {e}." for e in equations) + f" The answer is {values[-1]} {thing.en}."


def opening(name: int, thing: int, start: int, language: Language) -> str:
    """Who has how many of what."""
    ja, en = NAMES[name]
    what = THINGS[thing]
    if language == "ja":
        return f"{ja}は{what.ja}を{start}{what.counter}持っています。"
    return f"{en} has {start} {what.en}."


def happening(event: int, name: int, thing: int, operand: int, language: Language) -> str:
    """One step of the story."""
    ja, en = NAMES[name]
    if language == "ja":
        return EVENTS[event].ja.format(name=ja, n=operand, counter=THINGS[thing].counter)
    return EVENTS[event].en.format(name=en, n=operand)


def asking(question: int, name: int, thing: int, language: Language) -> str:
    """The question that ends the story."""
    ja, en = NAMES[name]
    what = THINGS[thing]
    if language == "ja":
        return QUESTIONS[question][0].format(name=ja, thing=what.ja, counter=what.counter)
    return QUESTIONS[question][1].format(name=en, thing=what.en)


def _apply(operation: Operation, left: int, right: int) -> int:
    if operation == "+":
        return left + right
    if operation == "-":
        return left - right
    return left * right
