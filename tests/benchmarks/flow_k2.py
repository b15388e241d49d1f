"""The exact k = 2 flow against dense integrators, and against its own matrix products.

    OMP_NUM_THREADS=1 taskset -c 0 python tests/benchmarks/flow_k2.py [--large]

One thread. Integrators solve dG/dτ = AG + GA - 2GAG to the same horizon, past the emergence of direction min(N, M),
at rtol 1e-12, which comes closest to the accuracy of the exact flow; where that takes too long they are timed on a
part of the horizon and extrapolated by time, which the table says. The error of each against the exact diag G is given
beside its time. `--large` runs M = 10⁶ instead, with its peak memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import numpy as np
from scipy.integrate import solve_ivp

import riccati as rc

OUTPUTS = 200
PATIENCE = 60.0  # seconds an integrator may take before it is extrapolated
RTOL = 1e-12


def problem(width: int, neurons: int) -> tuple[rc.Teacher, rc.Start, np.ndarray]:
    teacher = rc.Teacher.power_law(width, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, neurons, 4 * width, seed=0)
    last = 2 * float(rc.default_times(rc.Riccati(), teacher, start)[-1])
    return teacher, start, np.linspace(last / OUTPUTS, last, OUTPUTS)  # Riccati time


def timed(run, repeats: int = 3) -> float:
    run()
    clocked = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        clocked.append(time.perf_counter() - begin)
    return min(clocked)


def exact_time(teacher: rc.Teacher, start: rc.Start, tau: np.ndarray) -> float:
    return timed(lambda: rc.solve(rc.Riccati(), teacher, start, tau / 2).risk.block_until_ready())


def products_time(width: int, neurons: int) -> float:
    """The matrix products of one output time, times the number of outputs: Bᵀ[B, αB] and the rows L^{-1}b."""
    import jax

    B = jax.random.normal(jax.random.key(0), (width, neurons))
    W = jax.random.normal(jax.random.key(1), (neurons, neurons))
    products = jax.jit(lambda B, W: (B.T @ B, B.T @ (B + 1.0), B @ W))
    return OUTPUTS * timed(lambda: jax.block_until_ready(products(B, W)), 10)


def integrator_time(teacher, start, tau, method) -> tuple[float, float, float]:
    """Seconds for the whole horizon, the part of it that was timed, and the error of diag G there."""
    a, width = np.asarray(teacher.a), teacher.width
    Z = np.linalg.qr(np.asarray(start.directions).T)[0][:width]
    G0 = Z @ Z.T

    def velocity(_, flat):
        G = flat.reshape(width, width)
        return (a[:, None] * G + G * a - 2 * G @ (a[:, None] * G)).ravel()

    def run(times):
        begin = time.perf_counter()
        if method == "diffrax":
            from riccati.flows import dense_velocity
            from riccati.numerics import integrate

            out = integrate(dense_velocity, G0, a, times, RTOL, RTOL * np.diag(G0).min())
            diagonal = np.diagonal(np.asarray(out), axis1=1, axis2=2)
        else:
            out = solve_ivp(
                velocity, (0, times[-1]), G0.ravel(), method, times, rtol=RTOL, atol=RTOL * np.diag(G0).min()
            )
            diagonal = out.y.T[:, :: width + 1]
        return time.perf_counter() - begin, diagonal

    part = 2
    if method == "diffrax":
        run(tau[:part])
    while True:
        seconds, diagonal = run(tau[:part])
        if part == OUTPUTS or seconds * 2 > PATIENCE:
            break
        part = min(OUTPUTS, max(part + 1, int(part * min(8.0, PATIENCE / (2 * seconds)))))
    exact = rc.solve(rc.Riccati(), teacher, start, tau[:part] / 2).alignment
    return seconds * OUTPUTS / part, part / OUTPUTS, float(np.abs(diagonal - exact).max())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true", help="M = 10⁶, N = 64 with peak memory, alone")
    if parser.parse_args().large:
        return large()
    print(
        f"{'M':>5} {'N':>4} {'exact s':>8} {'products':>8} {'ratio':>6}   "
        "integrator: seconds (part timed), times slower, error"
    )
    for width, neurons in ((64, 16), (128, 32), (256, 64), (1024, 64), (2048, 256)):
        teacher, start, tau = problem(width, neurons)
        exact, products = exact_time(teacher, start, tau), products_time(width, neurons)
        row = f"{width:>5} {neurons:>4} {exact:>8.3f} {products:>8.3f} {exact / products:>6.2f}  "
        for method in ("DOP853", "RK45", "diffrax") if width <= 256 else ("RK45",) if width == 1024 else ():
            seconds, part, error = integrator_time(teacher, start, tau, method)
            row += f" {method}: {seconds:.1f} s ({part:.0%}), {seconds / exact:.0f}x, {error:.0e};"
        print(row, flush=True)
    return None


def large() -> None:
    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    teacher = rc.Teacher.power_law(10**6, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 64, 4 * 10**6, seed=0)
    begin = time.perf_counter()
    trajectory = rc.solve(rc.Riccati(), teacher, start, np.geomspace(1, 2560, 50))
    risk = float(trajectory.risk[-1])
    print(f"M = 10⁶, N = 64, 50 times: risk {risk:.4g} after {time.perf_counter() - begin:.0f} s, peak {peak():.2f} GB")
    emerged = np.isfinite(trajectory.emergence_times()).sum()
    print(f"{emerged} emergence times after {time.perf_counter() - begin:.0f} s, peak {peak():.2f} GB")


if __name__ == "__main__":
    main()
