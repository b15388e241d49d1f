"""The exact k = 2 flows against an integrator, and against their own matrix products.

The opponent is the best that is easily written: the weights in reduced coordinates, dW/dτ = S*W - W(WᵀW), a factor
(M + N) x N of S, by SciPy's DOP853 at rtol 1e-10, to the same horizon past the emergence of direction min(N, M), with
what the flows give at the same output times: diag G and the risk. The dense equation dG/dτ = AG + GA - 2GAG is
integrated by `Riccati(method="ode")`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import jax
import numpy as np
from scipy.integrate import solve_ivp

import riccati as rc

from .table import Row, fastest, once

_OUTPUTS = 200
_RTOL = 1e-10  # of DOP853; its diag G is then wrong by about as much as `error` says
_FLOWS = {  # the Gram matrices and the sizes of all rows that an output time needs, and the goal against DOP853
    "Riccati": (rc.Riccati(), 2, 1, 20.0),
    "Quadratic": (rc.Quadratic(), 3, 2, 10.0),
}
_OWN = 1.5  # times their own products


def subspace_and_weights() -> Iterator[Row]:
    return _at(256, 64)


def wider() -> Iterator[Row]:
    return _at(1024, 64)


def _problem(width: int, neurons: int) -> tuple[rc.Teacher, rc.Start, np.ndarray]:
    """A teacher, a start and canonical times."""
    teacher = rc.Teacher.power_law(width, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, neurons, 4 * width, seed=0)
    last = float(rc.default_times(rc.Riccati(), teacher, start)[-1])
    return teacher, start, np.linspace(last / _OUTPUTS, last, _OUTPUTS)


def _at(width: int, neurons: int) -> Iterator[Row]:
    teacher, start, times = _problem(width, neurons)
    for name, (flow, grams, sizes, goal) in _FLOWS.items():
        products = _products(width, neurons, grams, sizes)

        def solve(flow: rc.Flow = flow) -> jax.Array:
            return rc.solve(flow, teacher, start, times).risk

        exact, own = fastest(solve, products)
        opponent = min(once(lambda: _factor_form(teacher, start, times)) for _ in range(2 if width < 1000 else 1))
        what = f"{width} x {neurons}, 200 times"
        yield Row(f"DOP853 on the factor form / {name}, {what}", opponent / exact, exact, least=goal)
        yield Row(f"{name} / its own products, {what}", exact / (_OUTPUTS * own), exact, most=_OWN)
    error = np.abs(_factor_form(teacher, start, times) - rc.solve(rc.Riccati(), teacher, start, times).alignment).max()
    yield Row(f"error of DOP853's diag G / its rtol of {_RTOL:g}, {what}", float(error) / _RTOL, opponent)


def _products(width: int, neurons: int, grams: int, sizes: int) -> Callable[[], object]:
    """The matrix products of one output time with all rows: general ones of BLAS, Bᵀ(wB) and BL^{-T}."""
    random = np.random.default_rng(0)
    B, weighted = random.normal(size=(2, width, neurons))
    inverse = random.normal(size=(neurons, neurons))
    return lambda: [*(B.T @ weighted for _ in range(grams)), *(B @ inverse for _ in range(sizes))]


def _factor_form(teacher: rc.Teacher, start: rc.Start, times: np.ndarray) -> np.ndarray:
    """diag G by DOP853 on the weights, and the risk after the best radial fit beside it, as the flow gives both."""
    rates = np.r_[np.asarray(teacher.a), np.zeros(start.student_width)][:, None]
    W, tau = np.asarray(start.weights).T, 2 * times

    def velocity(_: float, flat: np.ndarray) -> np.ndarray:
        w = flat.reshape(W.shape)
        return (rates * w - w @ (w.T @ w)).ravel()

    atol = _RTOL * np.abs(W).max()
    out = solve_ivp(velocity, (0, tau[-1]), W.ravel(), "DOP853", tau, rtol=_RTOL, atol=atol)
    Q = [np.linalg.qr(w.reshape(W.shape))[0][: teacher.width] for w in out.y.T]
    _ = [1 - np.sum((q.T @ (rates[: teacher.width] * q)) ** 2) for q in Q]
    return np.array([np.sum(q**2, axis=1) for q in Q])


def small() -> Iterator[Row]:
    """The least sizes, where a call costs more than its arithmetic, and the dense equation where it is in reach."""
    for width in (3, 8):
        teacher, start, times = _problem(width, width)
        for name, (flow, *_) in _FLOWS.items():
            exact, opponent = fastest(
                lambda f=flow: rc.solve(f, teacher, start, times).risk,  # noqa: B023
                lambda: _factor_form(teacher, start, times),  # noqa: B023
                repeats=9,
            )
            yield Row(f"DOP853 on the factor form / {name}, {width} x {width}, 200 times", opponent / exact, exact)
    teacher, start, times = _problem(64, 16)
    exact, dense = fastest(
        lambda: rc.solve(rc.Riccati(), teacher, start, times[:20]).risk,
        lambda: rc.solve(rc.Riccati(method="ode"), teacher, start, times[:20]).risk,
        repeats=2,
    )
    yield Row("the dense equation by diffrax / Riccati, 64 x 16, first tenth", dense / exact, exact)


def million(neurons: int = 4) -> Iterator[Row]:
    """Directions beyond count and few neurons."""
    width = 10**6
    teacher = rc.Teacher.power_law(width, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, neurons, 4 * width, seed=0)
    times = np.geomspace(1.0, 160.0, 50)
    exact, own = fastest(
        lambda: rc.solve(rc.Riccati(), teacher, start, times).risk, _products(width, neurons, 2, 1), repeats=3
    )
    yield Row(f"Riccati / its own products, M = 10⁶, N = {neurons}, 50 times", exact / (50 * own), exact, most=_OWN)
    trajectory = rc.solve(rc.Riccati(), teacher, start, times)
    trajectory.emergence_times()
    begin = time.perf_counter()
    emerged = int(np.isfinite(trajectory.emergence_times()).sum())
    seconds = time.perf_counter() - begin
    yield Row(f"its {emerged} emergence times / the flow, M = 10⁶, N = {neurons}", seconds / exact, seconds)
