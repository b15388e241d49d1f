"""Reduced coordinates: exact in law at a cost that does not depend on d.

The Gram matrix of (θ, w) is a Markov process of its own, so any weights with the same Gram matrix may be simulated.

Weights are held as (m, ρ), their overlaps with the teacher and an N x R factor of the rest: the first M + R coordinates
of a basis of R^d. Correlated directions have other coordinates among the first M (problem/directions.py). In these a
sample is ξ ~ N(0, I), and in the other d - M - R dimensions x_⊥ ~ N(0, I). A step

    W -> kept + pushᵀ X,    X = (ξ, x_⊥),

depends on x_⊥ through pushᵀ X_⊥ alone. Given ξ, push is known and X_⊥ independent of it, so with E = min(B, N),
push = QT and L lower triangular with the law of a factor of an E x (d-M-R) Gaussian matrix (Bartlett),

    pushᵀ X_⊥ = Tᵀ (QᵀX_⊥) ~ Tᵀ L

in E more coordinates (T = push where B ≤ N). So R grows by E a step, from N on; before it passes 2N an LQ factorisation
folds the rest back into N x N, which changes no Gram matrix.

Under a covariance weights are whitened and a step is W -> W + (kept - W + pushᵀ X)Λ, Λ the speeds of the coordinates.
Rotations within a group of equal eigenvalues commute with Λ, so each such group g of d_g coordinates is reduced by
itself: it has its own factor of R columns, its own L_g of d_g - R dimensions (T is common to all) and its own fold.
This needs d_g ≥ N + nE for n steps from fold to fold; a smaller group keeps all its coordinates. n is N/E, or less if
no group is that large. Isotropic input is one group.

With momentum the rows of its buffer V move by multiples of the same pushᵀX, so what has been said of the N rows of W
holds of the 2N rows of (W, V), with E as it was. Derived in derivations/online_sgd.py and derivations/momentum.py.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ...numerics import bartlett, bartlett_of
from ...problem import Teacher
from ..rules import Descent, Rate, Rule, moved
from .engine import Engine, Number, State, speeds_of


class ReducedNoise(NamedTuple):
    """The randomness of a step, or of n steps of S runs.

    Attributes:
        xi: (B, D), or less than D by the coordinates of a step, which none uses: samples in the coordinates there are.
        L: (G, E, E), lower triangular, of the others, one for each group.
        labels: (B,), the noise of the labels; None where there is none.
    """

    xi: Float[Array, "B D"] | Float[np.ndarray, "n S B D"]
    L: Float[Array, "G E E"] | Float[np.ndarray, "n S G E E"]
    labels: Float[Array, " B"] | Float[np.ndarray, "n S B"] | None = None


class ReducedEngine(Engine):
    """SGD in reduced coordinates.

    The coordinates are, in this order: those that are not reduced, the teacher's first; as many of each of G groups as
    there are rows, N or with momentum 2N; and the E that each step of a cycle adds to each group. The groups are folded
    after the last step of each cycle, however the steps are divided into calls, so the state after n steps depends on n
    alone.

    Attributes:
        outside: d_g - rows of each group, (G,), at least `cycle` times min(B, N).
        places: which coordinate each of a start's is, (M + R,).
        speeds: Λ, (coordinates,); None where all are 1.
        label_noise: (), the standard deviation of the labels' noise; None where there is none.
        coordinates: D, how many there are.
        batch_size: B, samples a step.
        cycle: steps from one fold to the next.
    """

    outside: Float[Array, " G"]
    places: Int[Array, " K+R"]
    speeds: Float[Array, " D"] | None
    label_noise: Float[Array, ""] | None
    coordinates: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    cycle: int = eqx.field(static=True)

    def placed(self, weights: Float[Array, "N K+R"], teacher: Teacher) -> Float[Array, "N D"]:
        """Return the weights, with room for the coordinates of a cycle."""
        placed = np.zeros((weights.shape[0], self.coordinates))
        placed[:, np.asarray(self.places)] = weights
        return jax.device_put(placed)

    def noise(self, key: Key[Array, ""], number: Number, neurons: int) -> ReducedNoise:
        """Draw ξ and L from a key."""
        fresh, since = min(self.batch_size, neurons), number % self.cycle
        inside_key, below_key, diagonal_key = jax.random.split(key, 3)
        xi = jax.random.normal(inside_key, (self.batch_size, self.coordinates))
        L = bartlett(below_key, diagonal_key, fresh, self.outside - since * fresh)
        return ReducedNoise(xi, L, self.labels(key))

    def noise_of(
        self, rng: np.random.Generator, numbers: Int[np.ndarray, " n"], runs: int, neurons: int
    ) -> ReducedNoise:
        """Draw ξ and L for each step of each run."""
        fresh, since = min(self.batch_size, neurons), numbers % self.cycle
        filled = self.coordinates - len(self.outside) * fresh  # before the last step of a cycle
        xi = rng.standard_normal((len(numbers), runs, self.batch_size, filled))
        left = np.asarray(self.outside) - since[:, None] * fresh
        L = bartlett_of(rng, fresh, np.repeat(left[:, None], runs, axis=1))
        return ReducedNoise(xi, L, self.labels_of(rng, len(numbers), runs))

    def step(
        self, rule: Rule, descent: Descent | None, teacher: Teacher, state: State, noise: ReducedNoise, rate: Rate,
        number: Number,
    ) -> State:  # fmt: skip
        """Return the state after step `number`: samples ξ in the coordinates in use, L factors of their others."""
        xi, L, since = jnp.asarray(noise.xi), jnp.asarray(noise.L), number % self.cycle
        labels = None if noise.labels is None else jnp.asarray(noise.labels)
        W, (groups, fresh, _) = state.weights.W, L.shape
        filled, used = (self.coordinates - steps * groups * fresh for steps in (1, self.cycle - since))
        X = jnp.where(jnp.arange(filled) < used, xi[:, :filled], 0.0)
        X = jnp.pad(X, ((0, 0), (0, groups * fresh)))
        factors = jnp.moveaxis(L, 0, 1).reshape(fresh, groups * fresh)
        if self.batch_size == fresh:
            # T = push, so the samples may as well have L as their new coordinates; where W has none yet
            X = jax.lax.dynamic_update_slice(X, factors, (0, used))
        # without the barrier the compiler draws a sample anew wherever one of its coordinates is read
        new = moved(
            rule, teacher, state.weights, jax.lax.optimization_barrier(X), labels, rate,
            descent=descent, velocity=state.velocity, number=number, speeds=self.speeds,
        )  # fmt: skip
        after, velocity = new.weights.W, new.velocity
        if self.batch_size > fresh:
            added = jnp.linalg.qr(new.push, mode="r").T @ factors
            after = jax.lax.dynamic_update_slice(after, new.into_weights * added, (0, used))
            if velocity is not None:
                W_of = jax.lax.dynamic_update_slice(velocity.W, new.into_velocity * added, (0, used))
                velocity = velocity._replace(W=W_of)
        after = rule.retract(self.scaled_step(W, after), self.batch_size)
        rows = after if velocity is None else jnp.concatenate([after, velocity.W])
        whole = self.coordinates - groups * (len(rows) + self.cycle * fresh)
        # a loop of no steps or one leaves the rows where they are; a branch would copy them
        ends = jnp.where(since == self.cycle - 1, 1, 0)
        rows = jax.lax.fori_loop(0, ends, lambda _, rows: folded(rows, whole, groups, fresh), rows)
        if velocity is not None:
            velocity = velocity._replace(W=rows[len(W) :])
        return State(new.weights._replace(W=rows[: len(W)]), velocity)


def folded(rows: Float[Array, "R D"], whole: int, groups: int, fresh: int) -> Float[Array, "R D"]:
    """Return rows with the same first `whole` coordinates, and each group's Gram matrix in its first R ones."""
    count = rows.shape[0]
    first, added = jnp.split(rows[:, whole:], [groups * count], axis=1)
    added = jnp.swapaxes(added.reshape(count, -1, groups, fresh), 1, 2)
    rest = jnp.concatenate([first.reshape(count, groups, count), added.reshape(count, groups, -1)], axis=2)
    factors = jnp.linalg.qr(jnp.moveaxis(rest, 0, 2), mode="r")
    first = jnp.moveaxis(factors, 2, 0).reshape(count, groups * count)
    return jnp.concatenate([rows[:, :whole], jnp.pad(first, ((0, 0), (0, added[0].size)))], axis=1)


