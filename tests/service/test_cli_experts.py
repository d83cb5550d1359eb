"""Merging experts from the command line, with the bundled mixture of experts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

import zoo
from merging.checkpoint import open_parent
from merging.moe.layout import expert_blocks
from service.cli import app

MOE = Path(zoo.__file__).parent / "moe"
JA = ["--task", "word_problems_ja"]


def merge_experts(model: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["merge-experts", str(model), *options])


def test_fewer_experts_score_what_the_report_says(tmp_path: Path) -> None:
    out, figures_file = tmp_path / "child", tmp_path / "figures.json"
    options = ["--groups", "7", "--calibration", "48", "--items", "60"]
    answer = merge_experts(MOE, *JA, *options, "--out", str(out), "--json", str(figures_file))
    assert answer.exit_code == 0, answer.output
    figures: dict[str, Any] = json.loads(figures_file.read_text())
    assert sum(figures["kept"]) == 4 * 7
    child = open_parent(out)
    names = [e for block in expert_blocks(child.info.tensors) for e in block.experts]
    distinct = {child.tensor(one.down).float().numpy().tobytes() for one in names}
    assert len(distinct) == 4 * 7
    assert figures["parameters"] - figures["distinct_parameters"] == 4 * 3 * 96 * 96
    assert f"{figures['distinct_parameters']:,} of {figures['parameters']:,}" in " ".join(
        answer.output.split()
    )
    before, merged = (figures["tasks"]["word_problems_ja"][one] for one in ("before", "merged"))
    assert before["n"] == merged["n"] == 60
    assert before["accuracy"] > 0.9
    assert merged["accuracy"] > 0.5
    assert merged["low"] < merged["accuracy"] < merged["high"] or merged["accuracy"] == 1


def test_a_model_without_experts_and_options_that_make_no_sense(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "child"), "--calibration", "4", "--items", "4"]
    dense = merge_experts(MOE.parent / "base", *JA, "--groups", "2", *out)
    assert dense.exit_code == 1
    assert "has no routers over experts" in dense.output
    unknown = merge_experts(MOE, "--task", "word_problems_fr", "--groups", "2", *out)
    assert unknown.exit_code == 1
    assert "word_problems_fr" in unknown.output
    assert merge_experts(MOE, *JA, "--groups", "0.5", *out).exit_code == 2
    assert not (tmp_path / "child").exists()
    (tmp_path / "child").mkdir()
    (tmp_path / "child" / "notes.txt").write_text("mine")
    used = merge_experts(MOE, *JA, "--groups", "2", *out)
    assert used.exit_code == 1
    assert "already holds files" in used.output
