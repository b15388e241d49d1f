"""Online SGD of one neuron on one direction in numpy, without riccati: many seeds at once, exact in law at any d.

The weights are (w_1, w_2): along the teacher's direction, and the length of the rest. A step sees a sample through its
coordinates along both; in the other d - 2 it moves the weights by a Gaussian vector, of which only the length matters.
The teacher is a h_k(<x, θ>), the student |w|² h_k(<x, w>/|w|), the loss ½(f* - f)²; with `stiefel` the student is
<x, w>² - 1 for k = 2, and w is scaled to length one after every step.
"""

from typing import NamedTuple

import numpy as np

_EXPLODED = 1e6  # |w|² at which a run has diverged


class Runs(NamedTuple):
    """The runs of all seeds.

    Attributes:
        emerged: (seeds,), the time at which the squared overlap first reaches ½, inf where not.
        overlaps: (seeds,), the squared overlap at the end.
        risk: (seeds,), E(f* - f)²/E f*² at the end; with `stiefel` after the best radial fit.
        diverged: (seeds,), whether the weights exploded.
    """

    emerged: np.ndarray
    overlaps: np.ndarray
    risk: np.ndarray
    diverged: np.ndarray


def hermite(degree, z):
    """h_k and h_(k-1), by their recurrence."""
    before, now = np.zeros_like(z), np.ones_like(z)
    for j in range(degree):
        before, now = now, (z * now - np.sqrt(j) * before) / np.sqrt(j + 1)
    return now, before


def runs_of_one_neuron(
    seeds, *, dim, rate, steps, overlap, norm=1.0, degree=2, amplitude=1.0, batch=1, stiefel=False, seed=0
):
    """`seeds` runs of so many steps from the same start."""
    rng = np.random.default_rng(seed)
    w = np.outer([overlap, np.sqrt(1 - overlap**2)], np.full(seeds, 1.0 if stiefel else norm))
    emerged = np.where(w[0] ** 2 >= 0.5 * np.sum(w**2, axis=0), 0.0, np.inf)
    diverged = np.zeros(seeds, bool)
    for step in range(1, steps + 1):
        x = rng.standard_normal((2, batch, seeds))
        outside = rng.chisquare(dim - 2, seeds)
        r = np.sqrt(np.sum(w**2, axis=0))
        u = (w / r)[:, None]
        z = u[0] * x[0] + u[1] * x[1]
        if stiefel:
            along, across = 0.0, (amplitude * (x[0] ** 2 - 1) - (z**2 - 1)) * z
        else:
            (value, lower), error = hermite(degree, z), amplitude * hermite(degree, x[0])[0]
            error = error - r**2 * value
            along, across = 2 * r * error * value, r * error * np.sqrt(degree) * lower
        w = w + rate * np.mean(along * u + across * (x - z * u), axis=1)
        w[1] = np.sqrt(w[1] ** 2 + (rate / batch) ** 2 * np.sum(across**2, axis=0) * outside)
        size = np.sum(w**2, axis=0)
        if stiefel:
            w, size = w / np.sqrt(size), np.ones(seeds)
        gone = ~(size < _EXPLODED)
        if gone.any():
            diverged |= gone
            w[:, gone] = np.array([[0.0], [1.0]])  # no longer of interest
        reached = np.isinf(emerged) & (w[0] ** 2 >= 0.5 * size) & ~diverged
        emerged[reached] = rate * step
    s, m = np.sum(w**2, axis=0), w[0] / np.sqrt(np.sum(w**2, axis=0))
    risk = 1 - m**4 if stiefel else (amplitude**2 - 2 * amplitude * s * m**degree + s**2) / amplitude**2
    return Runs(emerged, m**2, np.where(diverged, np.inf, risk), diverged)