def reduced_engine(
    teacher: Teacher, dim: int, neurons: int, batch_size: int, *, rows: int, label_noise: Float[Array, ""] | None
) -> ReducedEngine | None:
    """Return the engine for N = `neurons` in R^dim, its coordinates in the order that `ReducedEngine` states.

    There are so many `rows`, N of the weights and with momentum N of its buffer. None where no group has
    rows + min(B, N) coordinates, so that there are none to leave out.
    """
    axes, fresh, (sizes, eigenvalues) = teacher.frame_dim, min(batch_size, neurons), _groups(teacher, dim)
    outside = sizes - rows
    cycle = min(neurons, int(outside.max(initial=0))) // fresh
    if cycle == 0:
        return None
    large = outside >= cycle * fresh
    begins = axes + np.where(large, sizes[~large].sum(), np.cumsum(~large * sizes) - sizes)
    begins += large * rows * (np.cumsum(large) - 1)
    places = [first + np.arange(min(size, neurons)) for first, size in zip(begins, sizes, strict=True)]
    fold, added = (np.repeat(eigenvalues[large], columns) for columns in (rows, fresh))
    past = [np.repeat(eigenvalues[~large], sizes[~large]), fold, np.tile(added, cycle)]
    covariance = teacher.covariance
    along = np.ones(axes) if covariance is None else np.asarray(covariance.eigenvalues)[:axes]
    each = np.concatenate([along, *past])
    return ReducedEngine(
        outside=jax.device_put(outside[large].astype(float)),
        places=jax.device_put(np.concatenate([np.arange(axes), *places])),
        speeds=speeds_of(covariance, each), label_noise=label_noise, coordinates=len(each), batch_size=batch_size,
        cycle=cycle,
    )  # fmt: skip


class _Groups(NamedTuple):
    """The groups of equal eigenvalues among the coordinates after the teacher's, in the order of the start.

    Attributes:
        sizes: d_g, how many coordinates each has.
        eigenvalues: λ_g; 1 on isotropic input.
    """

    sizes: Int[np.ndarray, " n"]
    eigenvalues: Float[np.ndarray, " n"]


def _groups(teacher: Teacher, dim: int) -> _Groups:
    if teacher.covariance is None:
        return _Groups(np.array([dim - teacher.frame_dim]), np.ones(1))
    groups = teacher.covariance.groups_after(teacher.frame_dim)
    return _Groups(np.array([len(g.indices) for g in groups], int), np.array([g.eigenvalue for g in groups]))
