"""What every sampler promises. One conformance suite holds them all to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from search.gene import Genome

__all__ = ["Genome", "Outcome", "Sampler"]


@dataclass(frozen=True)
class Outcome:
    """What a trial came to.

    `values`: one number an objective, higher is better; empty if the trial failed. `n`: items that
    were scored. `censored`: evaluation stopped early, because the candidate was shown to be weak,
    and `values` are estimates. `failed`: the candidate crashed, hung or yielded NaN.
    `constraints`: at most 0 where satisfied.
    """

    values: tuple[float, ...]
    n: int
    censored: bool = False
    failed: bool = False
    constraints: tuple[float, ...] = ()


class Sampler(ABC):
    """Proposes genomes and learns from outcomes, generation by generation.

    Trials are numbered without a gap, in the order in which they are asked for. The contract:

    - `ask(n)` opens a generation of n trials; the next one opens when all of it is told. n need
      not be `batch`: the last generation of a budget is often smaller.
    - Outcomes of a generation are told in any order; they are learnt in the order of numbers.
    - In steady state (`search.samplers.steady`) trials may be asked for while others are pending,
      and each outcome is learnt when it is told. The history is then the order of both.
    - Genomes lie within the genes' bounds.
    - The first trials are the genomes that were given as seeds, in their order; the sampler's own
      draws follow. `batch` is the number of seeds that are left, while any are. What is learnt from
      them is the sampler's matter: CMA-ES starts from the best of them.
    - A failed trial is the worst of all, and so is one with a value that is NaN or infinite.
    - A trial that misses a constraint ranks above the failed ones and below all others, whatever
      its values; among themselves they rank by the sum of what they miss.
    - A censored trial ranks below every one scored whole that meets its constraints, whatever its
      estimate; among themselves they rank by estimate, the mean of several objectives.
    - The genome told outranks the genome proposed: a sampler learns from what was evaluated.
    - State is a pure function of (genes, settings, seed, first number, ordered history). So a
      sampler is restored by telling it the trial log (`search.replay`), never by unpickling.
    - Random numbers come from generators of the sampler's own (`search.samplers.seeding`); the
      process-wide ones of `random` and `numpy.random` are neither read nor moved.

    How many objectives a sampler takes, `search.samplers.make_sampler` says.
    """

    @property
    @abstractmethod
    def batch(self) -> int:
        """Trials of a full generation."""

    @property
    @abstractmethod
    def next_number(self) -> int:
        """The number of the first trial of the next generation."""

    @property
    @abstractmethod
    def pending(self) -> tuple[int, ...]:
        """Numbers of the trials that are asked for and not told yet."""

    @abstractmethod
    def recall(self, known: Sequence[tuple[Genome, Outcome]]) -> None:
        """Learn from trials that are none of this sampler's, before the first `ask`.

        They have no numbers. Raises SamplerError once a trial was asked for, and as `tell` does.
        """

    @abstractmethod
    def ask(self, n: int) -> list[Genome]:
        """Open a generation: genomes of trials `next_number`, `next_number + 1`, ...

        Raises SamplerError while a generation is open, but in steady state, and if n is less
        than 1.
        """

    @abstractmethod
    def tell(self, number: int, genome: Genome, outcome: Outcome) -> None:
        """Report a trial that was asked for.

        Raises SamplerError for a trial that is not pending, for a genome of the wrong length or
        out of bounds, and for a number of objectives that the sampler does not take.
        """
