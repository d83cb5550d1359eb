"""Figures computed with the authors' released code, on three task vectors of ten entries.

TIES's own code trims the whole model at a threshold, so that K = 20 % keeps 3 of 10 entries and
K = 40 % keeps 5, 6 and 5: the same vectors at the densities 0.3, and 0.5, 0.6 and 0.5, of a
method that keeps int(density * n). `dis-mean` is normalize at weight 1, `dis-sum` its absence.
"""

from __future__ import annotations

import pytest
import torch

from tests.merging.running import run, run_models

ROWS = torch.tensor(
    [
        [0.9, -0.1, 0.4, 0.0, 0.3, -0.8, 0.05, 0.2, -0.6, 0.7],
        [-0.5, 0.6, 0.3, 0.1, -0.3, -0.4, 0.9, 0.0, -0.2, 0.15],
        [0.2, -0.7, 0.5, -0.9, 0.0, 0.1, 0.3, -0.25, -0.4, 0.6],
    ]
)
K20, K40 = (0.3, 0.3, 0.3), (0.5, 0.6, 0.5)


@pytest.mark.parametrize(
    ("densities", "normalize", "expected"),
    [
        (K20, True, [0.9, -0.7, 0.0, -0.9, 0.0, -0.8, 0.9, 0.0, 0.0, 0.65]),
        (K20, False, [0.9, -0.7, 0.0, -0.9, 0.0, -0.8, 0.9, 0.0, 0.0, 1.3]),
        (K40, True, [0.9, -0.7, 0.4, -0.9, -0.3, -0.6, 0.9, 0.0, -0.5, 0.65]),
        (K40, False, [0.9, -0.7, 1.2, -0.9, -0.3, -1.2, 0.9, 0.0, -1.0, 1.3]),
    ],
)
def test_ties(densities: tuple[float, ...], normalize: bool, expected: list[float]) -> None:
    base = torch.zeros(10)
    merged = run("ties", base, list(ROWS), density=densities, normalize=normalize)
    torch.testing.assert_close(merged, torch.tensor(expected))


@pytest.mark.parametrize(
    ("density", "normalize", "expected"),
    [
        (0.2, True, [0.9, -0.7, 0.0, -0.9, 0.0, -0.8, 0.9, 0.0, 0.0, 0.65]),
        (0.2, False, [0.9, -0.7, 0.0, -0.9, 0.0, -0.8, 0.9, 0.0, 0.0, 1.3]),
        (0.4, True, [0.9, -0.7, 0.4, -0.9, -0.3, -0.6, 0.9, 0.0, -0.5, 0.65]),
        (0.4, False, [0.9, -0.7, 1.2, -0.9, -0.3, -1.2, 0.9, 0.0, -1.0, 1.3]),
    ],
)
def test_ties_trimming_the_whole_model(
    density: float, normalize: bool, expected: list[float]
) -> None:
    """The same figures by the paper's own trim, the ten entries lying in three tensors."""
    parts = {"model.layers.0.a": (0, 4), "model.layers.1.a": (4, 5), "model.norm.weight": (5, 10)}
    models = [{name: row[slice(*part)] for name, part in parts.items()} for row in ROWS]
    child = run_models(
        "ties",
        {name: torch.zeros_like(one) for name, one in models[0].items()},
        models,
        per_parent={"density": [density] * 3},
        shared={"trim": "model", "normalize": normalize},
    )
    torch.testing.assert_close(torch.cat([child[name] for name in parts]), torch.tensor(expected))


@pytest.mark.parametrize(
    ("densities", "expected"),
    [
        (K20, [0.9, -0.7, 0.0, -0.9, 0.0, -0.8, 0.9, 0.0, 0.0, 0.7]),
        (K40, [0.9, -0.7, 0.5, -0.9, -0.3, -0.8, 0.9, 0.0, -0.6, 0.7]),
    ],
)
def test_ties_taking_the_largest(densities: tuple[float, ...], expected: list[float]) -> None:
    merged = run("ties", torch.zeros(10), list(ROWS), density=densities, disjoint="max")
    torch.testing.assert_close(merged, torch.tensor(expected))


def test_mergekit_magnitude_trim() -> None:
    kept = run("ties", torch.zeros(10), [ROWS[0]], density=0.4)
    torch.testing.assert_close(kept, torch.tensor([0.9, 0, 0, 0, 0, -0.8, 0, 0, -0.6, 0.7]))
    rescaled = run("ties", torch.zeros(10), [ROWS[0]], density=0.4, rescale=True)
    scaled = torch.tensor([1.215, 0, 0, 0, 0, -1.08, 0, 0, -0.81, 0.945])
    torch.testing.assert_close(rescaled, scaled)
