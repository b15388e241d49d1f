"""The gradient flow of a student in reduced coordinates, for both parametrisations and any covariance of the input.

With directions U, m_im = <u_i, θ_m>, q = U Uᵀ, X_i = Σ_m a_m g_m(m_im) - Σ_l s_l g(q_il) and

    F_i = Σ_m a_m g_m'(m_im) (θ_m - m_im u_i) - Σ_l s_l g'(q_il) (u_l - q_il u_i),

the flow on isotropic input is, for weights w_i = |w_i| u_i,

    2-homogeneous, f = Σ |w_i|² σ(<x, u_i>), s_i = |w_i|²:    du_i/dt = F_i,               ds_i/dt = 4 s_i X_i
    two-layer, f = Σ b_i σ(<x, w_i>), s_i = b_i |w_i|:        du_i/dt = (b_i/|w_i|) F_i,   d|w_i|/dt = b_i X_i,
                                                              db_i/dt = κ |w_i| X_i.

κ is the second layer's learning rate over the first's, 0 where it is frozen. These two-layer equations are of links
with σ(λz) = λσ(z), λ > 0, and keep b_i² - κ|w_i|²; those of all other links are in committee.py. With an output scale c
b_i stands for c b_i, and moves with κc² for κ, decay apart. On the sphere |w_i| and b_i are fixed and u_i moves as
above; on the correlation loss the sums over l are left out; weight decay λ adds -λw_i to dw_i/dt and -κλb_i to db_i/dt.
Under the covariance Σ the whitened weights move by Σ times that, decay apart, so that with y_i the isotropic dw_i/dt
divided by |w_i|,

    du_i/dt = Σy_i - <u_i, Σy_i> u_i,        d log |w_i|/dt = <u_i, Σy_i>.

For σ = c h_2, g(q) = c²q², the 2-homogeneous student has the cheaper

    y_i = 2c² [Σ_m a_m m_im θ_m - Σ_l s_l q_il u_l],

that is dw_i/dt = 2c² Σ(S* - Σ_l w_l w_lᵀ)w_i with S* = Σ_m a_m θ_m θ_mᵀ, and no dual activation at each pair.

Derived in derivations/population_gradient.py, derivations/anisotropic.py, derivations/two_layer.py,
derivations/sphere.py and derivations/momentum.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...numerics import log_odds
from ...problem import Observables, Problem, Start, Teacher, population_risk, squared_overlaps
from .committee import committee_velocity, observe_committee, spherical_committee_velocity
from .states import CommitteeState, Neurons, OnSphere, StudentSetting, StudentState, TwoLayerState
from .training import PLAIN, Training


class Student(NamedTuple):
    """A student's flow in the form that an integrator needs.

    Attributes:
        velocity: `velocity(t, state, args)`, a function of this module's top level, so that it compiles once.
        state: one of the states of states.py.
        args: the velocity's constants, the teacher or a `StudentSetting`.
        overlap: which squared overlaps are observed, as in `squared_overlaps`.
    """

    velocity: Callable
    state: StudentState
    args: Any
    overlap: str | None

    @property
    def teacher(self) -> Teacher:
        """The teacher."""
        return self.args.teacher if isinstance(self.args, StudentSetting) else self.args


def student_of(
    problem: Problem, log_s: Float[Array, " N"], overlap: str | None = None, training: Training = PLAIN
) -> Student:
    """The flow of the problem's student from its start; `log_s` is 2 log |w|."""
    start, speeds, rate, decay = problem.full_start, problem.speeds, training.second_layer_rate, training.weight_decay
    numbers = (rate * start.output_scale**2, decay, not training.correlation, rate * decay)
    setting = StudentSetting(problem.teacher, speeds, *(jax.device_put(np.asarray(each, float)) for each in numbers))
    if problem.is_committee:
        assert start.second_layer is not None
        velocity = spherical_committee_velocity if training.on_sphere else committee_velocity
        return Student(velocity, CommitteeState(start.weights, start.second_layer), setting, overlap)
    if training.on_sphere:
        return Student(spherical_velocity, _on_sphere_at(start), setting, overlap)
    if start.second_layer is not None:
        state = TwoLayerState(start.directions, log_s / 2, start.second_layer)
        return Student(two_layer_velocity, state, setting, overlap)
    neurons = Neurons(start.directions, log_s)
    if problem.teacher.links is None and problem.teacher.link.degree == 2:
        return Student(quadratic_velocity, neurons, setting, overlap)
    if speeds is None and training == PLAIN:
        return Student(coupled_velocity, neurons, problem.teacher, overlap)
    return Student(anisotropic_velocity, neurons, setting, overlap)


def coupled_velocity(_: Any, state: Neurons, teacher: Teacher) -> Neurons:
    """du_i/dt and d log s_i/dt, 2-homogeneous on isotropic input."""
    _, F, X = _forces(teacher, state.U, state.s)
    return Neurons(F, 4 * X)


def quadratic_velocity(_: Any, state: Neurons, setting: StudentSetting) -> Neurons:
    """du_i/dt and d log s_i/dt for the link c h_2, on any input."""
    teacher, U = setting.teacher, on_sphere(state.U)
    pull = teacher.combined(teacher.a * teacher.overlaps(U))
    y = _widened(pull, U) - (U @ U.T * (setting.interaction * state.s)) @ U
    turned, grown = _turned_and_grown(U, 2 * teacher.link.dual(1.0) * y, setting.speeds)
    return Neurons(turned, 2 * (grown - setting.weight_decay))


