"""Any link at step size γ/d: the gradient flow of all neurons with the second-order terms of a step.

A sample moves w_i by η e κ_i σ'(z_i) x and along w_i itself, κ_i = |w_i| of the 2-homogeneous student and b_i of the
two-layer one. With p_i = κ_i/|w_i| and C_il = p_i p_l E e²σ'(z_i)σ'(z_l) (second_moments.py) the limit d → ∞ adds to
the gradient flow of flows/reduced_coordinates/student.py, for unit directions u_i of overlaps m with the teacher, with
P the Gram matrix of their other parts,

    d log|w_i|/dt ∋ (γ/2) C_ii,     dm_i/dt ∋ -(γ/2) C_ii m_i,     dP_il/dt ∋ γ C_il - (γ/2)(C_ii + C_ll) P_il,

because E <Δw_i, Δw_l> = (η²/B) κ_i κ_l E e²σ'σ' |x_⊥|² and |x_⊥|² ≈ d, while the noise along the teacher's span is not
of that order. On the sphere the retraction takes the same from m as a longer norm does. Under a covariance weights are
whitened, x_⊥ has the length tr Σ² in the place of d, and P is a sum over groups of equal eigenvalues λ, each of which
gains γ C λ² times its share of the coordinates. On the correlation loss e is f* alone. Label noise Δ adds
ΔE f*² E σ'(z_i)σ'(z_l) = ΔE f*² g'(q_il) to E e²σ'σ'. Weight decay has no noise.

The state holds m itself, not Gram matrices with the teacher, so no tolerance error makes a direction emerge. For
σ = h_2 this is SGD on the weights of quadratic.py. Derived in derivations/noise_moments.py and
derivations/algorithm_noise.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...problem import Observables, Problem, Start, Teacher
from ..reduced_coordinates import PLAIN, Training
from .second_moments import NoiseMoments
from .system import FiniteStepSystem, exploded, pace, start_of_gram

POINTS_RTOL = 1e-6  # averages over points have kinks of about this size
_INDEPENDENT = 1e-9  # added to the Gram matrix of directions that may coincide


class NeuronState(NamedTuple):
    """The state of all neurons: unit directions by coordinates and Gram matrices, norms and second layer.

    Attributes:
        along: (N, K), coordinates along those that hold the teacher's directions.
        rest: (G, N, N), Gram matrices of the other parts, one for each group of equal eigenvalues.
        log_norm: (N,), log |w|.
        b: (N,), the second layer of a two-layer student; None of the 2-homogeneous one.
    """

    along: Float[Array, "N K"]
    rest: Float[Array, "G N N"]
    log_norm: Float[Array, " N"]
    b: Float[Array, " N"] | None

    @property
    def layer(self) -> Float[Array, " N"]:
        """b, or |w| of a 2-homogeneous student, so that s = layer·|w|."""
        return jnp.exp(self.log_norm) if self.b is None else self.b

    @property
    def unit(self) -> NeuronState:
        """The state with directions of unit length, from which rounding may have carried them."""
        length = jnp.sqrt(jnp.sum(self.along**2, axis=1) + jnp.sum(jnp.diagonal(self.rest, axis1=1, axis2=2), axis=0))
        return self._replace(along=self.along / length[:, None], rest=self.rest / (length[:, None] * length))


class NeuronSetting(NamedTuple):
    """The constants of the equations.

    Attributes:
        teacher: the teacher.
        gamma: γ.
        moments: how E e²σ'σ' is computed, a function that is a tree of arrays.
        speeds: (K,), λ of the coordinates along the teacher's.
        rest_speeds: (G,), λ of each group of the others.
        shares: (G,), the groups' shares of the other coordinates.
        second_layer_rate: κc² of a two-layer student with output scale c.
        weight_decay: λ of the loss.
        second_layer_decay: κλ.
        interaction: 1, and 0 on the correlation loss.
        free: 1, and 0 on the sphere.
    """

    teacher: Teacher
    gamma: Float[Array, ""]
    moments: Callable[..., Array]
    speeds: Float[Array, " K"]
    rest_speeds: Float[Array, " G"]
    shares: Float[Array, " G"]
    second_layer_rate: Float[Array, ""]
    weight_decay: Float[Array, ""]
    second_layer_decay: Float[Array, ""]
    interaction: Float[Array, ""]
    free: Float[Array, ""]


def neuron_system(problem: Problem, gamma: float, training: Training = PLAIN) -> FiniteStepSystem:
    """The system of all neurons of either student, in canonical time."""
    teacher, start = problem.teacher, problem.full_start
    moments = NoiseMoments.of(teacher, teacher.frame_dim + start.student_width)
    setting, belongs = setting_of(problem, gamma, training, moments)
    state, smallest = _begun(
        start.teacher_coordinates, start.teacher_overlaps, start.residual_factor, belongs, start.norms
    )
    least_rtol = 0.0 if moments.is_exact else POINTS_RTOL
    rate = jax.device_put(np.ones(()))
    return FiniteStepSystem(
        neuron_velocity, _observe, state._replace(b=start.second_layer), setting, rate, smallest, least_rtol
    )


def setting_of(
    problem: Problem, gamma: float, training: Training, moments: Callable[..., Array]
) -> tuple[NeuronSetting, Float[np.ndarray, "G R"]]:
    """The constants of the equations, and which of the start's coordinates off the teacher's belong to each group."""
    teacher, start = problem.teacher, problem.full_start
    axes, others = teacher.frame_dim, start.residual_factor.shape[1]
    speeds, rest_speeds, shares, belongs = np.ones(axes), np.ones(1), np.ones(1), np.ones((1, others))
    if teacher.covariance is not None:
        groups = teacher.covariance.groups_after(axes)
        values, sizes = np.array([group.eigenvalue for group in groups]), np.array([len(g.indices) for g in groups])
        every = np.concatenate([np.asarray(teacher.covariance.eigenvalues)[:axes], values])
        speeds, rest_speeds = np.split(np.asarray(teacher.covariance.speeds(jax.device_put(every))), [axes])
        shares, belongs = sizes / sizes.sum(), (values[:, None] == np.asarray(start.residual_eigenvalues)) * 1.0
    rate, decay = training.second_layer_rate, training.weight_decay
    numbers = (
        speeds, rest_speeds, shares, rate * start.output_scale**2, decay, rate * decay, not training.correlation,
        not training.on_sphere,
    )  # fmt: skip
    held = jax.device_put(tuple(np.asarray(number, float) for number in (gamma, *numbers)))
    return NeuronSetting(teacher, held[0], moments, *held[1:]), belongs


@jax.jit
def _begun(
    along: Float[Array, "N K"], overlaps: Float[Array, "N M"], factor: Float[Array, "N R"],
    belongs: Float[Array, "G R"], norms: Float[Array, " N"],
) -> tuple[NeuronState, Float[Array, ""]]:  # fmt: skip
    """The initial state; and of the largest overlap of each direction the smallest, which tolerances must resolve."""
    size = jnp.max(jnp.abs(overlaps), axis=0)
    smallest = jax.lax.stop_gradient(jnp.min(jnp.where(size > 0, size, 1.0)))
    rest = (factor * belongs[:, None]) @ factor.T
    return NeuronState(along, rest, jnp.log(norms), None), smallest


def neuron_velocity(_: Any, state: NeuronState, setting: NeuronSetting) -> NeuronState:
    """The right-hand sides of the module's equations: those of `along`, `rest`, log |w| and b."""
    teacher, gamma, free, decay = setting.teacher, setting.gamma, setting.free, setting.weight_decay
    a, state = teacher.a, state.unit
    A, P, b, r = state.along, state.rest, state.layer, jnp.exp(state.log_norm)
    s, turning = setting.interaction * b * r, b / r
    m, q = teacher.overlaps(A), A @ A.T + jnp.sum(P, axis=0)
    (g_m, slope_m), (g_q, slope_q) = teacher.dual_pair(m), teacher.link.dual_pair(q)
    pull, push = a * slope_m, s * slope_q
    X = g_m @ a - g_q @ s
    C = setting.moments(teacher, A, jnp.sum(P, axis=0), s) + teacher.label_variance * slope_q
    C = turning[:, None] * turning * C
    # dw_i/|w_i| of gradient flow before the covariance acts on it, along the teacher's coordinates and in Gram matrices
    own = (2.0 if state.b is None else 1.0) * X - jnp.sum(pull * m, axis=1) + jnp.sum(push * q, axis=1)
    moved = setting.speeds * turning[:, None] * (teacher.combined(pull) - push @ A + own[:, None] * A)
    moved_rest = setting.rest_speeds[:, None, None] * turning[:, None] * (own[:, None] * P - push @ P)
    lengthened = jnp.sum(A * moved, axis=1) + jnp.sum(jnp.diagonal(moved_rest, axis1=1, axis2=2), axis=0)
    added = gamma * setting.shares * setting.rest_speeds**2
    # each neuron's own rate along itself: what its direction loses, and its norm gains
    growth = lengthened + jnp.sum(added) / 2 * jnp.diag(C)
    slow = pace(gamma, jnp.max(jnp.abs(b * r)))
    return NeuronState(
        slow * (moved - growth[:, None] * A),
        slow * (moved_rest + moved_rest.mT + added[:, None, None] * C - (growth[:, None] + growth) * P),
        slow * free * (growth - decay),
        None if state.b is None else slow * free * (setting.second_layer_rate * r * X - setting.second_layer_decay * b),
    )


