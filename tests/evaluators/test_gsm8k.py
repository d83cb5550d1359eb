"""GSM8K and MGSM from the tasks folder: formats, splits, prompts, gates, and errors with places."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluators.catalogue import check_task, task_cards
from evaluators.errors import TaskDataError, UnknownTask, UnsupportedTask
from evaluators.gsm8k import PROMPTS
from evaluators.language import LANGUAGES, in_language
from evaluators.published import PUBLISHED
from evaluators.task import SPLITS, Completion
from evaluators.tasks import load_task
from tests.evaluators.shared_data import shared_data


def line(number: int, **fields: object) -> str:
    entry = {"question": f"What is {number}+1?", "answer": f"<<{number}+1=2>>\n#### {number + 1}"}
    return json.dumps(entry | fields)


@pytest.fixture
def tasks_dir(tmp_path: Path) -> Path:
    for folder in ("gsm8k", "mgsm"):
        (tmp_path / folder).mkdir()
    (tmp_path / "gsm8k" / "test.jsonl").write_text("\n".join(line(n) for n in range(400)))
    (tmp_path / "gsm8k" / "train.jsonl").write_text("\n".join(line(-n) for n in range(9)))
    rows = "".join(f"{n}に1を足すと？\t{n + 1}\n" for n in range(250))
    (tmp_path / "mgsm" / "mgsm_ja.tsv").write_text(rows, encoding="utf-8")
    return tmp_path


def shared_tasks() -> Path:
    shared_data("mgsm", "mgsm_ja.tsv")
    return shared_data("gsm8k", "test.jsonl").parents[1]


def test_gsm8k(tasks_dir: Path) -> None:
    task = load_task("gsm8k", tasks_dir)
    ids = {split: [item.id for item in task.items(split)] for split in SPLITS}
    assert ids["holdout"] == [f"gsm8k-test-{n:04d}" for n in range(250)]
    assert sorted(ids["search"] + ids["select"]) == [f"gsm8k-test-{n:04d}" for n in range(250, 400)]
    assert len(ids["search"]) > len(ids["select"]) > 30
    item = task.items("holdout")[7]
    assert item.prompt == "Question: What is 7+1?\nAnswer:"
    assert (item.question, item.reference) == ("What is 7+1?", "8")
    assert task.score(item, Completion("It makes 8.\n#### 8", False, 9)).value == 1
    assert task.score(item, Completion("8", False, 9)).value == 1
    assert task.score(item, Completion("#### 9", False, 9)).value == 0
    assert task.generation.stop == ("\nQuestion:",)


@pytest.mark.parametrize("shots", [5, 8])
def test_examples_come_first_without_annotations(tasks_dir: Path, shots: int) -> None:
    task = load_task(f"gsm8k_{shots}shot", tasks_dir)
    plain = load_task("gsm8k", tasks_dir)
    assert task.name == f"gsm8k_{shots}shot"
    for item, bare in zip(task.items("search"), plain.items("search"), strict=True):
        assert item.id == bare.id
        assert item.prompt.endswith(f"\n\n{bare.prompt}")
        assert item.prompt.count("\n\nQuestion: ") == shots
        assert "<<" not in item.prompt
    assert task.items("search")[0].prompt.startswith(
        "Question: What is 0+1?\nAnswer: \n#### 1\n\nQuestion: What is -1+1?\nAnswer: \n#### 0\n\n"
    )
    (tasks_dir / "gsm8k" / "train.jsonl").write_text(line(1))
    with pytest.raises(TaskDataError, match=rf"train\.jsonl: 1 items are too few for {shots}"):
        load_task(f"gsm8k_{shots}shot", tasks_dir)


def test_mgsm(tasks_dir: Path) -> None:
    task = load_task("mgsm_ja", tasks_dir)
    items = [item for split in SPLITS for item in task.items(split)]
    assert sorted(item.id for item in items) == [f"mgsm-ja-{n:03d}" for n in range(250)]
    assert min(len(task.items(split)) for split in SPLITS) > 30
    item = next(item for item in items if item.id == "mgsm-ja-017")
    assert item.question == "17に1を足すと？"
    assert item.prompt.startswith("問題：17に1を足すと？\n")
    assert item.prompt.endswith("\n解答：")
    assert task.score(item, Completion("17に1を足すと18です。", False, 9)).value == 1
    english = task.score(item, Completion("The answer is 18.", False, 9))
    assert (english.value, english.correct, english.language_ok) == (0, True, False)


def test_the_preset(tasks_dir: Path) -> None:
    """Search and select on GSM8K from item 250, holdout on MGSM, answers in its language."""
    task, english = (load_task(name, tasks_dir) for name in ("gsm8k_mgsm_ja", "gsm8k"))
    mgsm = load_task("mgsm_ja", tasks_dir)
    assert {i.id for i in task.items("holdout")} == {i.id for s in SPLITS for i in mgsm.items(s)}
    for split in SPLITS[:2]:
        assert [i.id for i in task.items(split)] == [i.id for i in english.items(split)]
        assert all("What is" in item.prompt for item in task.items(split))
    item = task.items("search")[0]
    answer = Completion(f"The answer is {item.reference}.", False, 9)
    assert task.score(item, answer).value == 0
    assert english.score(item, answer).value == 1

    translated = [line(n, question=f"{n}に1を足すと？", id=n) for n in range(250, 400)]
    (tasks_dir / "gsm8k" / "test_ja.jsonl").write_text("\n".join(translated), encoding="utf-8")
    again = load_task("gsm8k_mgsm_ja", tasks_dir)
    assert [i.id for i in again.items("search")] == [
        i.id.replace("-test-", "-test_ja-") for i in english.items("search")
    ]
    assert all("足すと" in item.prompt for item in again.items("select"))


def test_a_problem_is_in_the_same_split_in_every_language(tasks_dir: Path) -> None:
    source = tasks_dir / "mgsm" / "mgsm_ja.tsv"
    (tasks_dir / "mgsm" / "mgsm_sw.tsv").write_text(source.read_text())
    japanese, swahili = (load_task(f"mgsm_{one}", tasks_dir) for one in ("ja", "sw"))
    for split in SPLITS:
        assert [i.id.removeprefix("mgsm-ja") for i in japanese.items(split)] == [
            i.id.removeprefix("mgsm-sw") for i in swahili.items(split)
        ]


def test_one_item(tasks_dir: Path) -> None:
    (tasks_dir / "mgsm" / "mgsm_ja.tsv").write_text("いくつ？\t1,234")
    task = load_task("mgsm_ja", tasks_dir)
    assert [len(task.items(split)) for split in SPLITS] == [1, 0, 0]
    assert task.items("search")[0].reference == "1234"
    (tasks_dir / "gsm8k" / "test.jsonl").write_text(line(1, id=300))
    for name in ("gsm8k", "gsm8k_mgsm_ja"):
        one = load_task(name, tasks_dir)
        assert [item.id for item in one.items("search")] == ["gsm8k-test-0300"]
    (tasks_dir / "gsm8k" / "test.jsonl").write_text(line(1))
    for name in ("gsm8k", "gsm8k_mgsm_ja"):
        with pytest.raises(TaskDataError, match=r"test\.jsonl: .*250"):
            load_task(name, tasks_dir)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not an object"),
        ('{"answer": "#### 1"}', "the question is no text"),
        ('{"question": "a", "answer": 3}', "the answer is no text"),
        ('{"question": "a", "answer": "none"}', "holds no number"),
        (line(1, id=0), "a second item 0"),
        (line(1, id=-1), "the id -1"),
        (line(1, id="x"), "the id 'x'"),
    ],
)
def test_a_bad_line_is_named(tasks_dir: Path, bad: str, reason: str) -> None:
    path = tasks_dir / "gsm8k" / "test.jsonl"
    path.write_text(f"{line(0)}\n\n{bad}\n")
    for name in ("gsm8k", "gsm8k_perturbed", "gsm8k_mgsm_ja"):
        with pytest.raises(TaskDataError) as error:
            check_task(name, None, tasks_dir)
        assert str(error.value).startswith(f"{path}:3: ")
        assert reason in str(error.value)
    assert f"{path}:3: " in task_cards(tasks_dir)["gsm8k"].summary


@pytest.mark.parametrize("bad", ["no tab", "a\tb\t3", "\t3", "a\tnone"])
def test_a_bad_row_is_named(tasks_dir: Path, bad: str) -> None:
    path = tasks_dir / "mgsm" / "mgsm_ja.tsv"
    path.write_text(f"いくつ？\t1\n{bad}\n")
    with pytest.raises(TaskDataError, match=r"mgsm_ja\.tsv:2: "):
        load_task("mgsm_ja", tasks_dir)


def test_missing_files_are_expected_somewhere(tmp_path: Path) -> None:
    for name, benchmark in PUBLISHED.items():
        with pytest.raises(TaskDataError) as error:
            check_task(name, None, tmp_path)
        assert str(tmp_path / benchmark.files[0]) in str(error.value)
        with pytest.raises(TaskDataError, match="of the tasks folder, and none is set"):
            load_task(name, None)
    assert not PUBLISHED.keys() & task_cards(tmp_path).keys()


def test_cards(tasks_dir: Path) -> None:
    cards = task_cards(tasks_dir)
    here = PUBLISHED.keys() & cards.keys()
    assert here == {
        "gsm8k", "gsm8k_5shot", "gsm8k_8shot", "gsm8k_perturbed", "mgsm_ja", "gsm8k_mgsm_ja",
    }  # fmt: skip
    for name in here - {"gsm8k_perturbed"}:
        task = load_task(name, tasks_dir)
        assert cards[name].splits == {split: len(task.items(split)) for split in SPLITS}
    assert cards["gsm8k_perturbed"].splits is None
    assert "CC-BY-4.0" in cards["gsm8k_mgsm_ja"].licence
    with pytest.raises(UnsupportedTask, match="exact_match"):
        check_task("mgsm_ja", "bleu", tasks_dir)
    with pytest.raises(UnknownTask, match="Did you mean gsm8k"):
        check_task("gsm8kk", None, tasks_dir)


def test_a_changed_file_is_read_anew(tasks_dir: Path) -> None:
    before = load_task("gsm8k", tasks_dir).items("holdout")
    (tasks_dir / "gsm8k" / "test.jsonl").write_text("\n".join(line(n) for n in range(1, 402)))
    assert load_task("gsm8k", tasks_dir).items("holdout")[0].question != before[0].question


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_published_files(language: str) -> None:
    tasks_dir = shared_tasks()
    task = load_task(f"gsm8k_mgsm_{language}", tasks_dir)
    assert len(task.items("holdout")) == 250
    assert len(task.items("search")) + len(task.items("select")) == 1069
    assert [item.reference for item in task.items("holdout")] == [
        item.reference for item in load_task("gsm8k", tasks_dir).items("holdout")
    ]
    # The question itself is a text in the language, so that it passes the gate.
    item = task.items("holdout")[0]
    answer = Completion(f"{item.question} {item.reference}", False, 1)
    assert task.score(item, answer).value == 1
    words = PROMPTS[language].template.replace("{question}", "")
    assert in_language(words, language)
