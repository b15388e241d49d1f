"""The table of docs/derivatives.md: what the derivative of a risk costs, by flow, mode and size.

    OMP_NUM_THREADS=1 taskset -c 0 python -m tests.benchmarks.derivatives 3 16

From the root of a checkout. The risk at t = 4 is differentiated with respect to the teacher's a and all initial
overlaps: one gradient in reverse mode, one directional derivative in forward mode. "first" is the time to trace and to
compile, "again" that of the compiled derivative, and "MB" what it holds at once beside its arguments.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import jax
import numpy as np

import riccati as rc

DIM, END, GAMMA = 400, 4.0, 0.01
FLOWS = {
    "Riccati": (rc.Riccati(), "he2"),
    "Quadratic": (rc.Quadratic(), "he2"),
    "Decoupled": (rc.Decoupled(), "he3"),
    "Coupled, h_2": (rc.Coupled(), "he2"),
    "Coupled, h_3": (rc.Coupled(), "he3"),
    "Coupled, ReLU": (rc.Coupled(), "relu"),
    "Coupled, ReLU, two-layer": (rc.Coupled(), "relu"),
    "Correlation": (rc.Correlation(), "he3"),
    "FiniteStep, h_2, Stiefel": (rc.FiniteStep(GAMMA, constraint="stiefel"), "he2"),
    "FiniteStep, h_2": (rc.FiniteStep(GAMMA), "he2"),
    "FiniteStep, h_3, own pairs": (rc.FiniteStep(GAMMA), "he3"),
    "FiniteStep, h_3, all pairs": (rc.FiniteStep(GAMMA, pairs="all"), "he3"),
    "FiniteStep, ReLU, all pairs": (rc.FiniteStep(GAMMA, pairs="all"), "relu"),
}


def risk_of(name: str, size: int) -> tuple[Callable, tuple]:
    """The risk as a function of a and m at N = M = `size`, and a point."""
    flow, link = FLOWS[name]
    teacher = rc.Teacher.power_law(size, 0.7, rc.Link.named(link))
    start = rc.Start.random(teacher, size, DIM, norm=0.3, seed=1)

    def risk(a: jax.Array, m: jax.Array) -> jax.Array:
        begin = rc.Start(m, start.student_gram, start.norms, DIM)
        if "two-layer" in name:
            begin = begin.with_second_layer(0.3)
        return rc.solve(flow, rc.Teacher(a, teacher.link), begin, np.array([END])).risk[0]

    return risk, (teacher.a, start.teacher_overlaps)


def cost(derivative: Callable, point: tuple) -> tuple[float, float, float]:
    """Seconds of the processor to trace and compile, milliseconds to run, megabytes."""
    begun = time.process_time()
    compiled = jax.jit(derivative).lower(*point).compile()
    first = time.process_time() - begun
    times = []
    for _ in range(4):
        begun = time.perf_counter()
        jax.block_until_ready(compiled(*point))
        times.append(time.perf_counter() - begun)
    return first, 1e3 * min(times), compiled.memory_analysis().temp_size_in_bytes / 1e6


def main(sizes: list[int]) -> None:
    print(
        "| flow | N = M | solve, first (s), again (ms) | reverse | reverse, MB | forward |\n|---|---|---|---|---|---|"
    )
    for name in FLOWS:
        for size in sizes:
            risk, point = risk_of(name, size)
            plain = cost(risk, point)
            reverse = cost(jax.grad(risk, (0, 1)), point)
            forward = cost(lambda *x, risk=risk: jax.jvp(risk, x, tuple(0.1 * v for v in x)), point)
            cells = (f"{first:.2f}, {again:.3g}" for first, again, _ in (plain, reverse, forward))
            solve, back, ahead = cells
            print(f"| {name} | {size} | {solve} | {back} | {reverse[2]:.2g} | {ahead} |", flush=True)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [3, 16])
