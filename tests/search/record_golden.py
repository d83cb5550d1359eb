"""Write golden.json: the first three generations of every sampler, for a fixed seed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.search.problems import SETTINGS, fresh, run

if __name__ == "__main__":
    record = {
        name: [
            [list(trial.genome) for trial in generation]
            for generation in run(fresh(name), 3 * fresh(name).batch)
        ]
        for name in SETTINGS
    }
    path = Path(__file__).with_name("golden.json")
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
