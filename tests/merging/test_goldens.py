"""Figures computed with the authors' released code, on three task vectors of ten entries.

TIES's own code trims the whole model at a threshold, so that K = 20 % keeps 3 of 10 entries and
K = 40 % keeps 5, 6 and 5: the same vectors at the densities 0.3, and 0.5, 0.6 and 0.5, of a
method that keeps int(density * n). `dis-mean` is normalize at weight 1, `dis-sum` its absence.
"""

from __future__ import annotations

import pytest
import torch

from merging.methods._parts import match_l1, trim
from tests.merging.test_methods import run

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
    merged = run("ties", base, list(ROWS), 1.0, densities, normalize=normalize)
    torch.testing.assert_close(merged, torch.tensor(expected))


@pytest.mark.parametrize(("densities", "counts"), [(K20, [3, 3, 3]), (K40, [5, 6, 5])])
def test_trimmed_counts(densities: tuple[float, ...], counts: list[int]) -> None:
    kept = [trim(row, density) for row, density in zip(ROWS, densities, strict=True)]
    assert [int(row.count_nonzero()) for row in kept] == counts


def test_mergekit_magnitude_trim() -> None:
    kept = trim(ROWS[0], 0.4)
    plain = torch.tensor([0.9, 0, 0, 0, 0, -0.8, 0, 0, -0.6, 0.7])
    scaled = torch.tensor([1.215, 0, 0, 0, 0, -1.08, 0, 0, -0.81, 0.945])
    torch.testing.assert_close(kept, plain)
    torch.testing.assert_close(match_l1(kept, ROWS[0]), scaled)
    rescaled = run("ties", torch.zeros(10), [ROWS[0]], 1.0, 0.4, rescale=True)
    torch.testing.assert_close(rescaled, scaled)
