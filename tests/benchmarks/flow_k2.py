"""The exact k = 2 flows against integrators, and against their own matrix products.

    OMP_NUM_THREADS=1 taskset -c 0 python tests/benchmarks/flow_k2.py [--large WIDTH]

One thread. Opponents, to the same horizon, past the emergence of direction min(N, M): the weights in reduced
coordinates, dW/dτ = S*W - W(WᵀW), (M + N) x N, by DOP853 at rtol 1e-11, the best that is easily written; and the dense
equation dG/dτ = AG + GA - 2GAG at rtol 1e-12. Where that takes too long it is timed on a part of the horizon and
extrapolated by time, which the table says. DOP853 is timed with diag G and risk at the output times, which the flows
give too (`slower`), and without (`alone`). The error of each against the exact diag G stands beside its time. All times
of a row are taken in turn in one process. `--large` runs one width with N = 64 instead: solve, emergence times, and
peak memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import jax
import numpy as np
from scipy.integrate import solve_ivp

import riccati as rc
from riccati.flows import dense_velocity
from riccati.flows.grassmannian import row_sizes, weighted_grams
from riccati.numerics import integrate

OUTPUTS = 200
PATIENCE = 20.0  # seconds the dense equation may take before it is extrapolated
WEIGHTS_RTOL, DENSE_RTOL = 1e-11, 1e-12
FLOWS = {"Riccati": (rc.Riccati(), 2, 1), "Quadratic": (rc.Quadratic(), 3, 2)}  # Gram matrices, and sizes of all rows


def problem(width: int, neurons: int) -> tuple[rc.Teacher, rc.Start, np.ndarray]:
    teacher = rc.Teacher.power_law(width, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, neurons, 4 * width, seed=0)
    last = 2 * float(rc.default_times(rc.Riccati(), teacher, start)[-1])
    return teacher, start, np.linspace(last / OUTPUTS, last, OUTPUTS)  # Riccati time


def timed(run: Callable, repeats: int = 5) -> float:
    run()
    clocked = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        clocked.append(time.perf_counter() - begin)
    return min(clocked)


def products_time(width: int, neurons: int, grams: int, sizes: int) -> float:
    """The matrix products of one output time with all rows, times the number of outputs."""
    random = np.random.default_rng(0)
    B, W = random.normal(size=(width, neurons)), random.normal(size=(neurons, neurons))
    weights = random.uniform(size=(grams, width))
    run = jax.jit(lambda B, W, w: (weighted_grams(B, *w), row_sizes(B, *[W] * sizes)))
    B, W, weights = (jax.device_put(x) for x in (B, W, weights))
    return OUTPUTS * timed(lambda: jax.block_until_ready(run(B, W, weights)), 100)


class Opponent(NamedTuple):
    """DOP853 on the weights: seconds with diag G and the risk, seconds of the integration alone, error of diag G."""

    seconds: float
    integrated: float
    error: float


def weights_time(teacher: rc.Teacher, start: rc.Start, tau: np.ndarray) -> Opponent:
    """DOP853 on the weights."""
    rates = np.r_[np.asarray(teacher.a), np.zeros(start.student_width)][:, None]
    W = np.asarray(start.weights).T

    def velocity(_: float, flat: np.ndarray) -> np.ndarray:
        w = flat.reshape(W.shape)
        return (rates * w - w @ (w.T @ w)).ravel()

    begin = time.perf_counter()
    out = solve_ivp(
        velocity, (0, tau[-1]), W.ravel(), "DOP853", tau, rtol=WEIGHTS_RTOL, atol=WEIGHTS_RTOL * np.abs(W).max()
    )
    integrated = time.perf_counter() - begin
    # what the flows give as well: diag G, and the risk after the best radial fit
    Q = [np.linalg.qr(w.reshape(W.shape))[0][: teacher.width] for w in out.y.T]
    aligned = np.array([np.sum(q**2, axis=1) for q in Q])
    _ = [1 - np.sum((q.T @ (rates[: teacher.width] * q)) ** 2) for q in Q]
    seconds = time.perf_counter() - begin
    exact = np.asarray(rc.solve(rc.Riccati(), teacher, start, tau / 2).alignment)
    return Opponent(seconds, integrated, float(np.abs(aligned - exact).max()))


def dense_time(teacher: rc.Teacher, start: rc.Start, tau: np.ndarray) -> tuple[float, float, float]:
    """Seconds for the whole horizon, the part of it that was timed, and the error of diag G there."""
    Z = np.linalg.qr(np.asarray(start.directions).T)[0][: teacher.width]
    G0 = Z @ Z.T
    part = 2

    def run() -> np.ndarray:
        return np.asarray(integrate(dense_velocity, G0, teacher.a, tau[:part], DENSE_RTOL, DENSE_RTOL * least).states)

    least = np.diag(G0).min()
    while True:
        run()
        begin = time.perf_counter()
        states = run()
        seconds = time.perf_counter() - begin
        if part == OUTPUTS or seconds * 2 > PATIENCE:
            break
        part = min(OUTPUTS, max(part + 1, int(part * min(8.0, PATIENCE / (2 * seconds)))))
    exact = rc.solve(rc.Riccati(), teacher, start, tau[:part] / 2).alignment
    error = np.abs(np.diagonal(states, axis1=1, axis2=2) - exact).max()
    return seconds * OUTPUTS / part, part / OUTPUTS, float(error)


def row(width: int, neurons: int, dense: bool) -> None:
    teacher, start, tau = problem(width, neurons)
    slow = [weights_time(teacher, start, tau)]
    for name, (flow, grams, sizes) in FLOWS.items():
        exact = timed(lambda f=flow: rc.solve(f, teacher, start, tau / 2).risk.block_until_ready())
        products = products_time(width, neurons, grams, sizes)
        slow.append(weights_time(teacher, start, tau))
        best = min(slow)
        print(
            f"{width:>5} {neurons:>4} {name:>9} {exact:8.3f} {products:8.3f} {exact / products:6.2f}   "
            f"{best.seconds:7.2f} {best.seconds / exact:6.1f} {best.integrated / exact:6.1f} {best.error:8.0e}",
            flush=True,
        )
    if dense:
        seconds, part, error = dense_time(teacher, start, tau)
        print(f"{width:>5} {neurons:>4}     dense {seconds:8.1f} s ({part:.0%} timed), error {error:.0e}", flush=True)


def large(width: int) -> None:
    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    teacher = rc.Teacher.power_law(width, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 64, 4 * width, seed=0)
    times = np.geomspace(1, 2560, 50)
    begin = time.perf_counter()
    trajectory = rc.solve(rc.Riccati(), teacher, start, times)
    solved = time.perf_counter() - begin
    print(f"M = {width}, N = 64, 50 times: risk {trajectory.risk[-1]:.4g}, {solved:.1f} s, peak {peak():.2f} GB")
    begin = time.perf_counter()
    emerged = np.isfinite(trajectory.emergence_times()).sum()
    print(f"{emerged} emergence times in {time.perf_counter() - begin:.1f} s, peak {peak():.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", type=int, metavar="WIDTH", help="one width with N = 64 and its peak memory")
    width = parser.parse_args().large
    if width:
        return large(width)
    print("    M    N      flow  exact s products  ratio    DOP853 slower  alone    error")
    for width, neurons in ((64, 16), (128, 32), (256, 64), (1024, 64)):
        row(width, neurons, dense=width <= 256)
    return None


if __name__ == "__main__":
    main()