def anisotropic_velocity(_: Any, state: Neurons, setting: StudentSetting) -> Neurons:
    """du_i/dt and d log s_i/dt, 2-homogeneous under a covariance, with weight decay, on either loss."""
    U, F, X = _forces(setting.teacher, state.U, setting.interaction * state.s)
    turned, grown = _turned_and_grown(U, F + 2 * X[:, None] * U, setting.speeds)
    return Neurons(turned, 2 * (grown - setting.weight_decay))


def spherical_velocity(_: Any, state: OnSphere, setting: StudentSetting) -> OnSphere:
    """du_i/dt = pace_i F_i; all else stays."""
    _, F, _ = _forces(setting.teacher, state.U, setting.interaction * state.s)
    return OnSphere(state.pace[:, None] * F, jnp.zeros_like(state.s), jnp.zeros_like(state.pace))


def _on_sphere_at(start: Start) -> OnSphere:
    b = start.second_layer
    pace = jnp.ones_like(start.norms) if b is None else b / start.norms
    return OnSphere(start.directions, start.amplitudes, pace)


def two_layer_velocity(_: Any, state: TwoLayerState, setting: StudentSetting) -> TwoLayerState:
    """du_i/dt, d log |w_i|/dt and db_i/dt of the standard parametrisation."""
    U, F, X = _forces(setting.teacher, state.U, setting.interaction * state.s)
    norm = jnp.exp(state.log_norm)
    turned, grown = _turned_and_grown(U, (state.b / norm)[:, None] * (F + X[:, None] * U), setting.speeds)
    b_rate = setting.second_layer_rate * norm * X - setting.second_layer_decay * state.b
    return TwoLayerState(turned, grown - setting.weight_decay, b_rate)


def _turned_and_grown(U: Array, y: Array, speeds: Array | None) -> tuple[Array, Array]:
    """Σy without its part along u, and <u, Σy>."""
    moved = y if speeds is None else speeds * y
    along = jnp.sum(U * moved, axis=1)
    return moved - along[:, None] * U, along


def on_sphere(U: Float[Array, "N D"]) -> Float[Array, "N D"]:
    """U with its rows scaled to unit length, so that rounding cannot carry them off the sphere."""
    return U / jnp.linalg.norm(U, axis=1, keepdims=True)


def _forces(teacher: Teacher, U: Array, s: Array) -> tuple[Array, Array, Array]:
    """U with rows of unit length, F and X of the module's equations."""
    a, link = teacher.a, teacher.link
    U = on_sphere(U)
    m, q = teacher.overlaps(U), U @ U.T
    (g_m, slope_m), (g_q, slope_q) = teacher.dual_pair(m), link.dual_pair(q)
    pull, push = a * slope_m, s * slope_q
    along = jnp.sum(pull * m, axis=1) - jnp.sum(push * q, axis=1)
    return U, _widened(teacher.combined(pull), U) - push @ U - along[:, None] * U, g_m @ a - g_q @ s


def _widened(pull: Array, U: Array) -> Array:
    """Vectors in the teacher's span in all coordinates of U; a sum into a part of an array compiles to a loop."""
    return jnp.pad(pull, ((0, 0), (0, U.shape[1] - pull.shape[1])))


def observe(teacher: Teacher, state: StudentState, overlap: str | None) -> Observables:
    """The observables of a state: risk, alignment by the definition `overlap`, and radius."""
    if isinstance(state, CommitteeState):
        risk, alignment, radius = observe_committee(teacher, state, overlap)
    else:
        s, U = state.s, on_sphere(state.U)
        size = teacher.overlaps(U) ** 2
        radius = s @ size if teacher.link.is_quadratic else s[jnp.argmax(size, axis=0)]
        risk, alignment = population_risk(teacher, U, s), squared_overlaps(teacher, U, overlap)
    # rounding of sums that cancel may carry them past their bounds
    return Observables(jnp.maximum(risk, 0.0), jnp.clip(alignment, 0.0, 1.0), radius)


def directions_and_layers(state: StudentState, start: Start) -> tuple[Array, Array, Array | None]:
    """Unit directions (N, D), norms (N,) and second layer (N,) of a state that `start` led to."""
    if isinstance(state, CommitteeState):
        return state.U, jnp.linalg.norm(state.W, axis=1), state.b
    if isinstance(state, OnSphere):
        return on_sphere(state.U), start.norms, start.second_layer
    if isinstance(state, TwoLayerState):
        return on_sphere(state.U), jnp.exp(state.log_norm), state.b
    return on_sphere(state.U), jnp.exp(state.log_s / 2), None


def odds_and_rates(student: Student, time: Array) -> tuple[Array, Array]:
    """The log-odds of each direction's squared overlap and their time derivative, (M,) each."""

    def odds(state: StudentState) -> Array:
        return log_odds(squared_overlaps(student.teacher, state.U, student.overlap))

    return jax.jvp(odds, (student.state,), (student.velocity(time, student.state, student.args),))
