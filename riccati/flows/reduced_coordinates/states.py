"""The states of a student in reduced coordinates, one for each parametrisation, and the constants of its velocity."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...problem import Teacher


class Neurons(NamedTuple):
    """The state of a 2-homogeneous student, f = Σ |w_i|² σ(<x, u_i>).

    Attributes:
        U: (N, D), directions of unit length.
        log_s: (N,), log s.
    """

    U: Float[Array, "N D"]
    log_s: Float[Array, " N"]

    @property
    def s(self) -> Float[Array, " N"]:
        """s_i = |w_i|²."""
        return jnp.exp(self.log_s)


class TwoLayerState(NamedTuple):
    """The state of a two-layer student, f = Σ b_i σ(<x, w_i>).

    Attributes:
        U: (N, D), directions of unit length.
        log_norm: (N,), log |w|.
        b: (N,), the second layer.
    """

    U: Float[Array, "N D"]
    log_norm: Float[Array, " N"]
    b: Float[Array, " N"]

    @property
    def s(self) -> Float[Array, " N"]:
        """s_i = b_i |w_i|."""
        return self.b * jnp.exp(self.log_norm)


class OnSphere(NamedTuple):
    """The state of a student on the sphere, f = Σ s_i σ(<x, u_i>) with fixed s.

    Attributes:
        U: (N, D), directions of unit length.
        s: (N,), |w_i|² or b_i|w_i|.
        pace: (N,), 1 of the 2-homogeneous student, b_i/|w_i| of the two-layer one.
    """

    U: Float[Array, "N D"]
    s: Float[Array, " N"]
    pace: Float[Array, " N"]


class CommitteeState(NamedTuple):
    """The state of a committee machine, f = Σ b_i σ(<x, w_i>) with a link that does not factor out norms.

    Attributes:
        W: (N, D), weights.
        b: (N,), the second layer.
    """

    W: Float[Array, "N D"]
    b: Float[Array, " N"]

    @property
    def U(self) -> Float[Array, "N D"]:
        """Directions of unit length."""
        return self.W / jnp.linalg.norm(self.W, axis=1, keepdims=True)


class StudentSetting(NamedTuple):
    """The constants in the velocity of a student.

    Attributes:
        teacher: the teacher.
        speeds: (D,), of the reduced coordinates, the covariance Σ or 1 where it is preconditioned; None for isotropic
            input.
        second_layer_rate: κ of a two-layer student, κc² with an output scale c, which its second layer holds.
        weight_decay: λ.
        interaction: what the student's own output counts in its residual: 1, and 0 on the correlation loss.
        second_layer_decay: κλ, of a two-layer student.
    """

    teacher: Teacher
    speeds: Float[Array, " D"] | None
    second_layer_rate: Float[Array, ""] | float = 1.0
    weight_decay: Float[Array, ""] | float = 0.0
    interaction: Float[Array, ""] | float = 1.0
    second_layer_decay: Float[Array, ""] | float = 0.0


StudentState = Neurons | TwoLayerState | CommitteeState | OnSphere
