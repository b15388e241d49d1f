"""Committee machines at step size γ/d: weights of any norms and any link, with the second-order terms of a step.

A sample moves w_i by η b_i e σ'(z_i) x, z_i = <x, w_i>, so that the limit d → ∞ of f = Σ b_i σ(<x, w_i>) is the
gradient flow of flows/reduced_coordinates/committee.py with

    d<w_i, w_l>/dt ∋ γ b_i b_l C_il,      C_il = E (e² + ΔE f*²) σ'(z_i)σ'(z_l)

on the parts orthogonal to the teacher, where the noise is of order |x|²/d²; overlaps with it have none. These are the
equations of Saad & Solla 1995 (Phys. Rev. E 52, 4225) with their terms of order η², and of Goldt et al. 2019
(arXiv 1906.08632) with label noise, in their time α = steps/d multiplied by γ. With A (N, K) the weights' coordinates
along the teacher's, P_g the Gram matrices of their other parts, one for each group of equal eigenvalues λ_g of the
input's covariance, and S = ∂L/∂Q + (∂L/∂Q)ᵀ,

    dA/dt = -(∂L/∂A)Λ - λA,      dP_g/dt = -λ_g(SP_g + P_gS) - 2λP_g + γ λ_g² n_g/d bbᵀ∘C,

n_g coordinates in each. On the sphere each w_i loses what is along it, noise included. C is

    erf(√s z)     in closed form: σ' is Gaussian, and tilts the law of the other two, whose average is K
    polynomials   of degree ≤ 6, exact: the multigraphs of second_moments.py with the stretched link's coefficients
    other links   an average over Sobol points, with an error of about 10⁻³.

Derived in derivations/committee.py and derivations/noise_moments.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...problem import (
    ERF_SCALES,
    Observables,
    Problem,
    Start,
    Teacher,
    coefficient_rows,
    committee_excess,
    committee_moment,
    pair_average,
    stretched,
)
from ..reduced_coordinates import PLAIN, Training
from .all_pairs import POINTS_RTOL, NeuronSetting, emerged, setting_of
from .second_moments import (
    Multigraphs,
    averaged_moments,
    counted_moments,
    graphs_of,
    is_counted,
    sobol_points,
)
from .system import FiniteStepSystem, exploded, pace, start_of_gram


class CommitteeNoiseState(NamedTuple):
    """The state of a committee machine by Gram matrices.

    Attributes:
        along: (N, K), the weights' coordinates along those that hold the teacher's directions.
        rest: (G, N, N), Gram matrices of their other parts, one for each group of equal eigenvalues.
        b: (N,), the second layer.
    """

    along: Float[Array, "N K"]
    rest: Float[Array, "G N N"]
    b: Float[Array, " N"]

    @property
    def gram(self) -> Float[Array, "N N"]:
        """Q = WWᵀ."""
        return self.along @ self.along.T + jnp.sum(self.rest, axis=0)


class CommitteeMoments(eqx.Module):
    """How C is computed: in closed form for erf, from multigraphs for short polynomials, or else by points.

    Attributes:
        graphs: of the stretched links; None where they are not used.
        points: (n, K + N), Gaussian; None likewise.
    """

    graphs: Multigraphs | None
    points: Float[Array, "n D"] | None

    @classmethod
    def of(cls, teacher: Teacher, dimensions: int) -> CommitteeMoments:
        """That of a teacher's links, with points of so many dimensions."""
        links = teacher.links or ()
        if all(is_counted(link) for link in (teacher.link, *links)):
            return cls(graphs_of(teacher.link, links, stretched=True), None)
        if teacher.link.closed_form is not None and teacher.link.closed_form.name in ERF_SCALES:
            return cls(None, None)
        return cls(None, jax.device_put(sobol_points(dimensions)))

    @property
    def is_exact(self) -> bool:
        """Whether C is exact to rounding."""
        return self.points is None

    def __call__(self, teacher: Teacher, state: CommitteeNoiseState, b: Float[Array, " N"]) -> Float[Array, "N N"]:
        """E e²σ'(z_i)σ'(z_l), with the second layer b in the residual."""
        if self.points is not None:
            return averaged_moments(teacher, self.points, b, state.along, jnp.sum(state.rest, axis=0))
        overlaps = teacher.overlaps(state.along)
        covariance = jnp.block([[teacher.gram, overlaps.T], [overlaps, state.gram]])
        signed = jnp.concatenate([-teacher.a, b])
        if self.graphs is None:
            return erf_moments(teacher, signed, covariance, len(b))
        student = stretched(teacher.link, jnp.diag(state.gram)).T
        theirs = coefficient_rows(teacher.links or (teacher.link,) * teacher.width, len(student)).T
        # E σ'(λz)h_j(z) = √(j+1) c_{j+1}(λ)/λ
        slopes = student[1:] * np.sqrt(np.arange(1.0, len(student)))[:, None]
        return counted_moments(self.graphs, signed * jnp.concatenate([theirs, student], axis=1), slopes, covariance)


