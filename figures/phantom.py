"""The trap beside the exact flow: a dense integration of G turns its tolerance into rank, and directions "emerge"."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.flows import dense_velocity
from riccati.numerics import integrate
from riccati.plot import COLOURS, shades, sheet

from ._ensembles import flow, random_problem
from ._figure import Arrays, Data, Fact, Piece, chosen, piece

SEE = "integrated densely, G grows past its rank N and unlearned directions emerge; a tighter tolerance only delays it"
FULL = "a minute and 0.5 GB on one core (measured); M = 128, N = 32, d = 512"


@dataclass(frozen=True)
class Parameters:
    """A teacher wider than the student, and tolerances of the dense integration."""

    beta: float = chosen(0.5)
    teacher_width: int = chosen(24, 128)
    student_width: int = chosen(6, 32)
    dim: int = chosen(128, 512)
    tolerances: tuple = chosen((1e-6, 1e-8, 1e-10, 1e-12))
    horizon: float = chosen(60.0, 150.0)
    points: int = chosen(240)
    seed: int = chosen(0)


def _problem(p: Parameters) -> tuple[rc.Teacher, rc.Start, np.ndarray]:
    return *random_problem(p, 2, 1.0), np.linspace(0.01 * p.horizon, p.horizon, p.points)


def pieces(p: Parameters) -> dict[str, Piece]:
    """The exact flow, and the dense equation at each tolerance."""
    return {"exact": piece(_exact, p)} | {f"rtol={rtol:g}": piece(_dense, rtol, p) for rtol in p.tolerances}


def _exact(p: Parameters) -> Arrays:
    teacher, start, times = _problem(p)
    return flow(rc.Riccati(), teacher, start, times) | {"a": np.asarray(teacher.a)}


def _dense(rtol: float, p: Parameters) -> Arrays:
    """diag G of dG/dτ = AG + GA - 2GAG by diffrax, as long as it is finite; τ = 2t."""
    teacher, start, times = _problem(p)
    Z = np.linalg.qr(np.asarray(start.directions).T)[0][: p.teacher_width]
    G = jnp.asarray(Z @ Z.T)
    out = integrate(dense_velocity, G, teacher.a, jnp.asarray(2 * times), rtol, rtol * float(jnp.diag(G).min()))
    return {"times": times, "alignment": np.asarray(jnp.diagonal(out.states, axis1=1, axis2=2))}


def lost(curves: Arrays, neurons: int) -> float:
    """When the trace is first off N by a half, after it had come near: noise has turned into rank, or has exploded."""
    trace = curves["alignment"].sum(axis=1)
    near = int(np.argmax(trace > neurons - 0.25))
    off = ~(np.abs(trace[near:] - neurons) < 0.5)
    return float(curves["times"][near + int(np.argmax(off))]) if off.any() else np.inf


def draw(data: Data, width: float) -> Figure:
    """Traces on the left, the first unlearned direction on the right."""
    p, exact = data.parameters, data["exact"]
    figure, (left, right) = sheet(width, 2)
    for rtol, colour in zip(p.tolerances, shades(len(p.tolerances)), strict=True):
        curves = data[f"rtol={rtol:g}"]
        label = f"$10^{{{np.log10(rtol):.0f}}}$"
        left.plot(curves["times"], curves["alignment"].sum(axis=1), "--", color=colour)
        right.plot(curves["times"], curves["alignment"][:, p.student_width], "--", color=colour, label=label)
    left.plot(exact["times"], exact["alignment"].sum(axis=1), color=COLOURS[2], lw=2)
    right.plot(exact["times"], exact["alignment"][:, p.student_width], color=COLOURS[2], lw=2, label="exact")
    right.legend(title="dense, tolerance", loc="upper left")
    left.set(xlabel="time $t$", ylabel=r"$\mathrm{tr}\,G$",
             title=f"beyond its rank $N={p.student_width}$, until it explodes",
             ylim=(0, 1.6 * p.student_width), xlim=(0, p.horizon))  # fmt: skip
    right.set(xlabel="time $t$", ylabel=f"$G_{{mm}}$, $m=N+1={p.student_width + 1}$", title="a phantom emergence",
              ylim=(-0.03, 1.03), xlim=(0, p.horizon))  # fmt: skip
    return figure


def fact(data: Data) -> Fact:
    """How much later the rank is lost for each factor e of tolerance, in units of 1/(4a_{N+1})."""
    p = data.parameters
    a = data["exact"]["a"][p.student_width]
    when = [lost(data[f"rtol={rtol:g}"], p.student_width) for rtol in p.tolerances]
    delay = float(np.polyfit(-np.log(p.tolerances), when, 1)[0]) * 4 * a
    excess = float(data["exact"]["alignment"].sum(axis=1).max()) - p.student_width
    return Fact(
        "rank is lost after a time logarithmic in the tolerance, at the first unlearned direction's rate 4a_{N+1}",
        [delay, max(excess, 0.0)],
        [1.0, 0.0],
        0.25,
        {"a tolerance small enough cures it": [3.0, 0.0], "growth at the first direction's rate": [
            float(a / data["exact"]["a"][0]), 0.0]},
    )  # fmt: skip
