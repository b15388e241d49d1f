"""What scaling laws are recovered, how often intervals hold, and what β runs tell; about twenty minutes.

OMP_NUM_THREADS=1 python -m tests.benchmarks.scaling [coverage | exponents | frontiers | inference | inference_of_k3 |
    schedules]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

import riccati as rc
from riccati.scaling import (
    AdditiveModel,
    Escape,
    Logistic,
    StepFunction,
    fit_power_law,
    frontier,
    infer_beta,
    optimal_schedule,
    samples_to_learn,
)

from .table import Row, once

_X = np.geomspace(1.0, 1e5, 120)
_RUNS = 300
_CASES = (  # exponent, floor, ρ, deviation of log y, floor of the model
    (-1.0, 0.0, 0.5, 0.05, None),
    (-0.75, 0.0, 0.8, 0.05, None),
    (-1.0, 3e-3, 0.5, 0.05, "free"),
    (-0.75, 1e-2, 0.8, 0.05, "free"),
    (-1.0, 0.0, 0.5, 0.05, "free"),
    (-0.33, 0.0, 0.7, 0.03, "free"),
)


def coverage() -> None:
    """95 % intervals over 300 synthetic runs, the window by rule."""
    for exponent, floor, rho, deviation, mode in _CASES:
        held, booted, identified = _shares(exponent, floor, rho, deviation, mode)
        shares = f"profile {held:.3f}, bootstrap {booted:.3f}, identified {identified:.3f}"
        print(f"exponent {exponent:g}, floor {floor:g}, ρ {rho:g}, model {mode}: {shares}", flush=True)


def intervals() -> Iterator[Row]:
    for case in (_CASES[0], _CASES[3]):
        shares = []
        seconds = once(lambda: shares.extend(_shares(*case)))  # noqa: B023
        what = f"hold / 0.95, {_RUNS} runs, floor {case[1]:g}"
        yield Row(f"95 % intervals of an exponent that {what}", shares[0] / 0.95, seconds / _RUNS, least=0.95)


def _shares(exponent: float, floor: float, rho: float, deviation: float, mode: str | None) -> list[float]:
    """Of synthetic runs with AR(1) noise in log y: intervals of two kinds that hold, and floors that are identified."""
    rng, counts = np.random.default_rng(1), np.zeros(3)
    for _ in range(_RUNS):
        noise = rng.normal(size=len(_X))
        for i in range(1, len(_X)):
            noise[i] = rho * noise[i - 1] + np.sqrt(1 - rho**2) * noise[i]
        y = (np.minimum(1.0, (_X / 30) ** exponent) + floor) * np.exp(deviation * noise)
        fit = fit_power_law(_X, y, floor=mode)
        held, booted = (low <= exponent <= high for low, high in (fit.interval, fit.bootstrap))
        counts += held, booted, fit.floor_status == "identified"
    return (counts / _RUNS).tolist()


def exponents() -> None:
    """Relative deviation of the exponents of exact curves, with a free offset and without."""
    for beta in (0.6, 0.8, 1.0, 1.5, 2.0):
        for shape in (Logistic(np.log(1e6)), Escape(rc.Link.hermite(4), 1e-2), StepFunction()):
            cells = []
            for width in (1000, 10_000, 100_000):
                model = AdditiveModel.power_law(width, 2 * beta, beta, shape)
                times = np.geomspace(3, model.times[-1] / 3, 150)
                whole, risk = (float(times[0]), float(times[-1])), model.risk(times)
                for floor in ("free", None):
                    found = fit_power_law(times, risk, floor=floor, window=whole).exponent
                    cells.append(f"{found * beta / (1 - 2 * beta) - 1:+.1e}")
            print(f"β {beta:g} {type(shape).__name__:<9} free, none at M = 10³, 10⁴, 10⁵:", *cells, flush=True)


def frontiers() -> None:
    """Exponents of compute by the exact optimum, and what grids of widths add."""
    widths = [2**n for n in range(6, 12)]
    cases = {
        "k = 4, β = 0.8": (rc.Teacher.power_law(20_000, 0.8, rc.Link.hermite(4)), {"dim": 10**5, "norm": 1e-2}),
        "k = 2, β = 1, d = 10¹²": (
            rc.Teacher.power_law(20_000, 1.0, rc.Link.hermite(2)),
            {"dim": 10**12, "norm": 1e-2},
        ),
        "k = 2, β = 1, sharp limit": (AdditiveModel.power_law(20_000, 2.0, 1.0, StepFunction()), {}),
    }
    for name, (teacher, settings) in cases.items():
        found = frontier(teacher, widths, **settings)
        wasted = ", ".join(f"ratio {r:g}: {found.compute_bias(r):.3f}" for r in (1.2, 1.5, 2.0))
        print(f"{name}: {found.exponent:.4f}, log compute wasted by a grid: {wasted}", flush=True)


def inference(runs: int = 100) -> None:
    """β = 1.2 from in-law runs of one start, k = 2, M = N = 16, d = 1000, γ = 0.1."""
    _inferred(_ensemble(2, 16, 16, 1000, 1e-4, 100_000, runs))


def inference_of_k3(runs: int = 12) -> None:
    """β = 1.2 from in-law runs of one start, k = 3, M = 3, N = 6, d = 150, η = 0.2 d^{-3/2}."""
    _inferred(_ensemble(3, 3, 6, 150, 0.2 * 150**-1.5, 275_000, runs))


def schedules() -> None:
    """Best constant step, (1 - u)^{2β-1}, (1 - u)^p and free schedule, over β."""
    cases = [(2, 16, 16, 1000, 8, 3), (2, 16, 4, 1000, 4, 3), (4, 16, 32, 60, 8, 1)]
    cells = [(*case, beta) for case in cases for beta in (0.8, 1.0)]
    cells += [(2, 16, 16, 1000, 8, 3, 1.5), (2, 16, 4, 1000, 4, 3, 1.5), (4, 16, 32, 60, 6, 1, 1.5)]
    for k, width, neurons, dim, top, times, beta in [*cells, (2, 16, 4, 1000, 4, 15, 1.0), (4, 16, 6, 60, 6, 1, 1.0)]:
        teacher = rc.Teacher.power_law(width, beta, rc.Link.hermite(k))
        start = (rc.Start.random if k == 2 else rc.Start.typical)(teacher, neurons, dim, 0.1)
        samples = int(times * samples_to_learn(teacher, top, dim=dim, student_width=neurons).samples)
        print(f"k {k}, β {beta:g}, M {width}, N {neurons}, d {dim}, n {samples}")
        print(optimal_schedule(teacher, start, samples=samples), flush=True)


def _ensemble(k: int, width: int, neurons: int, dim: int, rate: float, steps: int, runs: int) -> rc.sgd.Ensemble:
    teacher = rc.Teacher.power_law(width, 1.2, rc.Link.hermite(k))
    start = rc.Start.random(teacher, neurons, dim, 0.1, seed=0)
    experiment = rc.sgd.Experiment(teacher=teacher, start=start, learning_rate=rate, steps=steps, rows=80)
    return experiment.ensemble(list(range(runs)))


def _inferred(ensemble: rc.sgd.Ensemble) -> None:
    betas, held, refused = [], 0, 0
    for i in range(len(ensemble)):
        try:
            found = infer_beta(ensemble.run(i))
        except rc.ArgumentError:
            refused += 1
            continue
        betas.append(found.beta)
        held += found.interval[0] <= 1.2 <= found.interval[1]
    spread = f"β {np.mean(betas):.4f} ± {np.std(betas, ddof=1):.4f}"
    print(f"{spread}; the interval holds 1.2 in {held} of {len(ensemble)}, {refused} refused as not telling")


if __name__ == "__main__":
    jobs = {job.__name__: job for job in (coverage, exponents, frontiers, inference, inference_of_k3, schedules)}
    for name in sys.argv[1:] or jobs:
        jobs[name]()
