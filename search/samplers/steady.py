"""Steady state: a trial is asked for as soon as a worker is free, with what is told so far.

Nobody waits for the slowest candidate of a generation. The price: which outcomes a draw knows of
depends on which worker was faster, so two runs of one spec differ. The log has the order of asks
and outcomes, so a replay is as exact as in generations (`search.replay.replay_steady`).
"""

from __future__ import annotations

from search.samplers.generations import GenerationSampler, Trial


class SteadySampler(GenerationSampler):
    """Follows a strategy trial by trial: asked at any time, it learns what it is told."""

    def _check_turn(self) -> None:
        pass

    def _ripe(self) -> dict[int, Trial]:
        return {number: trial for number, trial in self._open.items() if trial is not None}