def erf_moments(
    teacher: Teacher, signed: Float[Array, " D"], covariance: Float[Array, "D D"], neurons: int
) -> Float[Array, "N N"]:
    """E e²σ'(y_i)σ'(y_l) of erf(√s z) for e = Σ_n signed_n σ(y_n), over all pairs of the last `neurons` of the y.

    σ'(y_i)σ'(y_l) = (4s/π) exp(-s y_i² - s y_l²) leaves the y Gaussian, with the covariance
    Σ - Σ_(·,il)(1/(2s) + Σ_(il,il))^-1 Σ_(il,·), and has the mean (4s/π) det(1 + 2sΣ_(il,il))^(-1/2). So each pair of
    the sum is an average K of the link. These are the averages I_4 of Saad & Solla 1995.
    """
    assert teacher.link.closed_form is not None
    s = ERF_SCALES[teacher.link.closed_form.name]
    own = covariance[-neurons:, -neurons:]
    diagonal = jnp.diag(own) + 1 / (2 * s)
    determinant = diagonal[:, None] * diagonal - own**2
    across = covariance[:, -neurons:].T  # (N, D)

    def tilted(first: Array, second: Array) -> Array:
        """The covariance of y_n and y_n' under the tilt of i and l, from Σ_in and Σ_in', (N, N, …)."""
        one, other = first[:, None], first[None, :]
        left, right = second[:, None], second[None, :]
        shape = (neurons, neurons, *(1,) * (one.ndim - 2))
        d, det, off = diagonal, determinant.reshape(shape), own.reshape(shape)
        by_l, by_i = d[None, :].reshape(1, neurons, *shape[2:]), d[:, None].reshape(neurons, 1, *shape[2:])
        return (by_l * one * left - off * (one * right + other * left) + by_i * other * right) / det

    variances = jnp.diag(covariance) - tilted(across, across)
    shared = covariance - tilted(across[:, :, None], across[:, None, :])
    K = pair_average(teacher.link, variances[..., :, None], shared, variances[..., None, :])
    mean = 2 / (jnp.pi * jnp.sqrt(determinant))  # (4s/π)/√(4s² determinant)
    return mean * jnp.einsum("n,ilnm,m->il", signed, K, signed)


def committee_system(problem: Problem, gamma: float, training: Training = PLAIN) -> FiniteStepSystem:
    """The system of a committee machine, in canonical time."""
    teacher, start = problem.teacher, problem.full_start
    assert start.second_layer is not None
    moments = CommitteeMoments.of(teacher, teacher.frame_dim + start.student_width)
    setting, belongs = setting_of(problem, gamma, training, moments)
    along, rest, smallest = _begun(
        start.teacher_coordinates, start.teacher_overlaps, start.residual_factor, belongs, start.norms
    )
    state = CommitteeNoiseState(along, rest, start.second_layer)
    least_rtol = 0.0 if moments.is_exact else POINTS_RTOL
    rate = jax.device_put(np.ones(()))
    return FiniteStepSystem(committee_noise_velocity, _observe, state, setting, rate, smallest, least_rtol)


