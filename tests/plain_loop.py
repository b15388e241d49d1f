"""Plain loops of online SGD in numpy, without riccati; `python tests/plain_loop.py` writes its runs anew.

Weights are d-dimensional, gradients written out, and the logged loss is the population loss by the dual activations of
Hermite polynomials and of ReLU. Twelve runs: four problems, three seeds each, the first of which ships as a sample run.
"""

from __future__ import annotations

import json
from math import factorial
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "comparison" / "data"
SAMPLES = Path(__file__).parents[1] / "riccati" / "runs" / "data"
SEEDS = (0, 1, 2)


def stored(name, seed):
    """The table of a run."""
    return SAMPLES / f"{name}.csv" if seed == 0 else DATA / f"{name}-{seed}.csv"


def hermite(c, z):
    """Σ_j c_j h_j(z), h_j = He_j/√(j!)."""
    return np.polynomial.hermite_e.hermeval(z, np.asarray(c) / [factorial(j) ** 0.5 for j in range(len(c))])


def series_slope(c, z):
    """Its derivative."""
    scaled = np.asarray(c) / [factorial(j) ** 0.5 for j in range(len(c))]
    return np.polynomial.hermite_e.hermeval(z, np.polynomial.hermite_e.hermeder(scaled))


def dual(c, d, q):
    """E σ(x) τ(y) at correlation q, of Hermite series c and d; "relu" for both stands for ReLU."""
    if isinstance(c, str):
        q = np.clip(q, -1, 1)
        return (np.sqrt(1 - q**2) + (np.pi - np.arccos(q)) * q) / (2 * np.pi)
    return sum(x * y * q**j for j, (x, y) in enumerate(zip(c, d, strict=False)))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


class Loop:
    """A problem of SGD on ½(f* - f)²; `b` is None for the student Σ |w|² σ(<x, w>/|w|), else it is Σ b σ(<x, w>).

    With a covariance diag(eigenvalues) of the input, |w|² stands for wᵀΣw.
    """

    def __init__(self, a, Theta, W, link, *, links=None, eigenvalues=None, b=None, rate, batch, steps):
        self.a, self.W, self.b, self.link = unit(np.asarray(a)), W, b, link
        self.eigenvalues = np.ones(W.shape[1]) if eigenvalues is None else eigenvalues
        self.Theta = Theta / self.size(Theta)[:, None]
        self.links, self.rate, self.batch, self.steps = links or [link] * len(a), rate, batch, steps

    def size(self, rows):
        return np.sqrt(rows**2 @ self.eigenvalues)

    def inner(self, left, right):
        """Correlations of the arguments of two sets of neurons."""
        return (left / self.size(left)[:, None] * self.eigenvalues) @ (right / self.size(right)[:, None]).T

    def value(self, link, z):
        return np.maximum(z, 0) if link == "relu" else hermite(link, z)

    def slope(self, link, z):
        return (z > 0) * 1.0 if link == "relu" else series_slope(link, z)

    def loss(self):
        """½ E(f* - f)², and E f*²."""
        s = self.size(self.W) * (self.size(self.W) if self.b is None else self.b)
        m, q, C = self.inner(self.W, self.Theta), self.inner(self.W, self.W), self.inner(self.Theta, self.Theta)
        cross = np.stack([dual(self.link, link, m[:, j]) for j, link in enumerate(self.links)], axis=1)
        own = np.array([[dual(c, d, C[i, j]) for j, d in enumerate(self.links)] for i, c in enumerate(self.links)])
        moment = self.a @ own @ self.a
        return (moment - 2 * s @ cross @ self.a + s @ dual(self.link, self.link, q) @ s) / 2, moment

    def overlaps(self):
        """Squared projections on the span for h_2, else the largest squared cosines."""
        if self.link == [0, 0, 1]:
            root = np.sqrt(self.eigenvalues)
            basis = np.linalg.qr((self.W * root).T)[0]
            return np.sum((self.Theta * root @ basis) ** 2, axis=1)
        return np.max(self.inner(self.W, self.Theta) ** 2, axis=0)

    def step(self, rng):
        x = rng.normal(size=(self.batch, self.W.shape[1])) * np.sqrt(self.eigenvalues)
        targets = sum(a * self.value(link, x @ t) for a, link, t in zip(self.a, self.links, self.Theta, strict=True))
        r, h = self.size(self.W), x @ self.W.T
        if self.b is not None:
            value = self.value(self.link, h)
            wrong = self.rate / self.batch * (targets - value @ self.b)
            moved = (wrong[:, None] * self.slope(self.link, h) * self.b).T @ x
            self.b = self.b + wrong @ value
            self.W = self.W + moved
            return
        z = h / r
        value, slope = self.value(self.link, z), self.slope(self.link, z)
        wrong = self.rate / self.batch * (targets - value @ r**2)
        along = wrong @ (2 * value - z * slope)
        self.W = self.W + along[:, None] * self.W * self.eigenvalues + r[:, None] * ((wrong[:, None] * slope).T @ x)


