"""Trials that a stage knows of and that are none of its own.

A sampler learns from them before its first draw. They are not counted, not ranked with its own
trials, and never become finalists: their scores may be of other items.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from search.errors import SpaceError
from search.gene import Gene, Genome
from search.sampler_spec import SamplerSettings
from search.samplers import SINGLE, Outcome, Sampler
from search.warm_start_spec import KnownTrial

Known = tuple[Genome, float]
"""A genome and its fitness."""


def known_genomes(genes: Sequence[Gene], trials: Iterable[KnownTrial]) -> list[Known]:
    """Trials as genomes of these genes.

    Raises SpaceError naming a gene that a trial lacks, or has and the stage has not, or whose value
    is out of bounds.
    """
    names = {gene.name for gene in genes}
    found = []
    for place, trial in enumerate(trials):
        for gene in genes:
            if gene.name not in trial.genes:
                raise SpaceError(f"trial {place} lacks the gene {gene.name!r}")
            value = trial.genes[gene.name]
            if not gene.low <= value <= gene.high:
                bounds = f"outside {gene.low:g} to {gene.high:g}"
                raise SpaceError(f"trial {place}: gene {gene.name!r} is {value:g}, {bounds}")
        for name in trial.genes:
            if name not in names:
                raise SpaceError(f"trial {place} has a gene {name!r}, which this stage has not")
        found.append((tuple(trial.genes[gene.name] for gene in genes), trial.fitness))
    return found


def started(
    genes: Sequence[Gene], settings: SamplerSettings, known: Sequence[Known]
) -> tuple[Gene, ...]:
    """The genes that a sampler is made with: an evolution strategy starts from the best known
    genome. It would take draws of another distribution for its own, and their spread for a reason
    to change its step size, so that is all it is told."""
    if settings.kind not in SINGLE or not known:
        return tuple(genes)
    best = max(known, key=lambda one: one[1])[0]
    return tuple(replace(gene, initial=value) for gene, value in zip(genes, best, strict=True))


def recall(sampler: Sampler, settings: SamplerSettings, known: Sequence[Known]) -> None:
    """Tell a fresh sampler of any other kind what is known."""
    if settings.kind not in SINGLE and known:
        sampler.recall([(genome, Outcome(values=(value,), n=0)) for genome, value in known])
