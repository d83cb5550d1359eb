"""Karcher mean of the models' directions: the Riemannian centre of mass on a sphere (Karcher 1977,
"Riemannian center of mass and mollifier smoothing"; for models, arXiv 2603.04972)."""

from __future__ import annotations

import numpy as np

from merging.method import Method, Parameter, Pointwise, Site
from merging.methods._gram import NO_DIRECTION, Array, combined, length, norms


def merge(site: Site) -> Pointwise:
    """(mean of |theta_k|) * x, x on the unit sphere with sum_k log_x(u_k) = 0, u_k the directions.

    From the mean of the u_k, or the first where that is next to 0, each of at most `max_iter`
    steps goes to exp_x(s), s = (1/n) sum_k log_x(u_k), and ends once |s| < `tol`. On the sphere
    log_x(u) = a / sin(a) * (u - cos(a) x), a the angle, and exp_x(s) = cos(|s|) x +
    sin(|s|) s / |s|. All of these are sums of the u_k, so that their factors are what is iterated.

    As in mergekit a single model is returned as it is, and models with a norm up to `tol` have no
    direction but count in the mean norm. Where u = -x, log_x(u) has no one value and is left out.
    A `tol` below 1e-6 is that: float32 has no smaller angles.
    """
    max_iter, tol = int(site.shared["max_iter"]), max(site.shared["tol"], NO_DIRECTION)
    return combined(site, lambda products: _factors(products, max_iter, tol))


def _factors(products: Array, max_iter: int, tol: float) -> Array:
    lengths = norms(products)
    if len(lengths) == 1:
        return np.ones(1)
    factors = np.zeros(len(lengths))
    points = np.flatnonzero(lengths > tol)
    if len(points):
        known = lengths[points]
        cosines = products[np.ix_(points, points)] / np.outer(known, known)
        factors[points] = lengths.mean() * _mean(cosines, max_iter, tol) / known
    return factors


def _mean(cosines: Array, max_iter: int, tol: float) -> Array:
    """The factors of the unit vectors in their centre of mass."""
    count = len(cosines)
    mean = np.full(count, 1 / count)
    size = length(mean, cosines)
    mean = mean / size if size >= tol else np.eye(count)[0]
    for _ in range(max_iter):
        toward = np.clip(cosines @ mean, -1, 1)
        angles = np.arccos(toward)
        defined = (angles >= tol) & (np.pi - angles >= tol)
        pulls = np.where(defined, angles / np.sin(np.where(defined, angles, 1)), 0) / count
        step = pulls - (pulls @ toward) * mean
        size = length(step, cosines)
        if size < tol:
            break
        mean = np.cos(size) * mean + np.sin(size) / size * step
        mean = mean / length(mean, cosines)
    return mean


METHOD = Method(
    name="karcher",
    form="tensor",
    summary="the centre of the models' directions on the sphere, at their mean length",
    source="Karcher 1977, Riemannian center of mass and mollifier smoothing; arXiv 2603.04972",
    base="none",
    min_parents=1,
    max_parents=None,
    parameters=(
        Parameter("max_iter", False, 10, 0.0, None, "steps towards the centre, at most", "whole"),
        Parameter("tol", False, 1e-5, 0.0, None, "angle, in radians, that counts as none"),
    ),
    merge=merge,
)
