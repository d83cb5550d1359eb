"""Short everyday scenes without arithmetic, told in Japanese and in English.

A scene is who was where, when, and did what there. It can be narrated, asked about, or translated.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from evaluators.word_problems_wording import NAMES, Language

TIMES: tuple[tuple[str, str], ...] = (
    ("朝", "In the morning"),
    ("昼", "At noon"),
    ("夜", "At night"),
    ("昨日", "Yesterday"),
)
PLACES: tuple[tuple[str, str], ...] = (
    ("学校", "school"),
    ("公園", "the park"),
    ("駅", "the station"),
    ("図書館", "the library"),
    ("海", "the sea"),
    ("店", "the shop"),
)
DEEDS: tuple[tuple[str, str], ...] = (
    ("本を読みました", "read a book"),
    ("歌を歌いました", "sang a song"),
    ("絵を描きました", "painted a picture"),
    ("友達に会いました", "met a friend"),
    ("昼寝をしました", "took a nap"),
    ("写真を撮りました", "took a photo"),
)
WEATHERS: tuple[tuple[str, str], ...] = (
    ("晴れ", "sunny"),
    ("雨", "rainy"),
    ("雪", "snowy"),
    ("くもり", "cloudy"),
)
JAPANESE_WORDS: tuple[str, ...] = (
    *(ja for table in (TIMES, PLACES, WEATHERS) for ja, _ in table),
    *(part for ja, _ in DEEDS for part in ja.replace("に", "を").split("を")),
    *("天気", "でした", "行きました", "誰", "どこ", "どう", "そこ", "物語：", "英語：", "日本語："),
)


@dataclass(frozen=True)
class Scene:
    """Indices into `NAMES` and the tables above."""

    name: int
    time: int
    place: int
    deed: int
    weather: int


def draw_scene(rng: random.Random) -> Scene:
    """A scene, every field uniform."""
    return Scene(
        name=rng.randrange(len(NAMES)),
        time=rng.randrange(len(TIMES)),
        place=rng.randrange(len(PLACES)),
        deed=rng.randrange(len(DEEDS)),
        weather=rng.randrange(len(WEATHERS)),
    )


def sentences(scene: Scene, language: Language) -> list[str]:
    """The scene in three sentences."""
    name = NAMES[scene.name]
    if language == "ja":
        return [
            f"{TIMES[scene.time][0]}、{name[0]}は{PLACES[scene.place][0]}に行きました。",
            f"天気は{WEATHERS[scene.weather][0]}でした。",
            f"{name[0]}はそこで{DEEDS[scene.deed][0]}。",
        ]
    return [
        f"{TIMES[scene.time][1]}, {name[1]} went to {PLACES[scene.place][1]}.",
        f"It was {WEATHERS[scene.weather][1]}.",
        f"{name[1]} {DEEDS[scene.deed][1]} there.",
    ]


def question(scene: Scene, language: Language, rng: random.Random) -> tuple[str, str]:
    """A question about the scene and its answer, as sentences."""
    name, place = NAMES[scene.name], PLACES[scene.place]
    deed, weather = DEEDS[scene.deed], WEATHERS[scene.weather]
    kind = rng.randrange(3)
    if language == "ja":
        return (
            ("誰が" + deed[0] + "か。", f"答えは{name[0]}です。"),
            (f"{name[0]}はどこに行きましたか。", f"答えは{place[0]}です。"),
            ("天気はどうでしたか。", f"答えは{weather[0]}です。"),
        )[kind]
    return (
        (f"Who {deed[1]}?", f" The answer is {name[1]}."),
        (f"Where did {name[1]} go?", f" The answer is {place[1]}."),
        ("How was the weather?", f" The answer is {weather[1]}."),
    )[kind]
