"""Any link at step size γ/d: the coupled flow of all neurons with the second-order terms of a step.

With unit directions u_i, overlaps m (N, M), the Gram matrix p (N, N) of the directions' parts orthogonal to the
teacher, q = m mᵀ + p, squared norms s and C_il = E e²σ'(z_i)σ'(z_l) (second_moments.py), a step of size γ/d on the
2-homogeneous student has the limit d → ∞

    ds_i/dt = [gradient flow] + γ s_i C_ii,     dm_im/dt = [gradient flow] - (γ/2) C_ii m_im,
    dp_il/dt = [gradient flow] + γ C_il - (γ/2)(C_ii + C_ll) p_il,

because E <Δw_i, Δw_l> = (η²/B) r_i r_l C_il |x_⊥|² and |x_⊥|² ≈ d, while the noise along the teacher's span is not of
that order. The state is (m, p, log s): m itself, not Gram matrices, so no tolerance error makes a direction emerge.
Label noise Δ adds ΔE f*² E σ'(z_i)σ'(z_l) = ΔE f*² g'(q_il) to C_il. For σ = h_2 this is SGD on the weights of
quadratic.py; derivations/noise_moments.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...problem import Observables, Problem, Teacher
from .second_moments import Multigraphs, averaged_moments, counted_moments, graphs_of, is_counted, sobol_points
from .system import FiniteStepSystem, exploded, pace

_POINTS_RTOL = 1e-6  # averages over points have kinks of about this size


class NeuronState(NamedTuple):
    """The state of all neurons: directions by overlaps and Gram matrix, and norms.

    Attributes:
        m: (N, M), overlaps with the teacher.
        p: (N, N), Gram matrix of the unit directions' parts orthogonal to the teacher.
        log_s: (N,), log of the squared norms.
    """

    m: Float[Array, "N M"]
    p: Float[Array, "N N"]
    log_s: Float[Array, " N"]


class NoiseMoments(eqx.Module):
    """How C is computed: from the multigraphs of a finite series, or else by an average over points.

    Attributes:
        graphs: of the link, None where points are used.
        points: (n, M + N), Gaussian, None where graphs are.
    """

    graphs: Multigraphs | None
    points: Float[Array, "n D"] | None

    def __call__(
        self, teacher: Teacher, m: Float[Array, "N M"], p: Float[Array, "N N"], s: Float[Array, " N"]
    ) -> Array:
        """C (N, N)."""
        b = jnp.concatenate([-teacher.a, s])
        if self.graphs is None:
            assert self.points is not None
            return averaged_moments(teacher.link, self.points, b, m, p)
        q = m @ m.T + p
        R = jnp.block([[jnp.eye(teacher.width), m.T], [m, q]])
        return counted_moments(self.graphs, b, R, m.shape[0], teacher.link.coefficients.shape[0] - 1)


class NeuronSetting(NamedTuple):
    """The constants of the equations: the teacher, γ, and how C is computed."""

    teacher: Teacher
    gamma: Float[Array, ""]
    moments: NoiseMoments


def neuron_system(problem: Problem, gamma: float) -> FiniteStepSystem:
    """The system of all neurons of the 2-homogeneous student, in canonical time."""
    teacher, start = problem.teacher, problem.full_start
    counted = is_counted(teacher.link)
    points = None if counted else jax.device_put(sobol_points(teacher.width + start.student_width))
    moments = NoiseMoments(graphs_of(teacher.link) if counted else None, points)
    state, smallest = _begun(start.teacher_overlaps, start.residual_factor, start.norms)
    held, rate = jax.device_put((np.asarray(gamma, float), np.ones(())))
    least_rtol = 0.0 if counted else _POINTS_RTOL
    return FiniteStepSystem(
        neuron_velocity, _observe, state, NeuronSetting(teacher, held, moments), rate, smallest, least_rtol
    )


@jax.jit
def _begun(
    overlaps: Float[Array, "N M"], factor: Float[Array, "N N"], norms: Float[Array, " N"]
) -> tuple[NeuronState, Float[Array, ""]]:
    """The initial state; and of the largest overlap of each direction the smallest, which tolerances must resolve."""
    size = jnp.max(jnp.abs(overlaps), axis=0)
    smallest = jax.lax.stop_gradient(jnp.min(jnp.where(size > 0, size, 1.0)))
    return NeuronState(overlaps, factor @ factor.T, 2 * jnp.log(norms)), smallest


def _unit(state: NeuronState) -> tuple[Array, Array]:
    """m and p of directions scaled to unit length, from which rounding may have carried them."""
    length = jnp.sqrt(jnp.sum(state.m**2, axis=1) + jnp.diag(state.p))
    return state.m / length[:, None], state.p / (length[:, None] * length)


def neuron_velocity(_: Any, state: NeuronState, setting: NeuronSetting) -> NeuronState:
    """The right-hand sides of the module's equations: dm/dt, dp/dt and d log s/dt."""
    teacher, gamma, moments = setting
    a, link = teacher.a, teacher.link
    (m, p), s = _unit(state), jnp.exp(state.log_s)
    q = m @ m.T + p
    (g_m, slope_m), (g_q, slope_q) = link.dual_pair(m), link.dual_pair(q)
    pull, push = a * slope_m, s * slope_q
    along = jnp.sum(pull * m, axis=1) - jnp.sum(push * q, axis=1)
    C = moments(teacher, m, p, s)
    if teacher.noise is not None:
        C += teacher.label_variance * slope_q
    slow = pace(gamma, jnp.max(s))
    # each neuron's own rate along itself: what its direction loses, and half of what its norm gains by noise
    drag = along + gamma / 2 * jnp.diag(C)
    pushed = push @ p
    return NeuronState(
        slow * (pull - push @ m - drag[:, None] * m),
        slow * (gamma * C - pushed - pushed.T - (drag[:, None] + drag) * p),
        slow * (4 * (g_m @ a - g_q @ s) + gamma * jnp.diag(C)),
    )


def _observe(state: NeuronState, setting: NeuronSetting) -> Observables:
    """Risk, the largest squared overlap of each direction, and the s of that neuron."""
    a, link = setting.teacher.a, setting.teacher.link
    (m, p), s = _unit(state), jnp.exp(state.log_s)
    second_moment = setting.teacher.second_moment
    excess = second_moment - 2 * s @ link.dual(m) @ a + s @ link.dual(m @ m.T + p) @ s
    # rounding, and a p that the integrator has carried below 0, may carry them past their bounds
    risk = jnp.where(exploded(setting.gamma, jnp.max(s)), jnp.inf, jnp.maximum(excess, 0.0) / second_moment)
    return Observables(risk, jnp.minimum(jnp.max(m**2, axis=0), 1.0), s[jnp.argmax(m**2, axis=0)])
