"""The dynamics of a replica of any student: all neurons, for any link, teacher, covariance and algorithm.

In the K + R reduced coordinates of a start, whose first K hold the teacher's directions, a step of SGD moves neuron i,
with its whitened weights w_i = |w_i|u_i, the speeds Λ of the coordinates and the argument y_i of its link, <x, u_i> of
the 2-homogeneous student and <x, w_i> of two layers, by

    η φ_i(x),    φ_i = Λ e κ_i σ'(y_i) x + c_i(x) Λ u_i,    κ_i = |w_i|, c_i = e|w_i|(2σ - y_iσ') of the 2-homogeneous
                                                            student; κ_i = b_i, c_i = 0 of two layers; on the sphere
                                                            c_i = -e κ_i σ' <x, u_i>.

The two parts of dynamics.py are a step of the gradient flow of `Coupled`, and

    noise   w_i -> w_i + √(ηΔ/B) ξ_i, ξ Gaussian with the covariance of φ; and in the n other coordinates of each group
            of equal eigenvalues λ, <w_i, w_l> -> <w_i, w_l> + (ηΔ/B) n λ² E e²κ_iκ_l σ_i'σ_l'.

A Gaussian with the covariance of φ is Σ_s g_s (φ(x_s) - φ̄)/√S with standard normals g_s. The S points x_s are Sobol
points, shifted at random at each step, in the span of teacher and neurons, which is all that e and φ's coefficients
depend on; beyond it ξ is independent, of covariance Λ² E e²κκσ'σ'. Label noise of variance v is √v g_s' in
e with normals of its own. E e²κκσ'σ' is exact for series of degree ≤ 6 without a second layer of free norms, else
the points' mean. Two layers: b_i gets κ Σ g_s e σ. On the sphere norms are put back.
Derived in derivations/algorithm_noise.py.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Array, Float, Int, Key

from ...flows import (
    CommitteeState,
    Neurons,
    NoiseMoments,
    OnSphere,
    StudentSetting,
    StudentState,
    TwoLayerState,
    anisotropic_velocity,
    committee_velocity,
    spherical_committee_velocity,
    spherical_velocity,
    two_layer_velocity,
)
from ...numerics import kept_numbers, log_odds
from ...problem import SGD, Problem, committee_risk, population_risk, risk_at, squared_overlaps
from .dynamics import RESOLVED, ReplicaDynamics, Snapshot, most_risk_of

_LOG2_POINTS = 9
_LEAST = 1e-15  # away from 0 and 1, where normals are infinite


class NeuronReplica(NamedTuple):
    """The weights of a replica.

    Attributes:
        W: (N, D), the neurons in reduced coordinates.
        b: (N,), the second layer; (0,) of the 2-homogeneous student.
    """

    W: Float[Array, "N D"]
    b: Float[Array, " L"]


class NeuronDynamics(ReplicaDynamics):
    """The constants and the start of replicas, in canonical time.

    Attributes:
        rate, step, fastest, goal, most_risk, begun: as in `ReplicaDynamics`.
        setting: the constants of the gradient flow.
        label_variance: (), of the labels' noise.
        norms: (N,), of the neurons on the sphere.
        points: (S, K+N), uniform in the unit cube.
        moments: how E e²σ'σ' is computed exactly; None where it is the points' mean.
        columns: (G, N), which coordinates hold a factor of each group with more coordinates than neurons.
        others: (G,), how many coordinates these groups have beyond N, times λ² of the group.
        on_sphere: whether norms are fixed.
    """

    longest: ClassVar[float] = 0.1

    rate: Float[Array, ""]
    step: Float[Array, ""]
    fastest: Float[Array, ""]
    goal: Float[Array, ""]
    most_risk: Float[Array, ""]
    label_variance: Float[Array, ""]
    begun: NeuronReplica
    setting: StudentSetting
    norms: Float[Array, " N"]
    points: Float[Array, "S K+N"]
    moments: NoiseMoments | None
    columns: Int[Array, "G N"]
    others: Float[Array, " G"]
    on_sphere: bool = eqx.field(static=True)

    def look(self, state: NeuronReplica) -> Snapshot:
        """Log-odds of the squared overlaps, and the risk."""
        teacher, (U, r) = self.setting.teacher, _polar(state.W)
        risk = committee_risk(teacher, *state) if state.b.size else population_risk(teacher, U, r**2)
        return Snapshot(log_odds(squared_overlaps(teacher, U)), risk)

    def flow(self, state: NeuronReplica, time: Float[Array, ""]) -> NeuronReplica:
        """One step of diffrax's Bosh3."""
        import diffrax

        begin = self._student(state)
        velocity: Any = _VELOCITIES[type(begin), self.on_sphere]
        solver, term = diffrax.Bosh3(), diffrax.ODETerm(velocity)
        held = solver.init(term, 0.0, time, begin, self.setting)
        end = solver.step(term, 0.0, time, begin, self.setting, held, made_jump=False)[0]
        if isinstance(end, CommitteeState):
            return NeuronReplica(end.W, end.b)
        r = self.norms
        if isinstance(end, Neurons):
            r = jnp.exp(end.log_s / 2)
        elif isinstance(end, TwoLayerState):
            r = jnp.exp(end.log_norm)
        b = end.b if isinstance(end, TwoLayerState) else state.b
        return NeuronReplica(r[:, None] * _polar(end.U)[0], b)

    def _student(self, state: NeuronReplica) -> StudentState:
        """The state of the gradient flow."""
        U, r = _polar(state.W)
        if not state.b.size:
            return OnSphere(U, r**2, jnp.ones_like(r)) if self.on_sphere else Neurons(U, 2 * jnp.log(r))
        if not self.setting.teacher.link.is_homogeneous:
            return CommitteeState(*state)
        return OnSphere(U, r * state.b, state.b / r) if self.on_sphere else TwoLayerState(U, jnp.log(r), state.b)

    def noise(
        self, state: NeuronReplica, length: Float[Array, ""], key: Key[Array, ""]
    ) -> tuple[Snapshot, NeuronReplica]:
        """What is measured in the middle of the noise, and the weights after it.

        The growth of Gram matrices is taken in the middle, which makes the drag of second order.
        """
        shift_key, key = jax.random.split(key)
        uniform = (self.points + jax.random.uniform(shift_key, self.points.shape[1:])) % 1.0
        points = jax.scipy.special.ndtri(jnp.clip(uniform, _LEAST, 1 - _LEAST))
        growth = self.growth(state, points)
        drawn = self._drawn(state, points, growth, key)
        moved = jax.tree.map(lambda leaf: jnp.sqrt(self.step * length) * leaf, drawn)
        middle = self._grown(state, moved, np.sqrt(0.5), growth, length / 2)
        return self.look(middle), self._grown(state, moved, 1.0, self.growth(middle, points), length)

    def growth(self, state: NeuronReplica, points: Float[Array, "S K+N"]) -> Float[Array, "N N"]:
        """E (e² + v) κκσ'σ', what Gram matrices in the other coordinates gain."""
        if self.moments is None:
            at = self._samples(state, points)
            return (at.push.T * (at.e**2 + self.label_variance)) @ at.push / len(points)
        teacher, (U, r) = self.setting.teacher, _polar(state.W)
        along, rest = U[:, : teacher.frame_dim], U[:, teacher.frame_dim :]
        layer = state.b if state.b.size else r
        square = self.moments(teacher, along, rest @ rest.T, self.setting.interaction * layer * r)
        return layer[:, None] * layer * (square + self.label_variance * teacher.link.dual_derivative(U @ U.T))

    def _samples(self, state: NeuronReplica, points: Float[Array, "S K+N"]) -> _Samples:
        """What the gradients at the points are made of."""
        teacher, link = self.setting.teacher, self.setting.teacher.link
        axes, (U, r) = teacher.frame_dim, _polar(state.W)
        basis = jnp.linalg.qr(U[:, axes:].T)[0]
        inside = jnp.concatenate([U[:, :axes], U[:, axes:] @ basis], axis=1)
        z = points @ inside.T
        y, layer, out = (r * z, state.b, state.b) if state.b.size else (z, r, r**2)
        value, slope = link(y), link.derivative(y)
        e = teacher.output(teacher.overlaps(points)) - self.setting.interaction * (value @ out)
        push = layer * slope
        of_itself = jnp.zeros_like(z) if state.b.size else r * (2 * value - z * slope)
        along = -push * z if self.on_sphere else of_itself
        return _Samples(e, push, along, self.setting.second_layer_rate * value, inside, basis)

    def _drawn(
        self, state: NeuronReplica, points: Float[Array, "S K+N"], growth: Float[Array, "N N"], key: Key[Array, ""]
    ) -> NeuronReplica:
        """ξ."""
        at = self._samples(state, points)
        beyond_key, key = jax.random.split(key)
        count, (neurons, dimensions), axes = len(points), state.W.shape, self.setting.teacher.frame_dim
        g, own = jax.random.normal(key, (2, count), jnp.float32).astype(float) / np.sqrt(count)
        weight = (g - jnp.mean(g)) * at.e + jnp.sqrt(self.label_variance) * own
        xi = (at.push * weight[:, None]).T @ points + (weight @ at.along)[:, None] * at.inside
        whole = jnp.concatenate([xi[:, :axes], xi[:, axes:] @ at.basis.T], axis=1)
        if dimensions > points.shape[1]:
            loose = jax.random.normal(beyond_key, (neurons, dimensions - axes))
            loose = loose - (loose @ at.basis) @ at.basis.T
            root = jnp.linalg.cholesky(growth + RESOLVED * jnp.trace(growth) * jnp.eye(neurons))
            whole = whole.at[:, axes:].add(root @ loose)
        speeds = 1.0 if self.setting.speeds is None else self.setting.speeds
        return NeuronReplica(speeds * whole, weight @ at.second if state.b.size else state.b)

    def _grown(
        self, state: NeuronReplica, moved: NeuronReplica, share: float, growth: Float[Array, "N N"], time: Array
    ) -> NeuronReplica:
        """The weights after a `share` of what was drawn, and a `time` of growth in the other coordinates."""
        W = state.W + share * moved.W
        if self.columns.shape[0]:
            factors = jnp.moveaxis(W[:, self.columns], 1, 0)
            grams = factors @ factors.mT + self.step * time * self.others[:, None, None] * growth
            resolved = RESOLVED * jnp.diag(jnp.sum(W**2, axis=1))
            W = W.at[:, self.columns].set(jnp.moveaxis(jnp.linalg.cholesky(grams + resolved), 0, 1))
        if self.on_sphere:
            W = self.norms[:, None] * _polar(W)[0]
        moves = state.b.size and not self.on_sphere
        return NeuronReplica(W, state.b + share * moved.b if moves else state.b)


