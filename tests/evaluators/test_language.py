"""Languages told by script."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from evaluators.language import LANGUAGES, in_language, looks_english, looks_japanese
from tests.evaluators.shared_data import shared_data


@pytest.mark.parametrize(
    "text",
    ["12+5=17。答えは17個です。", "答", "ﾘﾝｺﾞは3個",
     "コーヒー5kgです", r"\frac{1}{2}です", "これはりんご apple です。"],
)  # fmt: skip
def test_japanese(text: str) -> None:
    assert looks_japanese(text)
    assert not looks_english(text)


@pytest.mark.parametrize(
    "text", [" 12+5=17. The answer is 17 apples.", "x", "The word りんご means apple", "ＡＢＣ"]
)
def test_english(text: str) -> None:
    assert looks_english(text)
    assert not looks_japanese(text)


@pytest.mark.parametrize(
    "text", ["", "12+5=17", "。、！・「」", r"\boxed{5}", "Ответ: 5", "답은 5", "é"]
)
def test_neither(text: str) -> None:
    assert not looks_japanese(text)
    assert not looks_english(text)


ANSWERS = {
    "bn": ["উত্তর হল ১৮টি।", "৩+৪=৭, তাই মোট ৭টি আপেল আছে।"],
    "de": ["Die Antwort lautet 18.", "3 + 4 = 7. Also hat er 7 Äpfel.", "Sie verkauft 9 Eier."],
    "en": ["The answer is 18.", "3 + 4 = 7. So he has 7 apples.", "She sells 9 eggs at $2 each."],
    "es": ["La respuesta es 18.", "3 + 4 = 7. Entonces tiene 7 manzanas.", "Ella vende 9 huevos."],
    "fr": [
        "La réponse est 18.",
        "3 + 4 = 7. Il a donc 7 pommes.",
        "Elle vend 9 œufs à 2 $ chacun.",
    ],
    "ja": ["答えは18です。", "3+4=7なので、りんごは7個です。", "正解18個", r"\text{合計}=7個です"],
    "ru": ["Ответ — 18.", "3 + 4 = 7. Значит, у него 7 яблок.", "Она продаёт 9 яиц."],
    "sw": ["Jibu ni 18.", "3 + 4 = 7. Kwa hiyo ana matofaa 7.", "Anauza mayai 9 kwa $2 kila moja."],
    "te": ["సమాధానం 18.", "3+4=7 కాబట్టి 7 ఆపిల్స్ ఉన్నాయి."],
    "th": ["คำตอบคือ 18", "3+4=7 ดังนั้นเขามีแอปเปิล 7 ลูก"],
    "zh": ["答案是 18。", "3+4=7，所以他有7个苹果。", "她卖9个鸡蛋，每个2美元。", "总共18美元"],
}


@pytest.mark.parametrize(
    ("language", "text"), [(lang, text) for lang, texts in ANSWERS.items() for text in texts]
)
def test_a_short_worked_answer_is_in_its_language_alone(language: str, text: str) -> None:
    assert [known for known in LANGUAGES if in_language(text, known)] == [language]


@pytest.mark.parametrize("language", LANGUAGES)
def test_real_questions_are_in_their_language(language: str) -> None:
    lines = shared_data("mgsm", f"mgsm_{language}.tsv").read_text(encoding="utf-8").splitlines()
    questions = [line.rpartition("\t")[0] for line in lines if line]
    assert len(questions) == 250
    assert sum(in_language(question, language) for question in questions) >= 0.95 * 250
    # A third of a question is as long as a short answer.
    short = [question[: len(question) // 3] for question in questions]
    assert sum(in_language(question, language) for question in short) >= 0.95 * 250
    for other in set(LANGUAGES) - {language}:
        assert sum(in_language(question, other) for question in questions) <= 0.01 * 250


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", ["", "12+5=17", r"\boxed{5}", "。、！", "답은 5입니다"])
def test_numbers_and_other_scripts_are_in_none(language: str, text: str) -> None:
    assert not in_language(text, language)


def test_another_cyrillic_language_is_not_russian() -> None:
    assert not in_language("Відповідь: у нього є сім яблук і ще п'ять груш.", "ru")


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(KeyError):
        in_language("text", "ko")


def test_threads_that_come_together_agree() -> None:
    texts = [(text, lang) for lang, texts in ANSWERS.items() for text in texts] * 8
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda pair: in_language(*pair), texts))
