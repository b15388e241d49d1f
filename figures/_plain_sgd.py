"""Online SGD as its definition reads: a loop in numpy over fresh samples, for the problems that no engine simulates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import riccati as rc
from riccati.problem import population_risk

from ._figure import Arrays

Activation = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # of preactivations: σ and σ'


@dataclass(frozen=True)
class PlainSGD:
    """SGD on the loss ½ (f* - f)² from given weights, in the input's eigenbasis with the teacher along the first axes.

    Attributes:
        teacher: the teacher, orthonormal.
        target: f* of whitened samples (B, d).
        activation: the student's.
        weights: (N, d), whitened.
        rate: η of a step.
        steps: how many.
        batch: B.
        second_layer: b, (N,), of a two-layer student; None for the 2-homogeneous one.
    """

    teacher: rc.Teacher
    target: Callable[[np.ndarray], np.ndarray]
    activation: Activation
    weights: np.ndarray
    rate: float
    steps: int
    batch: int
    second_layer: np.ndarray | None = None

    def ensemble(self, runs: int, rows: int = 60) -> Arrays:
        """Runs from one start: times (T,), risk (S, T), overlaps m_im² of the nearest neuron (S, T, M)."""
        logged = np.unique(np.geomspace(1, self.steps, rows).astype(int))
        found = [self._run(seed, logged) for seed in range(runs)]
        return {
            "times": logged * self.rate,
            "risk": np.stack([risk for risk, _ in found]),
            "overlaps": np.stack([overlaps for _, overlaps in found]),
        }

    def _run(self, seed: int, logged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rng, seen = np.random.default_rng(seed), set(logged.tolist())
        W, b = self.weights.copy(), None if self.second_layer is None else self.second_layer.copy()
        cov = self.teacher.covariance
        speeds = 1.0 if cov is None else np.asarray(cov.speeds(cov.eigenvalues))
        risk, overlaps = [], []
        for step in range(1, self.steps + 1):
            x = rng.standard_normal((self.batch, W.shape[1]))
            move, move_b = self._gradient(x, W, b)
            W = W + self.rate * speeds * move
            b = None if b is None else b + self.rate * move_b
            if step in seen:
                size = np.linalg.norm(W, axis=1)
                U = W / size[:, None]
                risk.append(float(population_risk(self.teacher, U, size**2 if b is None else b * size)))
                overlaps.append((U[:, : self.teacher.width] ** 2).max(axis=0))
        return np.array(risk), np.stack(overlaps)

    def _gradient(self, x: np.ndarray, W: np.ndarray, b: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Minus the gradient of the batch's loss, by W and by b."""
        size = np.linalg.norm(W, axis=1)
        z = x @ (W / size[:, None]).T
        value, slope = self.activation(z)
        scale = size**2 if b is None else b * size
        error = (self.target(x) - value @ scale) / len(x)
        # d(s_i σ(z_i))/dw_i = s_i σ'(z_i) (x - z_i u_i)/|w_i| + (ds_i/d|w_i|) u_i σ(z_i)
        across = (error[:, None] * slope) * (scale / size)
        grown = error @ value * (2 * size if b is None else b)
        move = across.T @ x + ((grown - (across * z).sum(axis=0)) / size)[:, None] * W
        return move, size * (error @ value)


def series(*links: rc.Link) -> Activation:
    """Of Hermite series: one for every column, or one for each."""
    rows = [np.asarray(link.coefficients) for link in links]
    powers = [np.polynomial.hermite_e.herme2poly(row / _root_factorials(len(row))) for row in rows]

    def activation(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        of = powers if len(powers) > 1 else powers * z.shape[1]
        value = np.stack([np.polynomial.polynomial.polyval(z[:, n], c) for n, c in enumerate(of)], axis=1)
        slopes = [np.polynomial.polynomial.polyval(z[:, n], c[1:] * np.arange(1, len(c))) for n, c in enumerate(of)]
        return value, np.stack(slopes, axis=1)

    return activation


def _root_factorials(count: int) -> np.ndarray:
    return np.sqrt(np.cumprod(np.r_[1.0, np.arange(1.0, count)]))