class _Samples(NamedTuple):
    """What the gradients at S points are made of.

    Attributes:
        e: (S,), the residual without label noise.
        push: (S, N), κ_i σ'(y_i).
        along: (S, N), c_i/e.
        second: (S, N), κ σ(y_i), times e the change of b_i.
        inside: (N, K+N), the directions in the span's coordinates.
        basis: (R, N), of the span in the coordinates after the first K.
    """

    e: Float[Array, " S"]
    push: Float[Array, "S N"]
    along: Float[Array, "S N"]
    second: Float[Array, "S N"]
    inside: Float[Array, "N K+N"]
    basis: Float[Array, "R N"]


_VELOCITIES = {
    (Neurons, False): anisotropic_velocity,
    (TwoLayerState, False): two_layer_velocity,
    (OnSphere, True): spherical_velocity,
    (CommitteeState, False): committee_velocity,
    (CommitteeState, True): spherical_committee_velocity,
}


def _polar(W: Float[Array, "N D"]) -> tuple[Float[Array, "N D"], Float[Array, " N"]]:
    """Unit directions and norms."""
    r = jnp.linalg.norm(W, axis=1)
    return W / r[:, None], r


def neuron_dynamics(problem: Problem, sgd: SGD, level: float) -> NeuronDynamics:
    """The dynamics of all neurons of a problem whose start knows its dimension."""
    teacher, start, speeds = problem.teacher, problem.full_start, problem.speeds
    axes, neurons, interacts = teacher.frame_dim, start.student_width, sgd.loss != "correlation"
    columns, others = _factors(problem)
    rate, decay = sgd.second_layer_rate, sgd.weight_decay
    numbers = (rate * start.output_scale**2, decay, interacts, rate * decay)
    setting = StudentSetting(teacher, speeds, *jax.device_put([np.asarray(number, float) for number in numbers]))
    b = np.zeros(0) if start.second_layer is None else start.second_layer
    layer = np.ones(neurons) if start.second_layer is None else np.asarray(b) / np.asarray(start.norms)
    fastest = np.abs(np.asarray(teacher.search_rates)).max() * float(teacher.link.dual_derivative(1.0)) / 2
    begun = float(risk_at(teacher, start))
    on_sphere = sgd.constraint == "sphere"
    held = {
        "rate": 1.0,
        "step": sgd.rate_per_sample,
        "fastest": fastest * max(np.abs(layer).max(), 1.0),
        "goal": log_odds(level),
        "most_risk": most_risk_of(begun, interacts or on_sphere),
        "label_variance": teacher.label_variance,
    }
    held = {name: np.asarray(number, float) for name, number in held.items()}
    moments = NoiseMoments.of(teacher, axes + neurons)
    counts = moments.is_exact and not problem.is_committee
    return NeuronDynamics(
        begun=NeuronReplica(start.weights, jax.device_put(np.asarray(b))), setting=setting, norms=start.norms,
        on_sphere=on_sphere,
        points=jax.device_put(_uniform_points(axes + neurons)), columns=jax.device_put(columns),
        others=jax.device_put(others), moments=moments if counts else None, **jax.device_put(held),
    )  # fmt: skip


