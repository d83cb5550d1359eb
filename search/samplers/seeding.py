"""Random numbers that are a function of the job's seed and a trial number, and of nothing else."""

from __future__ import annotations

import numpy as np


def generator(seed: int, *key: int) -> np.random.Generator:
    """The generator of a key of a job, such as a trial's number: independent of every other key's.

    A spawn key, and no sum, so that trial 1 of seed 2 is not trial 2 of seed 1.
    """
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=key)
    return np.random.Generator(np.random.PCG64(sequence))


def small_seed(seed: int, number: int) -> int:
    """A seed of 32 bits for libraries that make generators of their own.

    Numbers below 0 are of what is known before the first trial, and no trial's.
    """
    key = (number % 2**32,)
    return int(np.random.SeedSequence(entropy=seed, spawn_key=key).generate_state(1)[0])
