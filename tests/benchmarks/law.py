"""The laws of emergence times and of the risk against SGD that is exact in law: goals and what is measured.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.law             # all of it, several minutes
    OMP_NUM_THREADS=1 python -m tests.benchmarks.law one k3      # some

Names: one (N = M = 1), weights (N = M = 8 at three γ), wide (d = 10⁵, batches), stiefel, k3, k4. How long a
law takes is in the table of all benchmarks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from scipy.stats import ks_2samp

import riccati as rc

from .table import Row, once

_ROWS = 200


def report(what: str, goal: str, outcome: str) -> None:
    print(f"{what:<44} {goal:<34} {outcome}", flush=True)


def power_law(M, N, d, degree=2, norm=0.1, seed=0):
    teacher = rc.Teacher.power_law(M, 1.0, rc.Link.hermite(degree))
    return teacher, rc.Start.random(teacher, N, d, norm=norm, seed=seed)


def sgd(teacher, start, rate, horizon, seeds, batch=1, constraint=None):
    run = rc.sgd.Experiment(
        teacher=teacher, start=start, learning_rate=rate, batch_size=batch, steps=int(horizon / rate),
        constraint=constraint, rows=_ROWS,
    )  # fmt: skip
    return run.ensemble(range(seeds))


def emergence(what, teacher, start, rate, horizon, runs, batch=1, constraint=None):
    """Kolmogorov and Smirnov, pooled medians and probabilities of being learned by the horizon."""
    law = rc.emergence_law(
        teacher, start, learning_rate=rate, batch_size=batch, horizon=horizon, constraint=constraint, replicas=1024
    )
    measured, drawn = runs.emergence_times(), np.asarray(law.emerged)
    drawn = np.where(drawn <= horizon, drawn, np.inf)
    learned = np.isfinite(measured).mean(axis=0)
    often = np.flatnonzero(learned > 0.5)
    p = [ks_2samp(np.minimum(measured[:, m], 2 * horizon), np.minimum(drawn[:, m], 2 * horizon)).pvalue for m in often]
    ratio = np.median(drawn[:, often], axis=0) / np.median(measured[:, often], axis=0)
    report(what, "KS p > 0.01 in 9 of 10 directions", " ".join(f"{x:.3f}" for x in p))
    report("", "pooled median of T within 5 %", f"{np.mean(ratio):.3f} (" + " ".join(f"{x:.3f}" for x in ratio) + ")")
    worst = np.abs(np.isfinite(drawn).mean(axis=0) - learned).max()
    report("", "P(learned) within 0.05", f"{worst:.3f} at the most")
    return measured, drawn


def coverage(what, teacher, start, rate, runs, batch=1, constraint=None):
    """Of (seed, time) pairs: rows as runs are logged, evenly in the logarithm of the step, and evenly in time."""
    times = runs.steps[1:] * rate
    law = rc.risk_law(teacher, start, learning_rate=rate, batch_size=batch, times=times, constraint=constraint)
    inside = (runs.risk[:, 1:] >= law.quantile(0.05)) & (runs.risk[:, 1:] <= law.quantile(0.95))
    even = np.searchsorted(times, np.linspace(0.02, 1, 50) * times[-1]).clip(max=len(times) - 1)
    report(
        what, "90 % band covers 85 to 95 %", f"{inside.mean():.3f} logged rows, {inside[:, even].mean():.3f} even times"
    )


def seconds() -> Iterator[Row]:
    for N, replicas, goal in ((16, 512, None), (8, 1000, 10.0)):
        teacher, start = power_law(N, N, 1000)
        for which, most in (("first call", 20.0), ("second", 5.0)):
            drawn = once(lambda: rc.emergence_law(teacher, start, learning_rate=1e-4, replicas=512).emerged)  # noqa: B023
            yield Row(f"emergence_law with 512 replicas, M = N = {N}, {which}", drawn, drawn, most=most, unit="s")
        law = rc.emergence_law(teacher, start, learning_rate=1e-4, replicas=512)
        drawn = once(lambda: law.sample(replicas, 1))  # noqa: B023
        yield Row(f"its sample({replicas}), M = N = {N}", drawn, drawn, most=goal, unit="s")


def one() -> None:
    for x0 in (1.0, 2.0):
        teacher, start = rc.Teacher([1.0], rc.Link.hermite(2)), rc.Start([[x0 / 20]], norms=0.1, dim=400)
        rate = 0.05 / 400
        runs = sgd(teacher, start, rate, 3.0, 1000)
        law = rc.emergence_law(teacher, start, learning_rate=rate, replicas=4096)
        measured, drawn = runs.emergence_times()[:, 0], np.asarray(law.emerged)[:, 0]
        ratios = [np.quantile(drawn, q) / np.quantile(measured, q) for q in (0.25, 0.5, 0.75)]
        report(f"N = M = 1, x_0 = {x0:g}", "quartiles within 3 %", " ".join(f"{r:.3f}" for r in ratios))
        report("", "KS p > 0.01 at 400 seeds", f"{ks_2samp(measured[:400], drawn).pvalue:.3f}")


def weights() -> None:
    for gamma, horizon in ((0.02, 9.0), (0.0625, 10.0), (0.2, 8.0)):
        teacher, start = power_law(8, 8, 300)
        rate = gamma / 300
        runs = sgd(teacher, start, rate, horizon, 200)
        what = f"M = N = 8, d = 300, γ = {gamma:g}"
        emergence(what, teacher, start, rate, horizon, runs)
        coverage(what, teacher, start, rate, runs)


def wide() -> None:
    teacher, start = power_law(8, 8, 10**5)
    rate = 0.2 * 500 / 10**5
    runs = sgd(teacher, start, rate, 10.0, 60, batch=500)
    emergence("d = 10⁵, batch 500, γ = 0.2", teacher, start, rate, 10.0, runs, batch=500)


def stiefel() -> None:
    for gamma, batch, horizon in ((0.01, 64, 15.0), (0.1, 16, 20.0)):
        teacher, start = power_law(16, 8, 400, norm=1.0)
        rate = gamma * batch / 400
        runs = sgd(teacher, start, rate, horizon, 100, batch, "stiefel")
        what = f"Stiefel, N = 8, M = 16, d = 400, γ = {gamma:g}"
        coverage(what, teacher, start, rate, runs, batch, "stiefel")
        emergence(what, teacher, start, rate, horizon, runs, batch, "stiefel")


def k3() -> None:
    for g in (0.1, 0.3):
        teacher, start = power_law(4, 8, 150, degree=3)
        rate = g * 10 * 150**-1.5
        runs = sgd(teacher, start, rate, 20.0, 100, batch=10)
        coverage(f"k = 3, M = 4, N = 8, d = 150, g = {g:g}", teacher, start, rate, runs, batch=10)


def k4() -> None:
    teacher, start = power_law(3, 6, 80, degree=4)
    rate = 0.1 * 10 * 80**-2
    runs = sgd(teacher, start, rate, 30.0, 100, batch=10)
    coverage("k = 4, M = 3, N = 6, d = 80, g = 0.1", teacher, start, rate, runs, batch=10)


_ALL = {"one": one, "weights": weights, "wide": wide, "stiefel": stiefel, "k3": k3, "k4": k4}

if __name__ == "__main__":
    for name in sys.argv[1:] or _ALL:
        _ALL[name]()
