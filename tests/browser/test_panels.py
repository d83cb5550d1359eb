"""The panels of a job's page: what the best child is made of, and why it is best."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from merging.recipe import Recipe
from search.spec import SearchSpec
from service.dashboard.picture import picture
from service.database import Database
from service.tables import Job
from service.trials import repository as trials
from service.trials.repository import Ending
from tests.browser.journal import GENES, STAGE, Journal, finished, searched
from tests.zoo_spec import zoo_spec


def test_the_heat_map_has_a_number_for_every_layer_and_parent(
    page: Page, database: Database
) -> None:
    job = searched(database)
    page.goto(f"/jobs/{job.id}")
    table = page.get_by_role("table", name="weight")
    expect(table.locator("thead th")).to_have_text(["maths", "ja"])
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.nth(1)).to_have_text("layer 00.160.46")
    expect(rows.nth(4)).to_have_text("layer 30.460.16")
    job.generation(18, [0.9])
    expect(rows.nth(1)).to_have_text("layer 00.180.48")


def test_a_path_is_drawn_hop_by_hop(page: Page, database: Database) -> None:
    job = Journal(database)
    job.start()
    slices = [("zoo/maths", 0, 1.0), ("zoo/ja", 1, 0.8), ("zoo/ja", 0, 1.25), ("zoo/maths", 3, 1.0)]
    recipe = Recipe.parse(
        {
            "merge_method": "passthrough",
            "slices": [
                {
                    "sources": [
                        {
                            "model": model,
                            "layer_range": [layer, layer + 1],
                            "parameters": {"input_scale": scale},
                        }
                    ]
                }
                for model, layer, scale in slices
            ],
        }
    )
    with database.transaction() as session:
        proposal = trials.Proposal(0, (0.0,) * len(GENES), recipe)
        (trial,) = trials.add_generation(session, job.id, STAGE, 0, [proposal])
        trials.finish(session, trial, Ending(0.4, n=400))
    page.goto(f"/jobs/{job.id}")
    drawing = page.get_by_role("img", name="4 hops through blocks of maths and ja")
    expect(drawing.locator(".mark")).to_have_count(4)
    expect(drawing.locator(".jump")).to_have_count(3)
    page.get_by_text("View path as table").click()
    hops = page.get_by_role("table", name="Hops of the path").locator("tbody tr")
    expect(hops).to_have_text(["1maths01.000", "2ja10.800", "3ja01.250", "4maths31.000"])


def test_genes_importance_and_workers_appear_as_they_are_known(
    page: Page, database: Database
) -> None:
    job = Journal(database)
    job.start()
    page.goto(f"/jobs/{job.id}")
    expect(page.locator("#genes-panel .wait")).to_have_text(
        "Lines appear with the first scored trials."
    )
    job.generation(0, [0.2 + 0.01 * number for number in range(24)])
    # A panel asks for its facts once it is seen.
    page.locator("#genes-panel").scroll_into_view_if_needed()
    expect(page.locator("#genes-note")).to_contain_text("the thick one is trial 23")
    expect(page.locator("#genes-chart .xtick")).to_have_count(len(GENES) + 1)
    page.get_by_text("View best genomes as table").click()
    expect(page.locator("#genes-table tbody tr").first).to_contain_text("2343.0%")
    shares = page.locator("#importance tbody tr")
    expect(shares).to_have_count(len(GENES))
    expect(shares.first).to_contain_text("weight[layers")
    page.locator("#timeline-panel").scroll_into_view_if_needed()
    expect(page.locator("#timeline-note")).to_contain_text("Workers spent")
    page.get_by_text("View workers as table").click()
    expect(page.locator("#timeline-table tbody tr")).to_contain_text(["worker2"])
    assert page.locator(".no-webgl").count() == 0


def test_several_objectives_have_a_front(page: Page, database: Database) -> None:
    over = ["word_problems_ja", "word_problems_en"]
    job = Journal(database)
    spec = zoo_spec(
        tasks=[{"task": task} for task in over],
        objectives={"kind": "pareto", "over": over},
        sampler="random",
    )
    with database.transaction() as session:
        row = session.get_one(Job, job.id)
        row.spec = SearchSpec.parse(spec).model_dump(mode="json")
    values = [(0.2, 0.6), (0.4, 0.4), (0.3, 0.3), (0.6, 0.2)]
    with database.transaction() as session:
        job_trials = [
            Ending(sum(pair) / 2, n=800, objectives=pair, constraints=()) for pair in values
        ]
    job.generation(0, list(job_trials))
    page.goto(f"/jobs/{job.id}")
    page.locator("#front-panel").scroll_into_view_if_needed()
    expect(page.locator("#front-chart .points path.point")).to_have_count(7)
    page.get_by_text("View front as table").click()
    expect(page.locator("#front-table tbody tr")).to_have_count(3)
    expect(page.locator("#front-table")).to_contain_text("60.0%")


def test_a_trial_is_laid_beside_a_parent(page: Page, database: Database) -> None:
    job = finished(database)
    page.goto(f"/jobs/{job.id}")
    page.get_by_text("View as table").click()
    page.get_by_role("button", name="Trial 16", exact=True).click()
    dialog = page.get_by_role("dialog", name="Trial 16")
    expect(dialog.locator("#trial-facts")).to_contain_text("58.0%")
    # 58 % and 42 % of 400 items, of which the trial solves all that the parent does.
    expect(dialog.locator(".items .first")).to_have_count(64)
    expect(dialog.locator(".items .both")).to_have_count(168)
    expect(dialog).to_contain_text("Trial 16 solves 64 items that maths misses, and misses 0")
    expect(dialog.get_by_role("table", name="weight")).to_be_visible()
    dialog.get_by_label("beside parent").select_option("base")
    expect(dialog.locator(".items .first")).to_have_count(160)
    dialog.get_by_text("Questions and answers of word_problems_ja").click()
    words = dialog.locator(".words > li")
    expect(words).to_have_count(10)
    # Items that only the trial solves come first: those after base's 72.
    expect(words.first).to_contain_text("花子さんは林檎を72個")
    expect(words.first.locator(".correct")).to_have_text(
        "trial 16✓ righttrial/16 answers <b>72</b>"
    )
    expect(words.first.locator(".wrong")).to_have_text("base✗ wrongparent/base answers <b>72</b>")
    dialog.get_by_role("button", name="Show more of 150 items").click()
    expect(words).to_have_count(20)
    dialog.get_by_label("Items with").select_option("none")
    expect(words.first).to_contain_text("花子さんは林檎を232個")
    assert page.url.endswith("#trial-16")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.goto(f"/jobs/{job.id}#trial-7")
    page.reload()
    expect(page.get_by_role("dialog", name="Trial 7")).to_contain_text("failed: EngineError")
    expect(page.locator("#trial-items")).to_have_text("A failed trial has no item scores.")


def test_a_finished_job_is_extended(page: Page, database: Database) -> None:
    job = finished(database)
    page.goto(f"/jobs/{job.id}")
    page.get_by_role("button", name="Extend…").click()
    page.get_by_label("More trials").fill("12")
    page.get_by_role("button", name="Extend search").click()
    expect(page.locator("#state")).to_have_text("queued")
    expect(page.locator("#progress-text")).to_contain_text("30 of 42 trials")
    expect(page.get_by_role("button", name="Extend…")).to_be_hidden()


def test_modules_with_numbers_of_their_own_have_rows_of_their_own() -> None:
    weight = [{"filter": "mlp", "value": 0.25}, {"filter": "*", "value": [0.5, 1.0]}]
    recipe = Recipe.parse(
        {
            "merge_method": "task_arithmetic",
            "base_model": "b",
            "models": [{"model": "m", "parameters": {"weight": weight}}],
        }
    )
    (grid,) = picture(recipe, 2, str.upper).grids
    assert grid.columns == ["M"]
    assert dict(zip(grid.rows, grid.values, strict=True)) == {
        "embeddings": [0.5],
        "layer 0, attention": [0.5],
        "layer 0, MLP": [0.25],
        "layer 0, norms": [0.5],
        "layer 1, attention": [1.0],
        "layer 1, MLP": [0.25],
        "layer 1, norms": [1.0],
        "final norm": [0.5],
        "head": [0.5],
    }
    assert picture(recipe, None, str).grids[0].rows == grid.rows
