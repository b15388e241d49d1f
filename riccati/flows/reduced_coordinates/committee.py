"""The gradient flow of a committee machine f = Σ b_i σ(<x, w_i>): weights of any norms, and any link.

Its loss is the function of the Gram matrix Q = WWᵀ, the overlaps and b that problem/pair_averages.py computes, and the
flow in reduced coordinates is minus its gradient,

    dw_i/dt = -Σ ∂L/∂w_i - λw_i,        db_i/dt = -κ ∂L/∂b_i - κλb_i,

by automatic differentiation. Σ, the factor of a covariance on whitened weights, is 1 on isotropic input. On the sphere
w_i moves by its tangential part alone, and b_i stays. Links with σ(λz) = λσ(z) have the equations of student.py, which
are the same flow. Derived in derivations/committee.py.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...problem import Observables, Teacher, committee_excess, committee_risk, squared_overlaps
from .states import CommitteeState, StudentSetting


def committee_velocity(_: Any, state: CommitteeState, setting: StudentSetting) -> CommitteeState:
    """dw_i/dt and db_i/dt."""
    pull = _pull(state, setting)
    W = pull.W if setting.speeds is None else setting.speeds * pull.W
    b = setting.second_layer_rate * pull.b - setting.second_layer_decay * state.b
    return CommitteeState(W - setting.weight_decay * state.W, b)


def spherical_committee_velocity(_: Any, state: CommitteeState, setting: StudentSetting) -> CommitteeState:
    """The tangential part of dw_i/dt; b stays."""
    pull, U = _pull(state, setting).W, state.U
    return CommitteeState(pull - jnp.sum(pull * U, axis=1)[:, None] * U, jnp.zeros_like(state.b))


def _pull(state: CommitteeState, setting: StudentSetting) -> CommitteeState:
    """-∂L/∂w_i and -∂L/∂b_i."""

    def minus_loss(state: CommitteeState) -> Float[Array, ""]:
        gram, overlaps = state.W @ state.W.T, setting.teacher.overlaps(state.W)
        return -0.5 * committee_excess(setting.teacher, gram, overlaps, state.b, setting.interaction)

    return jax.grad(minus_loss)(state)


def observe_committee(teacher: Teacher, state: CommitteeState, overlap: str | None) -> Observables:
    """The observables of a committee machine; radius is |w_i|² of the neuron nearest to each direction.

    For h_2 and z², where neurons share directions, it is diag ΘᵀSΘ with S = Σ b_i w_i w_iᵀ.
    """
    U, squares = state.U, jnp.sum(state.W**2, axis=1)
    size = teacher.overlaps(U) ** 2
    radius = (state.b * squares) @ size if teacher.link.is_quadratic else squares[jnp.argmax(size, axis=0)]
    return Observables(committee_risk(teacher, state.W, state.b), squared_overlaps(teacher, U, overlap), radius)