def rounded(array):
    return [rounded(row) for row in array] if np.ndim(array) > 1 else [float(f"{x:.9g}") for x in np.asarray(array)]


def small(rng, neurons, dim, norm):
    return norm * unit(rng.normal(size=(neurons, dim)))


def gaussian_rows(rng):
    """Eight iid Gaussian directions in d = 200, h_2, a_5 and a_8 negative."""
    a = np.arange(1, 9.0) ** -0.5 * [1, 1, 1, 1, -1, 1, 1, -1]
    Theta = unit(rng.normal(size=(8, 200)))
    loop = Loop(a, Theta, small(rng, 12, 200, 0.2), [0, 0, 1], rate=1e-3, batch=64, steps=9000)
    keys = {"information_exponent": 2, "teacher_gram": rounded(Theta @ Theta.T)}
    return loop, keys


def anisotropic(rng):
    """λ_i = i^-0.5 in d = 150, directions along eigenvectors, h_2, a_m ∝ 1/m."""
    eigenvalues = np.arange(1, 151.0) ** -0.5
    loop = Loop(
        1 / np.arange(1, 7.0), np.eye(6, 150), small(rng, 8, 150, 0.2), [0, 0, 1],
        eigenvalues=eigenvalues, rate=1e-3, batch=64, steps=14_000,
    )  # fmt: skip
    return loop, {"information_exponent": 2, "covariance": 0.5}


def mixed(rng):
    """Two directions of h_2 and two of h_4, d = 60, a student of both."""
    second, fourth, link = [0, 0, 1.0], [0, 0, 0, 0, 1.0], [0, 0, 1.0, 0, 1.0]
    W = small(rng, 8, 60, 0.4)
    W[:4, 2:4] += 0.2 * np.eye(4, 2) + 0.2 * np.eye(4, 2, -2)  # h_4 would else take very long
    links = [second, second, fourth, fourth]
    loop = Loop([0.9, 0.7, 0.6, -0.5], np.eye(4, 60), W, link, links=links, rate=2e-4, batch=128, steps=20_000)
    return loop, {"link": link, "teacher_links": links}


def two_layer(rng):
    """ReLU in the standard parametrisation, d = 100, a and b of both signs."""
    b = np.where(np.arange(16) % 2, -0.4, 0.4) * rng.uniform(0.5, 1.5, size=16)
    loop = Loop([1, 0.8, -0.6, -0.5], np.eye(4, 100), small(rng, 16, 100, 0.4), "relu", b=b, rate=2e-3, batch=64,
                steps=20_000)  # fmt: skip
    return loop, {"link": "relu", "parametrisation": "two_layer"}


PROBLEMS = {"gaussian-rows": gaussian_rows, "anisotropic": anisotropic, "mixed-links": mixed, "two-layer": two_layer}


def start_keys(loop):
    if np.ptp(loop.eigenvalues):
        return {"initial_weights": rounded(loop.W)}
    r, cosines = loop.size(loop.W), loop.inner(loop.W, loop.Theta)
    keys = {"init_norm": rounded(r), "initial_overlaps": rounded(cosines)}
    keys["initial_student_gram"] = rounded(loop.inner(loop.W, loop.W))
    return keys if loop.b is None else keys | {"initial_second_layer": rounded(loop.b)}


def run(name, seed, table, rows=80):
    """Train, and write the table and, beside it, the keys."""
    rng = np.random.default_rng([seed, *name.encode()])
    loop, keys = PROBLEMS[name](rng)
    keys |= {
        "second_layer": rounded(loop.a), "dim": loop.W.shape[1], "student_width": len(loop.W),
        "learning_rate": loop.rate, "batch_size": loop.batch, "steps": loop.steps, "seed": seed,
        "loss": "0.5*(f*-f)^2", "training_loss": "0.5*(f*-f)^2",
        "overlap": "subspace" if loop.link == [0, 0, 1] else "neuron", **start_keys(loop),
    }  # fmt: skip
    if "parametrisation" not in keys:
        keys["kind"] = "two_homogeneous"
    logged = set(np.unique(np.r_[0, np.geomspace(1, loop.steps, rows).round()]).astype(int).tolist())
    lines = ["step,loss," + ",".join(f"overlap_{m + 1}" for m in range(len(loop.a)))]
    for step in range(loop.steps + 1):
        if step in logged:
            numbers = ",".join(f"{x:.8g}" for x in (loop.loss()[0], *loop.overlaps()))
            lines.append(f"{step},{numbers}")
        loop.step(rng)
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    table.with_suffix(".json").write_text(json.dumps(keys) + "\n", encoding="utf-8")
    print(f"{table.stem}: risk {2 * loop.loss()[0] / loop.loss()[1]:.4g}")


if __name__ == "__main__":
    for problem in PROBLEMS:
        for seed in SEEDS:
            run(problem, seed, stored(problem, seed))
