"""One tensor of the child as its method sees it, and all of them for what a method prepares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import Tensor

from merging.calibration.store import Measured
from merging.method import Pointwise, Ranking
from merging.pointwise import Runner
from merging.statistics import Source, Statistics

Remembered = TypeVar("Remembered")

# Methods that prepare keep one thing for their last settings, or a few.
_REMEMBERED = 4


@dataclass
class Workshop:
    """What an engine keeps from one candidate to the next."""

    statistics: Statistics = field(default_factory=Statistics)
    runner: Runner = field(default_factory=lambda: Runner(compiled=False))
    memory: dict[Hashable, Any] = field(default_factory=dict)

    def remember(self, key: Hashable, compute: Callable[[], Remembered]) -> Remembered:
        """`compute()`, kept under `key` until a few others have come."""
        if key not in self.memory:
            while len(self.memory) >= _REMEMBERED:
                del self.memory[next(iter(self.memory))]
            self.memory[key] = compute()
        remembered: Remembered = self.memory[key]
        return remembered


@dataclass(frozen=True)
class TensorSite:
    """`merging.method.Site`. `models` are the parents' names in the recipe, `tensor_names` the
    tensor's names in them."""

    name: str
    base_source: Source | None
    sources: Sequence[Source]
    models: Sequence[str]
    tensor_names: Sequence[str]
    shared: Mapping[str, float]
    per_parent: Mapping[str, Sequence[float]]
    choices: Mapping[str, str]
    workshop: Workshop
    prepared: object = None
    measured: Measured = field(default_factory=Measured)

    @property
    def base(self) -> Tensor | None:
        return None if self.base_source is None else self.base_source.tensor

    @property
    def parents(self) -> Sequence[Tensor]:
        return [source.tensor for source in self.sources]

    def gram(self, *, deltas: bool) -> Sequence[Sequence[float]]:
        statistics = self.workshop.statistics
        if deltas:
            return statistics.gram(self.sources, self._base())
        first = [] if self.base_source is None else [self.base_source]
        return statistics.gram([*first, *self.sources])

    def ranking(self, parent: int) -> Ranking:
        return self.workshop.statistics.ranking(self._base(), self.sources[parent])

    def row_ranks(self, parent: int) -> Tensor:
        ranks = self.workshop.statistics.row_ranks(self._base(), self.sources[parent])
        return ranks.to(self.sources[parent].tensor.device)

    def important(self, parent: int) -> Tensor:
        found = self.workshop.statistics.important(self._base(), self.sources[parent])
        return found.to(self.sources[parent].tensor.device)

    def variance_ranks(self) -> tuple[Tensor, int]:
        ranks, varying = self.workshop.statistics.variance_ranks(self.sources)
        return ranks.to(self.sources[0].tensor.device), varying

    def svd(self, parent: int) -> tuple[Tensor, Tensor, Tensor]:
        source = self.sources[parent]
        left, values, right = self.workshop.statistics.svd(self._base(), source)
        device = source.tensor.device
        return left.to(device), values.to(device), right.to(device)

    def l1(self, parent: int) -> float:
        return self.workshop.statistics.l1(self._base(), self.sources[parent])

    def statistic(self, parent: int) -> Tensor:
        found = self.measured.tensor(self.models[parent], self.tensor_names[parent])
        return found.to(self.sources[parent].tensor.device)

    def key(self, parent: int) -> int:
        return random_key(
            int(self.shared["random_seed"]), self.models[parent], self.tensor_names[parent]
        )

    def sum(self, plan: Pointwise) -> float:
        return self.workshop.runner.sum(plan)

    def _base(self) -> Source:
        assert self.base_source is not None, "the method takes no base"
        return self.base_source


@dataclass(frozen=True)
class ModelSurvey:
    """`merging.method.Survey`. `make_sites` makes the sites, `signature` says what takes part."""

    make_sites: Callable[[], Iterable[TensorSite]]
    signature: Hashable
    workshop: Workshop

    @property
    def entries(self) -> int:
        return sum(site.parents[0].numel() for site in self.make_sites())

    def sites(self) -> Iterable[TensorSite]:
        return self.make_sites()

    def magnitude(self, parent: int, rank: int) -> float:
        pairs = [(site.base_source, site.sources[parent]) for site in self.sites()]
        known = [(base, source) for base, source in pairs if base is not None]
        return self.workshop.statistics.magnitude(known, rank)

    def remember(self, key: Hashable, compute: Callable[[], Remembered]) -> Remembered:
        return self.workshop.remember((self.signature, key), compute)


def random_key(seed: int, model: str, tensor_name: str) -> int:
    """62 bits that depend on the arguments alone.

    So the candidates of one job, which share a seed, share their masks too. `model` is the
    recipe's name for the model: a model renamed has other masks.
    """
    key = f"{seed}\0{model}\0{tensor_name}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") >> 2
