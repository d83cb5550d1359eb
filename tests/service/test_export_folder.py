"""What an exported folder holds: a card that the hub's library reads, evidence and a figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from huggingface_hub import ModelCard, ModelCardData, metadata_load
from huggingface_hub.repocard import metadata_eval_result
from transformers import AutoModelForCausalLM, AutoTokenizer

from merging.errors import CheckpointError
from merging.recipe import Recipe
from service.exports.figure import search_figure
from service.exports.licences import ParentCard, read_card, resolve_licence
from tests.instant_scores import ITEMS
from tests.service.conftest import Spec
from tests.service.exported import export, finished_job, folder_of
from tests.tiny import WORDS

PARENTS = {"left": "someone/left", "right": "someone/right"}


@pytest.fixture
def job_id(app: FastAPI, api: TestClient, spec: Spec) -> str:
    return finished_job(app, api, spec)


def test_the_folder_loads_and_holds_all_that_a_reader_needs(
    app: FastAPI, api: TestClient, job_id: str
) -> None:
    view = export(app, api, job_id)
    assert view["state"] == "finished", view["reason"]
    folder = folder_of(view)
    names = {entry["path"] for entry in view["files"]}
    assert {"README.md", "evidence.json", "search.svg", "recipe.yaml", "config.json"} <= names
    assert {"model.safetensors", "tokenizer.json", "generation_config.json"} <= names
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    assert model.config.num_hidden_layers == 3
    assert len(AutoTokenizer.from_pretrained(folder)) == len(WORDS)


def test_a_gguf_file_is_refused_where_it_has_no_form(
    app: FastAPI, api: TestClient, job_id: str
) -> None:
    with pytest.raises(CheckpointError, match="has a tokenizer of the kind WordLevel"):
        export(app, api, job_id, gguf=True)
    (view,) = api.get(f"/v1/jobs/{job_id}/exports").json()
    assert view["gguf"]
    assert view["files"] == []


def test_the_card_is_one_that_the_hubs_library_reads(
    app: FastAPI, api: TestClient, job_id: str
) -> None:
    view = export(app, api, job_id, target="hub:me/child", dry_run=True, parents=PARENTS)
    card = ModelCard.load(folder_of(view) / "README.md", ignore_metadata_errors=False)
    data = card.data
    assert isinstance(data, ModelCardData)
    assert data.base_model == ["someone/left", "someone/right"]
    assert data.library_name == "transformers"
    assert data.license == "unknown"
    assert data.tags is not None
    assert {"merge", "cuvee", "task_arithmetic"} <= set(data.tags)
    (result,) = data.eval_results or []
    winner = api.get(f"/v1/jobs/{job_id}/result").json()["holdout"][0]
    accuracy = winner["accuracies"]["word_problems_ja"]
    assert result.dataset_split == "holdout"
    assert result.metric_value == pytest.approx(accuracy["accuracy"], abs=1e-6)
    details: Any = result.metric_args
    assert details["n"] == ITEMS
    assert details["low_95"] <= result.metric_value <= details["high_95"]
    # The library builds the same metadata from scratch.
    again = metadata_eval_result(
        model_pretty_name="child",
        task_pretty_name="Text Generation",
        task_id="text-generation",
        metrics_pretty_name="exact_match",
        metrics_id="exact_match",
        metrics_value=result.metric_value,
        dataset_pretty_name="word_problems_ja",
        dataset_id="word_problems_ja",
    )
    written = metadata_load(folder_of(view) / "README.md")
    assert written is not None
    assert written["model-index"][0].keys() == again["model-index"][0].keys()
    text = card.text
    assert "McNemar" in text
    assert "no licence is known of: base, left, right" in text
    assert "merge_method: task_arithmetic" in text


def test_the_evidence_says_what_was_recorded_and_no_folder(
    app: FastAPI, api: TestClient, job_id: str, models_dir: Path
) -> None:
    view = export(app, api, job_id)
    text = (folder_of(view) / "evidence.json").read_text()
    evidence = json.loads(text)
    log = api.get(f"/v1/jobs/{job_id}/trials").json()
    assert [one["fitness"] for one in evidence["trials"]] == [one["fitness"] for one in log]
    recorded = api.get(f"/v1/jobs/{job_id}/result").json()
    winner, *others = evidence["result"]["holdout"]
    assert winner["accuracies"] == recorded["holdout"][0]["accuracies"]
    assert {"left", "right", "base"} <= {one["label"] for one in others}
    for one in others:
        (against,) = one["against_winner"].values()
        assert 0 < against["p"] <= 1
        assert against["second"]["n"] == ITEMS
    assert evidence["exported"]["winner"]
    assert str(models_dir) not in text
    recipe = Recipe.from_yaml((folder_of(view) / "recipe.yaml").read_text())
    assert recipe.digest() == evidence["exported"]["recipe_digest"]


def test_another_trial_says_that_it_was_not_held_out(
    app: FastAPI, api: TestClient, job_id: str
) -> None:
    winner = api.get(f"/v1/jobs/{job_id}").json()["winner"]
    view = export(app, api, job_id, trial=(winner + 1) % 8)
    assert any("not scored on held-out items" in one for one in view["warnings"])
    (entry,) = metadata_load(folder_of(view) / "README.md")["model-index"]  # type: ignore[index]
    assert entry["results"][0]["dataset"]["split"] == "search"


def test_an_export_twice_has_the_same_bytes(app: FastAPI, api: TestClient, job_id: str) -> None:
    first, second = (folder_of(export(app, api, job_id)) for _ in range(2))
    assert first != second
    for path in sorted(first.iterdir()):
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_what_needs_a_target_or_a_model_is_refused(api: TestClient, job_id: str) -> None:
    for body, field in (
        ({"public": True}, "body.public"),
        ({"dry_run": True}, "body.dry_run"),
        ({"target": "owner/name"}, "body.target"),
        ({"target": "hub:../name"}, "body.target"),
        ({"parents": {"nobody": "a/b"}}, "body.parents.nobody"),
    ):
        answer = api.post(f"/v1/jobs/{job_id}/exports", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field


def test_licences_agree_differ_or_are_not_known(tmp_path: Path) -> None:
    apache, mit = ParentCard("apache-2.0"), ParentCard("mit")
    assert resolve_licence({"a": apache, "b": apache}).licence == "apache-2.0"
    both = resolve_licence({"a": apache, "b": mit})
    assert both.licence == "other"
    assert "a apache-2.0, b mit" in both.warnings[0]
    assert resolve_licence({"a": apache, "b": ParentCard()}).licence == "unknown"
    named = ParentCard("other", "gemma", "https://ai.google.dev/gemma/terms")
    shared = resolve_licence({"a": named, "b": named})
    assert (shared.licence, shared.name, shared.link) == ("other", named.name, named.link)
    assert read_card(tmp_path) == ParentCard()
    (tmp_path / "README.md").write_text("---\nlicense: [mit\n---\n")
    assert read_card(tmp_path) == ParentCard()
    (tmp_path / "README.md").write_text("---\nlicense: mit\nlanguage: ja\n---\n# x\n")
    assert read_card(tmp_path) == ParentCard("mit", languages=("ja",))


@pytest.mark.parametrize("trials", [[], [(0, 0.5)], [(n, (n % 7) / 7) for n in range(5000)]])
def test_the_figure_is_an_svg_of_bounded_size(trials: list[tuple[int, float]]) -> None:
    text = search_figure(trials, {"a & b": 0.25})
    root = ElementTree.fromstring(text)
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a & b" in texts
    circles = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == min(len(trials), 2500)
