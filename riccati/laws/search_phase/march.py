"""k > 2: the forward equation of all pairs, solved step by step together with the competition between neurons.

With x = m√d = sinh y, the diffusion of a pair (diffusion.py) has a generator A in y. Central differences make
it a matrix, and the masses of pair (i, p) on the nodes obey the forward (Fokker-Planck) equation

    dμ_ip/dt = A_pᵀ μ_ip,      F_ip(t) = 1 - Σ μ_ip the probability that m reached √level by t.

A is the matrix of the backward equation, of which this is the exact adjoint. The forward equation is solved because A
changes with time, through the energy that is not yet learned, taken at its mean over the other directions. All neurons
of a direction share one matrix, so a factorisation serves N right-hand sides.

Which direction a neuron learns when it escapes towards several is decided in competition.py.
Derived in derivations/search_phase.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Array, Float, Int

from ...numerics import LEAF, compiled_quickly
from ...support import progress
from .competition import competition_step, messages
from .diffusion import rest_energy
from .forward_equation import ForwardEquation, Grid, Pairs
from .tridiagonal import Tridiagonal, factored, solved

_STAGE = 2 - np.sqrt(2.0)  # of TR-BDF2: L-stable, and both stages have one matrix
_CHUNK = 64  # time steps of one call, after which it is known whether all is learned
_DONE = 1e-9  # probability of being unlearned that counts as none


def initial_masses(grid: Grid, overlaps: Float[np.ndarray, "N M"]) -> Float[np.ndarray, "n M N"]:
    """Unit masses at the overlaps, on four nodes each by cubic weights: exact for cubic backward solutions."""
    y, spacing, root = (np.asarray(part) for part in (grid.y, grid.spacing, grid.root_dim))
    at = (np.arcsinh(overlaps.T * root) - y[0]) / spacing
    left = np.clip(np.floor(at).astype(int) - 1, 0, len(y) - 4)
    s = at - left
    weights = (
        -(s - 1) * (s - 2) * (s - 3) / 6,
        s * (s - 2) * (s - 3) / 2,
        -s * (s - 1) * (s - 3) / 2,
        s * (s - 1) * (s - 2) / 6,
    )
    nodes = np.arange(len(y))[:, None, None]
    return sum((np.where(nodes == left + j, w, 0.0) for j, w in enumerate(weights)), start=np.zeros(1))


class MarchState(NamedTuple):
    """The solution so far.

    Attributes:
        now: (), index of the time reached.
        density: (n, M, N), the pairs' density on the nodes.
        unlearned_by: (N, M), 1 - ∫φ dF.
        untaken_by: (N, M), 1 - ∫ψ dF.
        history: (T, N+1, M), ψ_{p→i} at all times and, last, P_p.
        reached: (T, N, M), F_ip at all times, the probability that the pair has escaped, whoever takes the direction.
    """

    now: Int[Array, ""]
    density: Float[Array, "n M N"]
    unlearned_by: Float[Array, "N M"]
    untaken_by: Float[Array, "N M"]
    history: Float[Array, "T N+1 M"]
    reached: Float[Array, "T N M"]


class ForwardSolution(NamedTuple):
    """The solution of the forward equation, up to the last step taken.

    Attributes:
        times: (T,).
        unlearned: (T, M), P_p, the probability that direction p has no neuron yet.
        reached: (T, N, M), F_ip, the probability that the pair has escaped.
    """

    times: Float[np.ndarray, " T"]
    unlearned: Float[np.ndarray, "T M"]
    reached: Float[np.ndarray, "T N M"]


def initial_state(equation: ForwardEquation, pairs: Pairs) -> MarchState:
    """The state at time 0, on the host, where nothing compiles.

    Pairs that have escaped are done, those that are not present never escape.
    """
    escaped, grid, steps = pairs.escaped, equation.grid, equation.times.shape[0]
    masses = initial_masses(grid, pairs.overlaps) * (pairs.present - escaped).T
    K = np.array([[1.0], [4.0], [1.0]]) / 6 * np.ones(len(masses))  # the transpose of `_compact`, by diagonals
    K[2, 0] *= 2.0 if grid.reflecting else 1.0
    density = scipy.linalg.solve_banded((1, 1), K, masses.reshape(len(masses), -1)).reshape(masses.shape)
    ones = np.ones(escaped.shape)
    unlearned_by, untaken_by = competition_step(ones, ones, escaped, np.asarray(equation.shared) * escaped)
    history = np.broadcast_to(messages(unlearned_by), (steps, escaped.shape[0] + 1, escaped.shape[1]))
    reached = np.broadcast_to(escaped, (steps, *escaped.shape))
    return MarchState(*jax.device_put((np.asarray(0), density, unlearned_by, untaken_by, history, reached)))


def march(equation: ForwardEquation, state: MarchState) -> ForwardSolution:
    """The solution up to the last time, or to where all is learned."""
    steps = int(equation.last)
    with progress(steps, "search phase") as bar:
        for first in range(0, steps, _CHUNK):
            state, unlearned = _march_on(equation, state)
            bar.update(min(_CHUNK, steps - first))
            if float(unlearned) < _DONE:
                break
    taken = int(state.now) + 1
    return ForwardSolution(
        np.asarray(equation.times)[:taken], np.asarray(state.history)[:taken, -1], np.asarray(state.reached)[:taken]
    )


@compiled_quickly(like=lambda equation, state: (state, LEAF))
def _march_on(equation: ForwardEquation, state: MarchState) -> tuple[MarchState, Float[Array, ""]]:
    """The state a number of steps later, and the largest P_p there."""
    count = jnp.minimum(_CHUNK, equation.last - state.now)
    state = jax.lax.fori_loop(0, count, lambda _, at: _step(equation, at), state)
    return state, jnp.max(state.history[state.now, -1])


def _step(equation: ForwardEquation, state: MarchState) -> MarchState:
    here, then = equation.times[state.now], equation.times[state.now + 1]
    unlearned = _delayed(equation, state, (here + then) / 2 - equation.delays)
    rest: Any = rest_energy(equation.energies, unlearned[-1])
    density = _tr_bdf2(equation, state.density, rest, then - here)
    known = _normal(equation, then) - _normal(equation, here)
    escaped = jnp.where(equation.given > 0, known, jnp.sum(state.density - density, axis=0).T)
    taken = equation.shared * unlearned[:-1] * escaped
    pairs = competition_step(state.unlearned_by, state.untaken_by, escaped, taken)
    later = state.now + 1
    history = state.history.at[later].set(messages(pairs[0]))
    reached = state.reached.at[later].set(state.reached[state.now] + escaped)
    return MarchState(later, density, *pairs, history, reached)  # type: ignore[arg-type]


def _normal(equation: ForwardEquation, time: Array) -> Float[Array, "N M"]:
    return jax.scipy.special.ndtr((time - equation.mean) / equation.spread)


def _delayed(equation: ForwardEquation, state: MarchState, at: Float[Array, " M"]) -> Float[Array, "N+1 M"]:
    """ψ_{p→i} and P_p at time at_p by straight lines; from the last step on beyond the present, to second order."""
    index = jnp.clip(jnp.searchsorted(equation.times, at) - 1, 0, jnp.maximum(state.now - 1, 0))
    p = jnp.arange(at.shape[0])
    left, right = (state.history[index + n, :, p].T for n in (0, 1))
    share = (at - equation.times[index]) / (equation.times[index + 1] - equation.times[index])
    # no step has been taken yet: nothing to draw a line through
    share = jnp.where(state.now > 0, jnp.maximum(share, 0.0), 0.0)
    return jnp.clip(left + (right - left) * share, 0.0, 1.0)


def _rates(equation: ForwardEquation, rest: Float[Array, " M"]) -> tuple[Float[Array, "n M"], Float[Array, "n M"]]:
    """Rates from each node up and down: β ∂_y + ½ Δ ∂_y² (Itô's formula for y = arsinh x), multiplied by K.

    K β ∂_y = β ∂_y + (h²/6)(β ∂_y³ + 2β' ∂_y² + β'' ∂_y): the first is what central differences make of β ∂_y.
    """
    nodes, root, a = equation.grid, equation.grid.root_dim, equation.a
    at = jax.tree.map(lambda leaf: leaf[:, None] if leaf.ndim else leaf, equation.diffusion)
    x, stretch = jnp.sinh(nodes.y)[:, None], jnp.cosh(nodes.y)[:, None]
    drift, variance = root * at.drift(a, rest), root**2 * at.variance(a, rest)
    beta = drift / stretch - variance * x / (2 * stretch**3)
    ends = [2 * beta[:1] - beta[1:2], beta, 2 * beta[-1:] - beta[-2:-1]]
    behind, ahead = jnp.concatenate(ends[:2])[:-1], jnp.concatenate(ends[1:])[1:]
    diffusing = variance / (2 * (nodes.spacing * stretch) ** 2) + (ahead - behind) / (6 * nodes.spacing)
    # β' < 0 beyond the equator, where no noise is left and nobody starts: never diffuse backwards
    diffusing = jnp.maximum(diffusing, 0.0)
    drifting = (behind + 4 * beta + ahead) / (12 * nodes.spacing)
    return diffusing + drifting, diffusing - drifting


def _tridiagonal(grid: Grid, down: Array, middle: Array, up: Array) -> Tridiagonal:
    """The matrix with these rows; at a reflecting end the node below the end is the mirror image of the one above."""
    return Tridiagonal(down, middle, up.at[0].add(down[0]) if grid.reflecting else up)


def _compact(grid: Grid, like: Float[Array, "n M"]) -> Tridiagonal:
    """K = (1, 4, 1)/6."""
    side = jnp.full_like(like, 1 / 6)
    return _tridiagonal(grid, side, 4 * side, side)


def _tr_bdf2(equation: ForwardEquation, density: Array, rest: Array, dt: Array) -> Float[Array, "n M N"]:
    """One step of Kᵀ dν/dt = Aᵀν, A frozen at the middle of the step."""
    up, down = _rates(equation, rest)
    A, K = _tridiagonal(equation.grid, down, -up - down, up), _compact(equation.grid, up)
    implicit = factored(Tridiagonal(*(mass - _STAGE / 2 * dt * rate for mass, rate in zip(K, A, strict=True))))
    begun = K.transposed(density)
    halfway = solved(implicit, begun + _STAGE / 2 * dt * A.transposed(density))
    return solved(implicit, (K.transposed(halfway) - (1 - _STAGE) ** 2 * begun) / (_STAGE * (2 - _STAGE)))
