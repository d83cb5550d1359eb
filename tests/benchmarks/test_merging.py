"""What the speed benchmark measures in Cuvee, and what it makes of the figures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.interop import ZOO
from benchmarks.merging import verdicts
from benchmarks.process import LineProcess

WORKER = [sys.executable, "-m", "benchmarks.cuvee_worker"]


def test_the_worker_merges_on_request(tmp_path: Path) -> None:
    setup = {
        "method": "ties",
        "folders": [str(ZOO / name) for name in ("base", "maths", "ja")],
        "threads": 1,
        "compiled": False,
        "keep": str(tmp_path),
    }
    with LineProcess(WORKER) as worker:
        first = worker.ask(setup)
        again = worker.ask({"share": 0.4, "copy": True})
        without = worker.ask({"share": 0.6, "copy": False})
        with pytest.raises(RuntimeError, match=r"the process ended: .*TypeError"):
            worker.ask({"no": "such request"})
    assert first["compiled"] is False
    assert first["first_s"] > 0
    # 463,584 numbers of two bytes.
    assert first["resident_mb"] == pytest.approx(463_584 * 2 / 2**20)
    assert again["seconds"] > 0
    assert again["bound_s"] > 0
    assert again["peak_mb"] >= first["resident_mb"]
    assert without.keys() == {"seconds", "peak_mb"}


def test_a_program_that_answers_line_by_line() -> None:
    program = """
import json, sys
for line in sys.stdin:
    number = json.loads(line)["number"]
    if number == 0:
        sys.exit("nothing divides by 0")
    answer = {"half": number / 2} if number > 0 else {"error": "below 0"}
    print(json.dumps(answer), flush=True)
"""
    with LineProcess([sys.executable, "-c", program]) as process:
        assert process.ask({"number": 3}) == {"half": 1.5}
        with pytest.raises(RuntimeError, match="below 0"):
            process.ask({"number": -1})
        assert process.ask({"number": 1}) == {"half": 0.5}
        for _ in range(2):
            with pytest.raises(RuntimeError, match="the process ended: nothing divides by 0"):
                process.ask({"number": 0})


def test_verdicts() -> None:
    def row(ours: float) -> dict[str, float]:
        return {"cuvee_s": ours, "mergekit_in_process_s": 1.0, "bound_s": 0.01}

    lines = verdicts({"linear": row(0.03), "ties": row(0.04), "della": row(0.06), "sce": row(0.1)})
    assert lines == [
        "holds  linear: 33x faster than mergekit in process (goal 3x), 3.0x the bound (goal 3x)",
        "holds  ties: 25x faster than mergekit in process (goal 20x), 4.0x the bound (goal 8x)",
        "MISSED della: 17x faster than mergekit in process (goal 20x), 6.0x the bound (goal 8x)",
    ]
