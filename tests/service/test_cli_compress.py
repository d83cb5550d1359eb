"""Compressing and restoring from the command line, with the bundled models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import zoo
from merging.checkpoint import open_parent
from merging.tall_masks.masks import LAMBDAS
from merging.tall_masks.reading import ArchivedParent
from service.cli import app

ZOO = Path(zoo.__file__).parent
PARENTS = ["--parent", f"maths={ZOO / 'maths'}", "--parent", f"ja={ZOO / 'ja'}"]


def compress(*options: str, parents: list[str] | None = None) -> Result:
    given = PARENTS if parents is None else parents
    return CliRunner().invoke(app, ["compress", "--base", str(ZOO / "base"), *given, *options])


def decompress(archive: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["decompress", str(archive), *options])


def test_there_and_back(tmp_path: Path) -> None:
    archive, back = tmp_path / "archive", tmp_path / "ja"
    answer = compress("--out", str(archive), "--lambda", "0.4", "--lambda", "ja=0.3")
    assert answer.exit_code == 0, answer.output
    size = sum(path.stat().st_size for path in archive.rglob("*.safetensors"))
    numbers = sum(
        open_parent(ZOO / "ja").tensor(one).numel() for one in ArchivedParent(archive, "ja").names
    )
    assert f"{size / (2 * 4 * numbers):.1%} of that" in answer.output
    manifest = json.loads((archive / "manifest.json").read_text())
    assert {name: one["lambda"] for name, one in manifest["parents"].items()} == {
        "maths": 0.4,
        "ja": 0.3,
    }
    restored = decompress(archive, "--parent", "ja", "--out", str(back))
    assert restored.exit_code == 0, restored.output
    assert str(back) in restored.output.replace("\n", "")
    written, archived = open_parent(back), ArchivedParent(archive, "ja")
    assert all(bool((written.tensor(one) == archived.tensor(one)).all()) for one in archived.names)


def test_lambda_is_the_best_on_select_and_the_figures_are_of_holdout(tmp_path: Path) -> None:
    out, figures_file = tmp_path / "archive", tmp_path / "figures.json"
    options = ["--task", "maths=word_problems_en", "--lambda", "maths=auto", "--lambda", "0.4"]
    options += ["--items", "40", "--json", str(figures_file)]
    answer = compress("--out", str(out), *options)
    assert answer.exit_code == 0, answer.output
    figures: dict[str, Any] = json.loads(figures_file.read_text())
    maths = figures["parents"]["maths"]
    assert maths["lambda"] in LAMBDAS
    # Higher thresholds keep the other parent's changes out of maths: the lowest is not the best.
    assert maths["lambda"] > min(LAMBDAS)
    assert figures["parents"]["ja"] == {"lambda": 0.4}
    assert maths["before"]["n"] == maths["archived"]["n"] == 40
    assert maths["before"]["accuracy"] > 0.9
    assert 0.5 < maths["archived"]["accuracy"] <= maths["before"]["accuracy"]
    assert maths["archived"]["low"] < maths["archived"]["accuracy"] < maths["archived"]["high"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lambda", "auto"], "--lambda: auto needs a --task to score 'maths' on"),
        (["--lambda", "much"], "--lambda: must be a number from 0 or auto, not 'much'"),
        (["--lambda", "-1"], "--lambda: must be a number from 0 or auto, not '-1'"),
        (["--lambda", "maths=0.4"], "--lambda: none is given for 'ja'"),
        (["--lambda", "0.4", "--lambda", "0.5"], "--lambda: is given twice for all parents"),
        (["--task", "en=word_problems_en"], "--task: there is no parent 'en'"),
        (["--task", "word_problems_fr"], "word_problems_fr"),
    ],
)
def test_options_that_make_no_sense(options: list[str], message: str, tmp_path: Path) -> None:
    answer = compress("--out", str(tmp_path / "archive"), *options)
    assert answer.exit_code == 1
    assert message in answer.output
    assert not (tmp_path / "archive").exists()


def test_parents_without_a_name_or_a_folder(tmp_path: Path) -> None:
    out = str(tmp_path / "archive")
    unnamed = compress("--out", out, parents=["--parent", str(ZOO / "ja")])
    assert unnamed.exit_code == 1
    assert "--parent: write NAME=FOLDER" in unnamed.output
    missing = compress("--out", out, parents=["--parent", f"ja={tmp_path / 'none'}"])
    assert missing.exit_code == 1
    assert "no such folder" in missing.output


def test_restoring_from_what_is_no_archive(tmp_path: Path) -> None:
    answer = decompress(ZOO / "base", "--parent", "ja", "--out", str(tmp_path / "ja"))
    assert answer.exit_code == 1
    assert "`cuvee compress` did not write it" in answer.output
    assert not (tmp_path / "ja").exists()


def test_a_folder_in_use_is_refused_before_anything_is_scored(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    figures = tmp_path / "figures.json"
    options = ["--lambda", "auto", "--task", "word_problems_ja", "--json", str(figures)]
    answer = compress("--out", str(tmp_path), *options)
    assert answer.exit_code == 1
    assert answer.output.strip() == (
        f"{tmp_path}: already holds files; choose another folder or overwrite"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