@cache
def _uniform_points(dimension: int) -> Float[np.ndarray, "S dimension"]:
    def drawn() -> Float[np.ndarray, "S dimension"]:
        return scipy.stats.qmc.Sobol(dimension, scramble=True, seed=0).random_base2(_LOG2_POINTS)

    return kept_numbers(f"scrambled_sobol_{dimension}_{_LOG2_POINTS}", drawn)


def _factors(problem: Problem) -> tuple[Int[np.ndarray, "G N"], Float[np.ndarray, " G"]]:
    """The columns of each group that has more coordinates than neurons, and its other coordinates times λ²."""
    teacher, start, neurons = problem.teacher, problem.full_start, problem.start.student_width
    axes, dim = teacher.frame_dim, int(start.dim or 0)
    if teacher.covariance is None:
        return axes + np.arange(neurons)[None], np.array([float(dim - axes - neurons)])
    groups = [group for group in teacher.covariance.groups_after(axes) if len(group.indices) > neurons]
    values = np.asarray(start.residual_eigenvalues)
    columns = [axes + np.flatnonzero(values == group.eigenvalue) for group in groups]
    speeds = teacher.covariance.speeds(np.array([group.eigenvalue for group in groups]))  # type: ignore[arg-type]
    sizes = np.array([len(group.indices) - neurons for group in groups], float)
    return np.array(columns, int).reshape(-1, neurons), sizes * np.asarray(speeds) ** 2
