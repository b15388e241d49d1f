"""Automatic deflation: neurons turn, then grow; a direction that is learned no longer pulls on the other neurons."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import riccati as rc
from riccati.flows import Neurons, coupled_velocity
from riccati.plot import shades, sheet, spread_out

from ._ensembles import integrated, random_problem
from ._figure import Arrays, Data, Fact, Piece, chosen, piece, sourced

SEE = "each neuron turns to its direction, then its norm grows to a_m, and the direction is gone for the others"
FULL = "7 s and 0.4 GB on one core (measured); 12 directions"


_MOST_STEPS = 2**20  # learned neurons are stiff, and the last may be long in coming


@dataclass(frozen=True)
class Parameters:
    """The full gradient flow of a small problem, neuron by neuron."""

    degree: int = sourced(4, source="RNWL25's experiment: h_4")
    beta: float = sourced(0.8, source="RNWL25's experiment")
    teacher_width: int = chosen(4, 12)
    student_width: int = chosen(4, 12)
    dim: int = chosen(256, 2048)
    norm: float = chosen(0.05)
    points: int = chosen(250)
    seed: int = chosen(1)


def pieces(p: Parameters) -> dict[str, Piece]:
    """One flow."""
    return {"flow": piece(_flow, p)}


def _flow(p: Parameters) -> Arrays:
    teacher, start = random_problem(p, p.degree, p.norm)
    predicted = np.asarray(rc.Decoupled().emergence_times_of(teacher, start))
    times = np.geomspace(predicted.min() / 3, 1.5 * predicted.max(), p.points)
    state = Neurons(start.directions, 2 * jnp.log(start.norms))
    states = integrated(
        coupled_velocity, state, teacher, times, 1e-8, 1e-9, largest_component=True, max_steps=_MOST_STEPS
    )
    return {
        "times": times,
        "directions": np.asarray(states.U),
        "size": np.exp(np.asarray(states.log_s)),
        "a": np.asarray(teacher.a),
        "neuron": np.asarray(start.assignment(teacher)),
    }


def residual(curves: Arrays, degree: int) -> np.ndarray:
    """1 - Σ_i s_i m_im^k/a_m, (T, M): what is left of a direction."""
    m = curves["directions"][:, :, : len(curves["a"])]
    return 1 - np.einsum("ti,tim->tm", curves["size"], m**degree) / curves["a"]


def pull(curves: Arrays, degree: int) -> np.ndarray:
    """The pull of direction 1 on the last direction's neuron, over what it was with nothing learned; (T,)."""
    own, other = curves["neuron"][0], curves["neuron"][-1]
    m = curves["directions"][:, other, 0]
    q = np.einsum("td,td->t", curves["directions"][:, own], curves["directions"][:, other])
    along = curves["directions"][:, own, 0]
    return 1 - curves["size"][:, own] * q ** (degree - 1) * along / (curves["a"][0] * m ** (degree - 1))


def draw(data: Data, width: float) -> Figure:
    """Direction, norm and residual against time."""
    p, curves = data.parameters, data["flow"]
    figure, (left, middle, right) = sheet(width, 3, 0.9)
    rest = residual(curves, p.degree)
    labelled = spread_out(p.teacher_width)
    for m, colour in enumerate(shades(p.teacher_width)):
        i = curves["neuron"][m]
        left.semilogx(curves["times"], curves["directions"][:, i, m] ** 2, color=colour)
        middle.semilogx(curves["times"], curves["size"][:, i], color=colour)
        middle.axhline(curves["a"][m], color=colour, lw=0.7, ls=":")
        right.semilogx(curves["times"], rest[:, m], color=colour)
        if m in labelled:
            at = (1.0, curves["a"][m])
            middle.annotate(
                f"$m={m + 1}$", at, xycoords=("axes fraction", "data"), textcoords="offset points", xytext=(2, 0),
                va="center", fontsize=7, color=colour, annotation_clip=False,
            )  # fmt: skip
    left.set(ylabel="its squared overlap", title="first it turns", ylim=(-0.03, 1.03))
    middle.set(ylabel="squared norm $s$", title="then it grows to $a_m$ (dots)", ylim=(0, None))
    right.set(ylabel="residual, $/a_m$", title="and the direction is gone", ylim=(-0.03, 1.05))
    for axes in (left, middle, right):
        axes.set_xlabel("time $t$")
    return figure


def fact(data: Data) -> Fact:
    """The pull of the first direction at the last one's emergence, and squared norms over a_m at the end."""
    p, curves = data.parameters, data["flow"]
    i = curves["neuron"][-1]
    before = np.searchsorted(curves["directions"][:, i, p.teacher_width - 1] ** 2, 0.25) - 1
    grown = curves["size"][-1, curves["neuron"]] / curves["a"]
    return Fact(
        "once a direction is learned its pull on other neurons is cancelled, and its neuron's squared norm is a_m",
        [float(pull(curves, p.degree)[before]), float(np.median(grown))],
        [0.0, 1.0],
        0.05,
        {"the correlation loss, no deflation": [1.0, 1.0], "norms that stay as they were": [0.0, p.norm**2]},
    )