@jax.jit
def _begun(
    along: Float[Array, "N K"], overlaps: Float[Array, "N M"], factor: Float[Array, "N R"],
    belongs: Float[Array, "G R"], norms: Float[Array, " N"],
) -> tuple[Float[Array, "N K"], Float[Array, "G N N"], Float[Array, ""]]:  # fmt: skip
    """The initial A and P_g; and of the largest overlap of each direction the smallest, times the smallest norm."""
    size = jnp.max(jnp.abs(overlaps), axis=0)
    smallest = jax.lax.stop_gradient(jnp.min(jnp.where(size > 0, size, 1.0)) * jnp.min(norms))
    W = norms[:, None] * factor
    return norms[:, None] * along, (W * belongs[:, None]) @ W.T, smallest


def committee_noise_velocity(_: Any, state: CommitteeNoiseState, setting: NeuronSetting) -> CommitteeNoiseState:
    """The right-hand sides of the module's equations: dA/dt, dP/dt and db/dt."""
    teacher, free, decay, rest_speeds = setting.teacher, setting.free, setting.weight_decay, setting.rest_speeds

    def minus_loss(along: Array, rest: Array, b: Array) -> Float[Array, ""]:
        gram = along @ along.T + rest
        return -0.5 * committee_excess(teacher, gram, teacher.overlaps(along), b, setting.interaction)

    A, P, b = state
    pull, half, b_pull = jax.grad(minus_loss, argnums=(0, 1, 2))(A, jnp.sum(P, axis=0), b)
    moved, pushed = setting.speeds * pull, rest_speeds[:, None, None] * ((half + half.T) @ P)
    gram = state.gram
    own = jnp.diag(gram)
    slopes = jax.grad(lambda shared: jnp.sum(pair_average(teacher.link, own[:, None], shared, own)))(gram)
    C = setting.moments(teacher, state, setting.interaction * b) + teacher.label_variance * slopes
    added = (setting.gamma * setting.shares * rest_speeds**2)[:, None, None] * (b[:, None] * b * C)
    # on the sphere: what each neuron gains along itself, relative to |w|²
    gained = jnp.sum(A * moved, axis=1) + jnp.sum(jnp.diagonal(pushed + added / 2, axis1=1, axis2=2), axis=0)
    lost = decay + (1 - free) * (gained / own - decay)
    slow = pace(setting.gamma, _size(teacher, state))
    return CommitteeNoiseState(
        slow * (moved - lost[:, None] * A),
        slow * (pushed + pushed.mT + added - (lost[:, None] + lost) * P),
        slow * free * (setting.second_layer_rate * b_pull - setting.second_layer_decay * b),
    )


def start_of_committee(problem: Problem, state: CommitteeNoiseState, setting: NeuronSetting) -> Start:
    """The committee machine in this state, on isotropic input, as a start."""
    gram = state.gram
    norms = jnp.sqrt(jnp.diag(gram))
    overlaps, units = setting.teacher.overlaps(state.along) / norms[:, None], gram / jnp.outer(norms, norms)
    return start_of_gram(problem, overlaps, units, norms, state.b)


def _size(teacher: Teacher, state: CommitteeNoiseState) -> Float[Array, ""]:
    """The largest root mean square of a neuron's output, |b_i| (E σ²)^½."""
    own = jnp.diag(state.gram)
    return jnp.max(jnp.abs(state.b) * jnp.sqrt(jnp.maximum(pair_average(teacher.link, own, own, own), 0.0)))


def _observe(state: CommitteeNoiseState, setting: NeuronSetting) -> Observables:
    """Risk, the squared overlap that emerges for this link, and the radius, as in `observe_committee`."""
    teacher, gram, overlaps = setting.teacher, state.gram, setting.teacher.overlaps(state.along)
    squares = jnp.diag(gram)
    norms = jnp.sqrt(squares)
    left = jnp.maximum(committee_moment(teacher) + committee_excess(teacher, gram, overlaps, state.b), 0.0)
    risk = jnp.where(exploded(setting.gamma, _size(teacher, state)), jnp.inf, left / teacher.second_moment)
    m, q = overlaps / norms[:, None], gram / (norms[:, None] * norms)
    return Observables(risk, *emerged(teacher, m, q, state.b * squares, squares))
