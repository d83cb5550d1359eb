"""Ways of answering in a spec: the short form, the defaults, what is refused, the JSON schema."""

from __future__ import annotations

from typing import Any

import pytest

from search.answer_spec import (
    ChainOfThoughtAnswer,
    DirectAnswer,
    ProgramAnswer,
    SelfConsistencyAnswer,
    SelfVerificationAnswer,
)
from search.errors import SpecError
from search.spec import Answer, SearchSpec
from tests.zoo_spec import zoo_spec


def parse(answer: object) -> SearchSpec:
    return SearchSpec.parse(zoo_spec(tasks=[{"task": "word_problems_ja", "answer": answer}]))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("direct", DirectAnswer()),
        ("chain_of_thought", ChainOfThoughtAnswer(kind="chain_of_thought")),
        ({"kind": "program", "shots": 0}, ProgramAnswer(kind="program", shots=0)),
        ("self_verification", SelfVerificationAnswer(kind="self_verification")),
        (
            "self_consistency",
            SelfConsistencyAnswer(
                kind="self_consistency",
                samples=5,
                temperature=0.7,
                of=ChainOfThoughtAnswer(kind="chain_of_thought"),
            ),
        ),
        (
            {"kind": "self_consistency", "samples": 3, "of": "program"},
            SelfConsistencyAnswer(
                kind="self_consistency", samples=3, of=ProgramAnswer(kind="program")
            ),
        ),
    ],
)
def test_a_way_is_a_kind_or_a_mapping(given: object, meant: Answer) -> None:
    spec = parse(given)
    assert spec.tasks[0].answer == meant
    assert SearchSpec.from_yaml(spec.to_yaml()) == spec


def test_a_task_is_answered_as_it_asks_by_default() -> None:
    assert SearchSpec.parse(zoo_spec()).tasks[0].answer == DirectAnswer()
    weights = SelfVerificationAnswer(kind="self_verification").weights
    assert weights == (1, 0.5, 0.2)


@pytest.mark.parametrize(
    ("answer", "field", "words"),
    [
        ("pal", "answer", "there is no kind 'pal'; there are: 'direct', 'chain_of_thought'"),
        ({"samples": 3}, "answer", "kind"),
        ({"kind": "program", "shots": 9}, "answer.shots", "at most|less than or equal to 8"),
        ({"kind": "program", "samples": 3}, "answer.samples", "no such field"),
        ({"kind": "self_consistency", "samples": 1}, "answer.samples", "2"),
        ({"kind": "self_consistency", "temperature": 0}, "answer.temperature", "greater than 0"),
        (
            {"kind": "self_consistency", "of": "self_verification"},
            "answer.of",
            "no kind 'self_verification'",
        ),
        (
            {"kind": "self_consistency", "of": {"kind": "program", "shots": 9}},
            "answer.of.shots",
            "8",
        ),
        (
            {"kind": "self_consistency", "of": {"kind": "program", "agreement": True}},
            "answer.of",
            "without samples",
        ),
        (
            {"kind": "self_verification", "weights": [0.2, 0.5, 1]},
            "answer.weights",
            "the first is the greatest",
        ),
        ({"kind": "self_verification", "weights": [1, 0.5]}, "answer.weights", "3|required"),
        ({"kind": "self_verification", "weights": [1, 0.5, -1]}, "answer.weights.2", "0"),
    ],
)
def test_what_is_wrong_is_named(answer: object, field: str, words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        parse(answer)
    (error,) = caught.value.errors
    assert error.field.startswith(f"tasks.0.{field}")


def test_the_json_schema_has_both_forms() -> None:
    schema = SearchSpec.json_schema()
    answer: dict[str, Any] = schema["$defs"]["TaskEntry"]["properties"]["answer"]
    kinds, ways = answer["anyOf"]
    assert kinds["type"] == "string"
    assert set(kinds["enum"]) == set(ways["discriminator"]["mapping"])
    of = schema["$defs"]["SelfConsistencyAnswer"]["properties"]["of"]
    assert set(of["anyOf"][0]["enum"]) == {"direct", "chain_of_thought", "program"}
