"""Figures recorded from mergekit 0.1.5, in float32, on three rows of ten entries."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.merging.running import run
from tests.merging.test_goldens import ROWS

MATRICES = ROWS.reshape(3, 2, 5)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        (
            "nuslerp",
            {"base": None, "parents": list(ROWS[:2]), "weight": [0.3, 0.9]},
            [
                [-0.1206202, 0.5088005, 0.4215689, 0.0909915, -0.1615288],
                [-0.6611549, 0.8374979, 0.0742972, -0.4048746, 0.3965275],
            ],
        ),
        (
            "nuslerp",
            {"base": ROWS[2], "parents": list(ROWS[:2]), "weight": [0.3, 0.9]},
            [
                [-0.1647999, 0.5661637, 0.3028223, 0.2098209, -0.1563428],
                [-0.5943342, 0.7211263, 0.0971671, -0.2957715, 0.2570451],
            ],
        ),
        (
            "nuslerp",
            {
                "base": None,
                "parents": list(MATRICES[:2]),
                "weight": [0.3, 0.9],
                "nuslerp_flatten": False,
            },
            [
                [-0.053435, 0.642709, 0.5870321, 0.1169581, -0.1737558],
                [-0.5708211, 0.7545851, 0.0605443, -0.3459548, 0.3351464],
            ],
        ),
        (
            "nuslerp",
            {
                "base": None,
                "parents": list(MATRICES[:2]),
                "weight": [0.3, 0.9],
                "nuslerp_flatten": False,
                "nuslerp_row_wise": True,
            },
            [
                [-0.1046485, 0.5363224, 0.3320382, 0.0761985, -0.1613943],
                [-0.7336391, 0.8873667, 0.0517214, -0.3075611, 0.3949504],
            ],
        ),
        (
            "multislerp",
            {"base": None, "parents": list(ROWS[:3]), "weight": [0.2, 0.9, 0.5]},
            [
                [-0.2045603, 0.2043288, 0.5492789, -0.3071885, -0.2148233],
                [-0.439481, 0.9321348, -0.0769535, -0.4501725, 0.5103998],
            ],
        ),
        (
            "multislerp",
            {"base": ROWS[2], "parents": list(ROWS[:2]), "weight": [0.3, 0.9]},
            [
                [-0.1391546, 0.5522704, 0.3048231, 0.2069185, -0.145352],
                [-0.6008726, 0.7053587, 0.1004363, -0.3030987, 0.2673172],
            ],
        ),
        (
            "karcher",
            {"base": None, "parents": list(ROWS[:3])},
            [
                [0.2180328, -0.0413291, 0.6090225, -0.3893706, -0.0390026],
                [-0.5524923, 0.7020654, -0.0327927, -0.5920761, 0.708111],
            ],
        ),
        (
            "karcher",
            {"base": None, "parents": list(ROWS[:3]), "max_iter": 1},
            [
                [0.2205597, -0.0428846, 0.6089011, -0.3895889, -0.0378434],
                [-0.5527454, 0.7000039, -0.0324882, -0.5924929, 0.7087917],
            ],
        ),
        (
            "model_stock",
            {"base": torch.zeros(10), "parents": list(ROWS[:3])},
            [
                [0.0668529, -0.0222843, 0.1337058, -0.0891372, 0.0],
                [-0.1225637, 0.1392769, -0.0055711, -0.1337058, 0.1615612],
            ],
        ),
        (
            "model_stock",
            {"base": ROWS[2], "parents": list(ROWS[:2])},
            [
                [0.2, -0.1431331, 0.4120737, -0.3431331, 0.0],
                [-0.310323, 0.4025807, -0.0448385, -0.4, 0.4974193],
            ],
        ),
        (
            "model_stock",
            {"base": torch.zeros(2, 5), "parents": list(MATRICES[:3]), "filter_wise": True},
            [
                [-0.1900177, 0.0633392, -0.3800354, 0.2533569, 0.0],
                [-0.273009, 0.3102375, -0.0124095, -0.297828, 0.3598756],
            ],
        ),
        (
            "sce",
            {"base": torch.zeros(10), "parents": list(ROWS)},
            [
                [0.5736923, -0.3796923, 0.4065598, -0.9, 0.3],
                [-0.6347238, 0.3669213, -0.25, -0.4229594, 0.5158591],
            ],
        ),
        (
            "sce",
            {"base": torch.zeros(10), "parents": list(ROWS), "select_topk": 0.4},
            [[0.563701, -0.3882563, 0.0, -0.9, 0.0], [-0.6607143, 0.0, 0.0, 0.0, 0.0]],
        ),
        (
            "arcee_fusion",
            {"base": ROWS[2], "parents": [ROWS[0]]},
            [[0.2, -0.7, 0.5, 0.0, 0.0], [-0.8, 0.3, -0.25, -0.4, 0.6]],
        ),
        (
            "arcee_fusion",
            {"base": MATRICES[2], "parents": [MATRICES[0]]},
            [[0.2, -0.7, 0.5, 0.0, 0.0], [-0.8, 0.3, -0.25, -0.4, 0.6]],
        ),
    ],
)
def test_what_mergekit_gives(
    name: str, arguments: dict[str, Any], expected: list[list[float]]
) -> None:
    merged = run(name, **arguments)
    torch.testing.assert_close(merged.reshape(2, 5), torch.tensor(expected), rtol=1e-5, atol=2e-6)
