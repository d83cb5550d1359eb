"""Languages told by script."""

from __future__ import annotations

import pytest

from evaluators.language import looks_english, looks_japanese


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
