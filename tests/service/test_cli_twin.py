"""Twin-Merging from the command line, with the bundled models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import zoo
from merging.engine import MergeEngine
from merging.recipe import Recipe
from service.cli import app

ZOO = Path(zoo.__file__).parent
PARENTS = ["--parent", f"maths={ZOO / 'maths'}", "--parent", f"ja={ZOO / 'ja'}"]
TASKS = ["--task", "maths=word_problems_en", "--task", "ja=word_problems_ja"]
MATRIX = "model.layers.0.mlp.up_proj.weight"


def twin(*options: str, parents: list[str] = PARENTS) -> Result:
    return CliRunner().invoke(app, ["twin", "--base", str(ZOO / "base"), *parents, *options])


def test_each_task_gets_its_own_parent_back(tmp_path: Path) -> None:
    out, file = tmp_path / "recipes", tmp_path / "figures.json"
    options = ["--prompts", "100", "--items", "60", "--density", "0.5"]
    answer = twin(*TASKS, *options, "--out", str(out), "--json", str(file))
    assert answer.exit_code == 0, answer.output
    figures: dict[str, Any] = json.loads(file.read_text())
    maths, ja = figures["parents"]["maths"], figures["parents"]["ja"]
    for name, one in (("maths", maths), ("ja", ja)):
        assert one["routed"] > 0.9
        assert sum(one["weights"].values()) == pytest.approx(1)
        assert max(one["weights"], key=one["weights"].get) == name
        line = f"{one['task']}: {one['routed']:.1%} of prompts go to {name}"
        assert line in " ".join(answer.output.split())
        assert {one[label]["n"] for label in ("parent", "shared", "twin")} == {60}
        recipe = Recipe.from_yaml((out / f"{name}.yaml").read_text(encoding="utf-8"))
        engine = MergeEngine({model: Path(model) for model in recipe.model_names()})
        child = engine.merge(recipe).get_parameter(MATRIX)
        own, start = (engine.parents[str(ZOO / n)].tensor(MATRIX) for n in (name, "base"))
        assert float((child - own).norm()) < 0.5 * float((start - own).norm())
    # What is maths' own is what its task needs, and what the shared model has half lost.
    assert maths["parent"]["accuracy"] > 0.9
    assert maths["shared"]["accuracy"] < maths["twin"]["accuracy"]
    assert maths["twin"]["accuracy"] > 0.8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (TASKS[:2], "--task: none is given for 'ja'"),
        ([*TASKS[:2], "--task", "ja=word_problems_fr"], "word_problems_fr"),
        (["--task", "word_problems_en"], "is given for 'maths' and 'ja', and no router can tell"),
        ([*TASKS, "--task", "en=word_problems_en"], "--task: there is no parent 'en'"),
    ],
)
def test_options_that_make_no_sense(options: list[str], message: str, tmp_path: Path) -> None:
    answer = twin(*options, "--out", str(tmp_path / "recipes"))
    assert answer.exit_code == 1
    assert message in " ".join(answer.output.split())
    assert not (tmp_path / "recipes").exists()


def test_parents_that_make_no_sense(tmp_path: Path) -> None:
    one = twin(*TASKS[:2], parents=PARENTS[:2])
    assert one.exit_code == 1
    assert "--parent: there is nothing to route between" in one.output
    unnamed = twin(*TASKS, parents=["--parent", str(ZOO / "ja")])
    assert unnamed.exit_code == 1
    assert "--parent: write NAME=FOLDER" in unnamed.output
    missing = twin(*TASKS, parents=[*PARENTS[:2], "--parent", f"ja={tmp_path / 'none'}"])
    assert missing.exit_code == 1
    assert "no such folder" in missing.output


def test_a_folder_in_use_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    answer = twin(*TASKS, "--out", str(tmp_path))
    assert answer.exit_code == 1
    assert "already holds files" in answer.output
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
