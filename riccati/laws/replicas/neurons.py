"""The dynamics of a replica of any student: all neurons, for any link, teacher, covariance and algorithm.

In the K + R reduced coordinates of a start, whose first K hold the teacher's directions, a step of SGD moves neuron i,
with its whitened weights w_i = |w_i|u_i, z_i = <x, u_i>, κ_i = |w_i| or b_i and the speeds Λ of the coordinates, by

    η φ_i(x),    φ_i = Λ e κ_i σ'(z_i) x + c_i(x) Λ w_i,    c_i = e(2σ - z_iσ') of the 2-homogeneous student, 0 of two
                                                            layers; on the sphere -e κ_i σ' z_i/|w_i|.

The two parts of dynamics.py are a step of the gradient flow of `Coupled`, and

    noise   w_i -> w_i + √(ηΔ/B) ξ_i, ξ Gaussian with the covariance of φ; and in the n other coordinates of each group
            of equal eigenvalues λ, <w_i, w_l> -> <w_i, w_l> + (ηΔ/B) n λ² E e²κ_iκ_l σ_i'σ_l'.

A Gaussian with the covariance of φ is Σ_s g_s (φ(x_s) - φ̄)/√S with standard normals g_s. The S points x_s are Gaussian
Sobol points, turned at random at each step, in the span of teacher and neurons, which is all that e and φ's
coefficients depend on; beyond it ξ is independent, of covariance Λ² E e²κκσ'σ'. Label noise of variance v is √v g_s' in
e with normals of its own. Two layers: b_i gets κ|w_i| Σ g_s e σ. On the sphere norms are put back.
Derived in derivations/algorithm_noise.py.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ...flows import (
    Neurons,
    OnSphere,
    StudentSetting,
    TwoLayerState,
    anisotropic_velocity,
    sobol_points,
    spherical_velocity,
    two_layer_velocity,
)
from ...numerics import log_odds
from ...problem import SGD, Problem, population_risk, squared_overlaps
from .dynamics import RESOLVED, ReplicaDynamics, Seen, most_risk_of

_LOG2_POINTS = 9


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
        points: (S, K+N), Gaussian.
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
    columns: Int[Array, "G N"]
    others: Float[Array, " G"]
    on_sphere: bool = eqx.field(static=True)

    def look(self, state: NeuronReplica) -> Seen:
        """Log-odds of the squared overlaps, and the risk."""
        teacher, (U, r) = self.setting.teacher, _polar(state.W)
        s = r * self._layer(state, r)
        return Seen(log_odds(squared_overlaps(teacher, U)), population_risk(teacher, U, s))

    def _layer(self, state: NeuronReplica, r: Float[Array, " N"]) -> Float[Array, " N"]:
        """b, or |w| of the 2-homogeneous student."""
        return state.b if state.b.size else r

    def flow(self, state: NeuronReplica, time: Float[Array, ""]) -> NeuronReplica:
        """One step of diffrax's Tsit5."""
        import diffrax

        U, r = _polar(state.W)
        velocity: Any
        begin: Any
        if self.on_sphere:
            layer = self._layer(state, r)
            velocity, begin = spherical_velocity, OnSphere(U, r * layer, layer / r)
        elif state.b.size:
            velocity, begin = two_layer_velocity, TwoLayerState(U, jnp.log(r), state.b)
        else:
            velocity, begin = anisotropic_velocity, Neurons(U, 2 * jnp.log(r))
        solver, term = diffrax.Tsit5(), diffrax.ODETerm(velocity)
        held = solver.init(term, 0.0, time, begin, self.setting)
        end = solver.step(term, 0.0, time, begin, self.setting, held, made_jump=False)[0]
        if isinstance(end, Neurons):
            r = jnp.exp(end.log_s / 2)
        elif isinstance(end, TwoLayerState):
            r = jnp.exp(end.log_norm)
        U = end.U / jnp.linalg.norm(end.U, axis=1, keepdims=True)
        return NeuronReplica(r[:, None] * U, end.b if isinstance(end, TwoLayerState) else state.b)

    def noise(self, state: NeuronReplica, length: Float[Array, ""], key: Key[Array, ""]) -> tuple[Seen, NeuronReplica]:
        """What is seen in the middle of the noise, and the weights after it.

        The growth of Gram matrices is taken in the middle, which makes the drag of second order.
        """
        turn_key, key = jax.random.split(key)
        size = self.points.shape[1]
        points = self.points @ jnp.linalg.qr(jax.random.normal(turn_key, (size, size)))[0]
        moved, growth = self._drawn(state, points, key)
        moved = jax.tree.map(lambda leaf: jnp.sqrt(self.step * length) * leaf, moved)
        middle = self._grown(state, moved, np.sqrt(0.5), growth, length / 2)
        growth = self._samples(middle, points).growth
        return self.look(middle), self._grown(state, moved, 1.0, growth, length)

    def _samples(self, state: NeuronReplica, points: Float[Array, "S K+N"]) -> _Samples:
        """What the gradients at the points are made of."""
        teacher, link = self.setting.teacher, self.setting.teacher.link
        axes, (U, r) = teacher.frame_dim, _polar(state.W)
        basis = jnp.linalg.qr(U[:, axes:].T)[0]
        inside = jnp.concatenate([U[:, :axes], U[:, axes:] @ basis], axis=1)
        z = points @ inside.T
        layer, value, slope = self._layer(state, r), link(z), link.derivative(z)
        e = teacher.output(teacher.overlaps(points)) - self.setting.interaction * (value @ (layer * r))
        push = layer * slope
        of_itself = jnp.zeros_like(z) if state.b.size else r * (2 * value - z * slope)
        along = -push * z if self.on_sphere else of_itself
        square = (push.T * (e**2 + self.label_variance)) @ push / len(e)
        return _Samples(e, push, along, self.setting.second_layer_rate * r * value, inside, basis, square)

    def _drawn(
        self, state: NeuronReplica, points: Float[Array, "S K+N"], key: Key[Array, ""]
    ) -> tuple[NeuronReplica, Float[Array, "N N"]]:
        """ξ, and E e²κκσ'σ'."""
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
            root = jnp.linalg.cholesky(at.growth + RESOLVED * jnp.trace(at.growth) * jnp.eye(neurons))
            whole = whole.at[:, axes:].add(root @ loose)
        speeds = 1.0 if self.setting.speeds is None else self.setting.speeds
        return NeuronReplica(speeds * whole, weight @ at.second if state.b.size else state.b), at.growth

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
        push: (S, N), κ_i σ'(z_i).
        along: (S, N), of e times u_i.
        second: (S, N), of e in b_i.
        inside: (N, K+N), the directions in the span's coordinates.
        basis: (R, N), of the span in the coordinates after the first K.
        growth: (N, N), E (e² + v) κκσ'σ'.
    """

    e: Float[Array, " S"]
    push: Float[Array, "S N"]
    along: Float[Array, "S N"]
    second: Float[Array, "S N"]
    inside: Float[Array, "N K+N"]
    basis: Float[Array, "R N"]
    growth: Float[Array, "N N"]


def _polar(W: Float[Array, "N D"]) -> tuple[Float[Array, "N D"], Float[Array, " N"]]:
    """Unit directions and norms."""
    r = jnp.linalg.norm(W, axis=1)
    return W / r[:, None], r


def neuron_dynamics(problem: Problem, sgd: SGD, level: float) -> NeuronDynamics:
    """The dynamics of all neurons of a problem whose start knows its dimension."""
    teacher, start, speeds = problem.teacher, problem.full_start, problem.speeds
    axes, neurons, interacts = teacher.frame_dim, start.student_width, sgd.loss != "correlation"
    columns, others = _factors(problem)
    setting = StudentSetting(
        teacher, speeds,
        *jax.device_put([np.asarray(x, float) for x in (sgd.second_layer_rate, sgd.weight_decay, interacts)]),
    )  # fmt: skip
    b = np.zeros(0) if start.second_layer is None else start.second_layer
    layer = np.ones(neurons) if start.second_layer is None else np.asarray(b) / np.asarray(start.norms)
    fastest = np.abs(np.asarray(teacher.search_rates)).max() * float(teacher.link.dual_derivative(1.0)) / 2
    begun = float(population_risk(teacher, start.directions, start.amplitudes))
    on_sphere = sgd.constraint == "sphere"
    numbers = {
        "rate": 1.0,
        "step": sgd.rate_per_sample,
        "fastest": fastest * max(np.abs(layer).max(), 1.0),
        "goal": log_odds(level),
        "most_risk": most_risk_of(begun, interacts or on_sphere),
        "label_variance": teacher.label_variance,
    }
    held = {name: np.asarray(number, float) for name, number in numbers.items()}
    return NeuronDynamics(
        begun=NeuronReplica(start.weights, jnp.asarray(b)), setting=setting, norms=start.norms, on_sphere=on_sphere,
        points=jax.device_put(sobol_points(axes + neurons, _LOG2_POINTS)), columns=jax.device_put(columns),
        others=jax.device_put(others), **jax.device_put(held),
    )  # fmt: skip


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
