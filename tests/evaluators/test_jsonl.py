"""Tasks from JSONL files: what is read, and what is refused with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.errors import TaskDataError
from evaluators.jsonl import read_jsonl_task
from evaluators.splits import partition, split_of
from evaluators.task import SPLITS, Completion, Item
from evaluators.tasks import load_task


def write(folder: Path, *lines: str, toml: str = "") -> Path:
    path = folder / "sums.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    if toml:
        path.with_suffix(".toml").write_text(toml, encoding="utf-8")
    return path


def entry(number: int, **fields: object) -> str:
    return json.dumps(
        {"id": f"q{number}", "question": f"{number}+1?", "answer": number + 1} | fields
    )


def everything(path: Path) -> list[Item]:
    task = read_jsonl_task(path)
    return [item for split in SPLITS for item in task.items(split)]


def test_items_are_split_by_id_for_ever(tmp_path: Path) -> None:
    path = write(tmp_path, *(entry(i) for i in range(200)))
    task = load_task("jsonl:sums", tmp_path)
    sizes = {split: len(task.items(split)) for split in SPLITS}
    assert sum(sizes.values()) == 200
    assert sizes["search"] > 50
    assert sizes["select"] > 20
    assert sizes["holdout"] > 50
    for split in SPLITS:
        assert all(split_of(item.id) == split for item in task.items(split))
        assert task.items(split) == load_task("jsonl:sums", tmp_path, seed=9).items(split)
    more = write(tmp_path, *(entry(i) for i in range(-1, 201)))
    assert set(task.items("search")) <= set(read_jsonl_task(more).items("search"))
    assert path == more


def test_one_item_goes_to_search(tmp_path: Path) -> None:
    for number in range(20):
        task = read_jsonl_task(write(tmp_path, entry(number)))
        assert [len(task.items(split)) for split in SPLITS] == [1, 0, 0]


def test_fields_and_settings(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '{"prompt": "1+1=", "reference": "2.0", "split": "holdout"}',
        "",
        '{"id": 7, "question": "りんごは？", "answer": "3個\\n#### 1,234", "split": "search"}',
        toml='language = "ja"\nstop = ["\\n"]\nmax_new_tokens = 9\nlicence = "CC0-1.0"',
    )
    task = read_jsonl_task(path)
    (japanese,) = task.items("search")
    (plain,) = task.items("holdout")
    assert japanese == Item(
        "7", "問題：りんごは？\n解答：", "1234", "りんごは？", "3個\n#### 1,234"
    )
    assert (plain.prompt, plain.reference) == ("1+1=", "2")
    assert task.generation.max_new_tokens == 9
    assert task.generation.stop == ("\n",)
    assert task.score(japanese, Completion("答えは1234個です", False, 5)).value == 1
    english = task.score(japanese, Completion("The answer is 1,234.", True, 5))
    assert (english.value, english.correct, english.language_ok) == (0, True, False)
    assert english.truncated
    assert task.score(japanese, Completion("答えは不明", False, 5)).no_answer


def test_a_published_rule_scores_as_published(tmp_path: Path) -> None:
    line = entry(0, answer="#### 1,234.50", split="search")
    text = Completion("The total is 1,234.50 (2 items)", False, 5)
    ours = read_jsonl_task(write(tmp_path, line))
    (item,) = ours.items("search")
    assert ours.score(item, text).value == 1
    for extractor, answer in [("sakana_mgsm", "2.0"), ("lm_eval_flexible", "2")]:
        task = read_jsonl_task(write(tmp_path, line, toml=f'extractor = "{extractor}"'))
        (item,) = task.items("search")
        assert item.reference == "1234.5"
        assert task.score(item, text).value == 0
        assert task.answer(item, text) == answer
        assert task.score(item, Completion("so 1234.5", False, 5)).value == 1


def test_latex_references_stay_texts(tmp_path: Path) -> None:
    toml = 'extractor = "hendrycks_math"'
    line = entry(0, answer=r"\frac{\pi}{2}", split="search")
    task = read_jsonl_task(write(tmp_path, line, toml=toml))
    (item,) = task.items("search")
    assert task.score(item, Completion(r"so $\dfrac{\pi}{2}$", False, 5)).value == 1
    with pytest.raises(TaskDataError, match="the answer is empty"):
        read_jsonl_task(write(tmp_path, entry(0, answer=" "), toml=toml))


def test_a_german_task_wants_german(tmp_path: Path) -> None:
    path = write(tmp_path, entry(4, split="search"), toml='language = "de"')
    task = read_jsonl_task(path)
    (item,) = task.items("search")
    assert task.score(item, Completion("Die Antwort lautet 5.", False, 5)).value == 1
    english = task.score(item, Completion("The answer is 5.", False, 5))
    assert (english.value, english.correct, english.language_ok) == (0, True, False)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not an object"),
        ('{"answer": 3}', "exactly one of prompt and question"),
        ('{"prompt": "a", "question": "b", "answer": 3}', "exactly one of prompt and question"),
        ('{"prompt": "a"}', "exactly one of answer and reference"),
        ('{"prompt": "  ", "answer": 3}', "no text"),
        ('{"prompt": "a", "answer": "none"}', "holds no number"),
        ('{"prompt": "a", "answer": true}', "neither a number nor a text"),
        ('{"prompt": "a", "answer": NaN}', "nan"),
        ('{"prompt": "a", "answer": 3, "split": "train"}', "split 'train'"),
        ('{"prompt": "a", "answer": 3, "id": []}', "the id"),
        ('{"prompt": "a", "answer": 3, "id": "q0"}', "a second item 'q0'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = write(tmp_path, entry(0), "", line)
    with pytest.raises(TaskDataError) as error:
        read_jsonl_task(path)
    assert str(error.value).startswith(f"{path}:3: ")
    assert reason in str(error.value)


def test_an_unidentified_prompt_told_twice_is_a_duplicate(tmp_path: Path) -> None:
    line = '{"prompt": "a", "answer": 3}'
    with pytest.raises(TaskDataError, match=r"sums\.jsonl:2: a second item"):
        read_jsonl_task(write(tmp_path, line, line))


def test_files_without_items(tmp_path: Path) -> None:
    with pytest.raises(TaskDataError, match="no items"):
        read_jsonl_task(write(tmp_path, "", ""))
    with pytest.raises(TaskDataError, match="search split"):
        read_jsonl_task(write(tmp_path, entry(0, split="holdout")))
    (tmp_path / "latin.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TaskDataError, match=r"latin\.jsonl"):
        read_jsonl_task(tmp_path / "latin.jsonl")


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("a = ", "Invalid value"),
        ("tokens = 5", "unknown setting 'tokens'"),
        ("max_new_tokens = 0", "max_new_tokens cannot be 0"),
        ("max_new_tokens = true", "cannot be True"),
        ('stop = "x"', "stop cannot be"),
        ('stop = [""]', "stop cannot be"),
        ('language = "ko"', "language cannot be"),
        ("language = []", "language cannot be"),
        ('extractor = "last"', "extractor cannot be"),
        ("extractor = 3", "extractor cannot be"),
        ('template = "Q"', "template cannot be"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, toml: str, reason: str) -> None:
    with pytest.raises(TaskDataError) as error:
        read_jsonl_task(write(tmp_path, entry(0), toml=toml))
    assert "sums.toml" in str(error.value)
    assert reason in str(error.value)


@given(st.lists(st.text(min_size=1), unique=True, max_size=60))
def test_a_partition_keeps_every_id_once(ids: list[str]) -> None:
    parts = partition(ids)
    assert sorted(i for part in parts.values() for i in part) == sorted(ids)
    assert bool(parts["search"]) == bool(ids)
    assert parts == partition(ids)


def test_svamp_fields(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '{"ID": "chal-1", "Body": "He has 5 pens", "Question": "How many pens?", "Answer": 5.0, '
        '"Equation": "5.0", "Type": "Addition", "split": "search"}',
        '{"Body": "She has 7 pens.", "Question": "How many?", "Answer": 7, "split": "holdout"}',
    )
    task = read_jsonl_task(path)
    (first,), (second,) = task.items("search"), task.items("holdout")
    assert first.id == "chal-1"
    assert first.question == "He has 5 pens. How many pens?"
    assert first.prompt == "Question: He has 5 pens. How many pens?\nAnswer:"
    assert (first.reference, second.reference) == ("5", "7")
    assert second.question == "She has 7 pens. How many?"
    for line in ('{"Body": "a", "Answer": 1}', '{"Question": "a", "Answer": 1}'):
        with pytest.raises(TaskDataError, match=r"sums\.jsonl:2: needs both Body and Question"):
            read_jsonl_task(write(tmp_path, entry(0), line))
    with pytest.raises(TaskDataError, match=r"sums\.jsonl:1: needs exactly one of answer"):
        read_jsonl_task(write(tmp_path, '{"Body": "a", "Question": "b"}'))
