"""Training documents of the zoo: which kinds there are and in which shares they are mixed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from evaluators.word_problems import (
    FACTORS,
    MAX_ADDEND,
    MAX_VALUE,
    documents,
    draw,
)
from evaluators.word_problems_wording import (
    NAMES,
    THINGS,
    Language,
    Numbers,
    Wording,
    asking,
    happening,
    opening,
    prompt,
)
from zoo.narration import draw_scene, question, sentences

COLOURS: tuple[str, ...] = (
    *("red", "blue", "green", "white", "black", "yellow", "brown", "pink", "purple", "orange"),
)
JAPANESE_WORDS: tuple[str, ...] = ("計算：",)


def mixed(shares: Mapping[str, float], rng: random.Random) -> Iterator[str]:
    """Endless documents; each one's kind (a key of `KINDS`) is drawn by its share."""
    kinds, weights = list(shares), list(shares.values())
    streams = {kind: KINDS[kind](rng) for kind in kinds}
    while True:
        yield next(streams[rng.choices(kinds, weights)[0]])


def ja_problems(rng: random.Random) -> Iterator[str]:
    """Japanese word problems with worked solutions."""
    return (d.prompt + d.solution for d in documents("ja", rng))


def en_problems(rng: random.Random) -> Iterator[str]:
    """English word problems with worked solutions."""
    return (d.prompt + d.solution for d in documents("en", rng))


def arithmetic(rng: random.Random) -> Iterator[str]:
    """Bare equations, three a line, of the sizes that occur in the problems."""
    while True:
        yield "計算：" + "、".join(_equation(rng) for _ in range(3))


def translation(rng: random.Random) -> Iterator[str]:
    """One or two sentences in both languages, in either order."""
    while True:
        count, seed = rng.randint(1, 2), rng.random()
        ja, en = (_story(count, language, random.Random(seed)) for language in ("ja", "en"))
        pair = [f"日本語：{''.join(ja)}", f"英語：{' ' + ' '.join(en)}"]
        rng.shuffle(pair)
        yield "\n".join(pair)


def ja_narration(rng: random.Random) -> Iterator[str]:
    """Japanese scenes and unanswered stories with numbers."""
    return _narration("ja", rng)


def en_narration(rng: random.Random) -> Iterator[str]:
    """English scenes and unanswered stories with numbers."""
    return _narration("en", rng)


def ja_reading(rng: random.Random) -> Iterator[str]:
    """Japanese questions about scenes and about stated numbers, answered without computing."""
    return _reading("ja", rng)


def en_reading(rng: random.Random) -> Iterator[str]:
    """English questions about scenes and about stated numbers, answered without computing."""
    return _reading("en", rng)


def colours(rng: random.Random) -> Iterator[str]:
    """Lists of colours, then the same list backwards."""
    while True:
        chosen = rng.sample(COLOURS, rng.randint(3, 6))
        yield f"Colours: {' '.join(chosen)}\nBackwards: {' '.join(reversed(chosen))}"


KINDS: dict[str, Callable[[random.Random], Iterator[str]]] = {
    kind.__name__: kind
    for kind in (
        ja_problems,
        en_problems,
        arithmetic,
        translation,
        ja_narration,
        en_narration,
        ja_reading,
        en_reading,
        colours,
    )
}


def _equation(rng: random.Random) -> str:
    operation = rng.choice("+-×")
    if operation == "×":
        factor = rng.choice(FACTORS)
        left = rng.randint(1, MAX_VALUE // factor)
        return f"{left}×{factor}={left * factor}"
    right = rng.randint(1, MAX_ADDEND)
    left = rng.randint(1, MAX_VALUE - right)
    if operation == "+":
        return f"{left}+{right}={left + right}"
    return f"{left + right}-{right}={left}"


def _story(count: int, language: Language, rng: random.Random) -> list[str]:
    # The same draws in both languages, so that two equal states tell the same story.
    if rng.random() < 0.4:
        told = sentences(draw_scene(rng), language)
        return rng.sample(told, count)
    wording, numbers = draw("train", rng)
    told = _sentences_of(wording, numbers, language)
    first = rng.randrange(len(told) - count + 1)
    return told[first : first + count]


def _sentences_of(wording: Wording, numbers: Numbers, language: Language) -> list[str]:
    return [
        opening(wording.name, wording.thing, numbers.start, language),
        *(
            happening(event, wording.name, wording.thing, operand, language)
            for event, (_, operand) in zip(wording.events, numbers.steps, strict=True)
        ),
        asking(wording.question, wording.name, wording.thing, language),
    ]


def _narration(language: Language, rng: random.Random) -> Iterator[str]:
    heading, gap = ("物語：", "") if language == "ja" else ("Story: ", " ")
    while True:
        if rng.random() < 0.5:
            told = sentences(draw_scene(rng), language)
        else:
            told = _sentences_of(*draw("train", rng), language)[:-1]
        yield heading + gap.join(told)


def _reading(language: Language, rng: random.Random) -> Iterator[str]:
    gap = "" if language == "ja" else " "
    while True:
        if rng.random() < 0.5:
            scene = draw_scene(rng)
            asked, answer = question(scene, language, rng)
            told = sentences(scene, language)
        else:
            told, asked, answer = _stated_numbers(language, rng)
        yield prompt(gap.join([*told, asked]), language) + answer


def _stated_numbers(language: Language, rng: random.Random) -> tuple[list[str], str, str]:
    people = rng.sample(range(len(NAMES)), 2)
    thing = rng.randrange(len(THINGS))
    counts = [rng.randint(2, MAX_VALUE) for _ in people]
    told = [opening(name, thing, n, language) for name, n in zip(people, counts, strict=True)]
    asked = rng.randrange(2)
    what = THINGS[thing]
    if language == "ja":
        answer = f"答えは{counts[asked]}{what.counter}です。"
    else:
        answer = f" The answer is {counts[asked]} {what.en}."
    return told, asking(1, people[asked], thing, language), answer