def start_of_neurons(problem: Problem, state: NeuronState, setting: NeuronSetting) -> Start:
    """The student in this state, on isotropic input, as a start."""
    state = state.unit
    gram = state.along @ state.along.T + jnp.sum(state.rest, axis=0)
    return start_of_gram(problem, setting.teacher.overlaps(state.along), gram, jnp.exp(state.log_norm), state.b)


def _observe(state: NeuronState, setting: NeuronSetting) -> Observables:
    """Risk, the squared overlap that emerges for this link, as in `squared_overlaps`, and the radius."""
    teacher = setting.teacher
    a, link, state = teacher.a, teacher.link, state.unit
    s, m = state.layer * jnp.exp(state.log_norm), teacher.overlaps(state.along)
    q = state.along @ state.along.T + jnp.sum(state.rest, axis=0)
    second_moment = teacher.second_moment
    excess = second_moment - 2 * s @ teacher.dual(m) @ a + s @ link.dual(q) @ s
    # rounding, and a Gram matrix that the integrator has carried below 0, may carry them past their bounds
    left = jnp.maximum(excess, 0.0) / second_moment
    risk = jnp.where(exploded(setting.gamma, jnp.max(jnp.abs(s))), jnp.inf, left)
    return Observables(risk, *emerged(teacher, m, q, s, s))


def emerged(
    teacher: Teacher, m: Float[Array, "N M"], q: Float[Array, "N N"], shared: Float[Array, " N"],
    own: Float[Array, " N"],
) -> tuple[Float[Array, " M"], Float[Array, " M"]]:  # fmt: skip
    """The squared overlap of each direction that emerges for this link, and its radius, from unit directions' m and q.

    For h_2 and z² they are diag G and Σ_i shared_i m_im², for others max_i m_im² and `own` of that neuron.
    """
    if teacher.link.is_quadratic:
        factor = jnp.linalg.cholesky(q + _INDEPENDENT * jnp.eye(len(q)))
        in_span = jnp.sum(jax.scipy.linalg.solve_triangular(factor, m, lower=True) ** 2, axis=0)
        return jnp.minimum(in_span, 1.0), shared @ m**2
    return jnp.minimum(jnp.max(m**2, axis=0), 1.0), own[jnp.argmax(m**2, axis=0)]
