"""docs/tasks.md names every setting and every extractor."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from evaluators.extractors import EXTRACTORS
from evaluators.jsonl import JsonlSettings
from evaluators.language import LANGUAGES

TEXT = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")


def test_every_setting_is_told() -> None:
    assert [field.name for field in fields(JsonlSettings) if f"`{field.name}`" not in TEXT] == []


def test_every_extractor_is_told() -> None:
    one = {f"mgsm_native_cot_{language}" for language in LANGUAGES} - {"mgsm_native_cot_ja"}
    assert [name for name in EXTRACTORS.keys() - one if f"`{name}`" not in TEXT] == []
