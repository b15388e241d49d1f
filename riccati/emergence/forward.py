"""k > 2, the law of emergence times: one forward equation for all pairs, and the race of the neurons.

With x = m√d = sinh y, the diffusion of a pair (flows/search_phase.py) has a generator A in y. Central differences make
it a matrix, and the masses of pair (i, p) on the nodes obey the forward (Fokker-Planck) equation

    dμ_ip/dt = A_pᵀ μ_ip,      F_ip(t) = 1 - Σ μ_ip the probability that m reached √level by t.

A is the backward equation's matrix, so this is its exact adjoint; the forward one is marched because A changes with
time, through the energy that is not yet learned, taken at its mean over the other directions. All neurons of a
direction share one matrix: a factorisation serves N right-hand sides.

The race: direction p takes the first neuron that escapes towards it and is free, and is learned a delay δ_p later, when
its neuron's norm has grown; a neuron that escapes towards p before that is taken too. With ψ_{p→i} = P(no neuron other
than i has taken p), φ_{i→p} = P(i not taken by a direction other than p), P_p = P(p has no neuron),

    ψ_{p→i} = Π_{l≠i} [1 - ∫ φ_{l→p} dF_lp],           P_p = Π_i [1 - ∫ φ_{i→p} dF_ip],
    φ_{i→p} = Π_{q≠p} [1 - ∫ ψ_{q→i}(t - δ_q) dF_iq].

Exact where the graph of pairs is a tree (so for M = 1 or N = 1), and where escape times have no spread.
Derived in derivations/search_phase.py.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..problem import Teacher
from ..support import progress
from .diffusion import Diffusion, rest_energy

_STAGE = 2 - np.sqrt(2.0)  # of TR-BDF2: L-stable, and both stages have one matrix
_CHUNK = 64  # time steps between two looks at what is left
_DONE = 1e-9  # probability of being unlearned that counts as none
_UNROLL = 4  # rows per turn of the compiled loop
_LEAST_LOG = -700.0  # of probabilities, just above underflow


class Grid(eqx.Module):
    """Nodes y, uniform with `spacing` up to the absorbing level; dimension enters through x = m√d."""

    y: Float[Array, " n"]
    spacing: Float[Array, ""]
    root_dim: Float[Array, ""]
    reflecting: bool = eqx.field(static=True)

    @property
    def overlaps(self) -> Float[Array, " n"]:
        """m at the nodes; rounding may carry the reflecting end of an odd link past -1."""
        return jnp.clip(jnp.sinh(self.y) / self.root_dim, -1.0, 1.0)


def grid(teacher: Teacher, dim: int, level: float, count: int) -> Grid:
    """`count` nodes. Absorbing at the level; below, reflecting at 0 for even links, at -1 for odd k, else absorbing."""
    root = np.sqrt(dim)
    top = np.arcsinh(np.sqrt(level) * root)
    link = teacher.link
    reflecting = link.is_even or link.information_exponent % 2 == 1
    low = 0.0 if link.is_even else -np.arcsinh(root) if reflecting else -top
    first = 0 if reflecting else 1
    spacing = (top - low) / (count + first)
    return Grid(
        jnp.asarray(low + spacing * np.arange(first, count + first)),
        jnp.asarray(spacing),
        jnp.asarray(root),
        reflecting,
    )


def initial_masses(grid: Grid, overlaps: Float[Array, "N M"]) -> Float[Array, "n M N"]:
    """Unit masses at the overlaps, on four nodes each by cubic weights: exact for cubic backward solutions."""
    at = (jnp.arcsinh(overlaps.T * grid.root_dim) - grid.y[0]) / grid.spacing
    left = jnp.clip(jnp.floor(at).astype(int) - 1, 0, grid.y.shape[0] - 4)
    s = at - left
    weights = (
        -(s - 1) * (s - 2) * (s - 3) / 6,
        s * (s - 2) * (s - 3) / 2,
        -s * (s - 1) * (s - 3) / 2,
        s * (s - 1) * (s - 2) / 6,
    )
    nodes = jnp.arange(grid.y.shape[0])[:, None, None]
    return sum((jnp.where(nodes == left + j, w, 0.0) for j, w in enumerate(weights)), start=jnp.zeros(1))


class March(NamedTuple):
    """What the march does not change: `delays` (M,) from emergence to learned; `shared`, 1 where neurons compete.

    Directions `given`, 1 or 0, are not marched: F_ip is normal with `mean` and `spread`, never where the mean is inf.
    """

    teacher: Teacher
    grid: Grid
    diffusion: Diffusion
    times: Float[Array, " T"]
    delays: Float[Array, " M"]
    shared: Float[Array, ""]
    given: Float[Array, " M"]
    mean: Float[Array, "N M"]
    spread: Float[Array, "N M"]


class State(NamedTuple):
    """At step `now`: density; 1 - ∫φ dF and 1 - ∫ψ dF of every pair. At all steps ψ_{p→i} and, last, P_p; and F_ip."""

    now: Array
    density: Float[Array, "n M N"]
    unlearned_by: Float[Array, "N M"]
    untaken_by: Float[Array, "N M"]
    history: Float[Array, "T N+1 M"]
    reached: Float[Array, "T N M"]


class Marched(NamedTuple):
    """What a march yields, up to the last step taken.

    Attributes:
        times: (T,).
        unlearned: (T, M), P_p.
        reached: (T, N, M), F_ip, the probability that pair (i, p) has escaped, whoever takes the direction.
    """

    times: Float[Array, " T"]
    unlearned: Float[Array, "T M"]
    reached: Float[Array, "T N M"]


def begin(problem: March, overlaps: Float[Array, "N M"], present: Float[Array, "N M"], level: float) -> State:
    """Pairs at their overlaps; those past the level have escaped already, those not `present` never will."""
    either_sign = problem.teacher.link.information_exponent % 2 == 0
    escaped = ((jnp.abs(overlaps) if either_sign else overlaps) >= jnp.sqrt(level)) * present
    masses = initial_masses(problem.grid, overlaps) * (present - escaped).T
    density = _solve(_factored(_compact(problem.grid, jnp.ones(masses.shape[:2]))), masses)
    ones = jnp.ones(overlaps.shape)
    race = _race(ones, ones, escaped, problem.shared * escaped)
    history = jnp.broadcast_to(_messages(race[0]), (problem.times.shape[0], overlaps.shape[0] + 1, overlaps.shape[1]))
    reached = jnp.broadcast_to(escaped.astype(float), (problem.times.shape[0], *escaped.shape))
    return State(jnp.asarray(0), density, *race, history, reached)


def march(problem: March, state: State) -> Marched:
    """The whole march; stops where all is learned."""
    steps = problem.times.shape[0] - 1
    with progress(steps, "search phase") as bar:
        for first in range(0, steps, _CHUNK):
            state = _advance(problem, state)
            bar.update(min(_CHUNK, steps - first))
            if float(jnp.max(state.history[state.now, -1])) < _DONE:
                break
    last = int(state.now) + 1
    return Marched(problem.times[:last], state.history[:last, -1], state.reached[:last])


@jax.jit
def _advance(problem: March, state: State) -> State:
    last = problem.times.shape[0] - 1
    return jax.lax.fori_loop(0, jnp.minimum(_CHUNK, last - state.now), lambda _, s: _step(problem, s), state)


def _step(problem: March, state: State) -> State:
    here, then = problem.times[state.now], problem.times[state.now + 1]
    unlearned = _delayed(problem, state, (here + then) / 2 - problem.delays)
    density = _tr_bdf2(problem, state.density, rest_energy(problem.teacher, unlearned[-1]), then - here)
    known = _normal(problem, then) - _normal(problem, here)
    escaped = jnp.where(problem.given > 0, known, jnp.sum(state.density - density, axis=0).T)
    taken = problem.shared * unlearned[:-1] * escaped
    race = _race(state.unlearned_by, state.untaken_by, escaped, taken)
    then_there = state.now + 1
    history = state.history.at[then_there].set(_messages(race[0]))
    reached = state.reached.at[then_there].set(state.reached[state.now] + escaped)
    return State(then_there, density, *race, history, reached)


def _normal(problem: March, time: Array) -> Float[Array, "N M"]:
    return jax.scipy.special.ndtr((time - problem.mean) / problem.spread)


def _delayed(problem: March, state: State, at: Float[Array, " M"]) -> Float[Array, "N+1 M"]:
    """ψ_{p→i} and P_p at time at_p by straight lines; from the last step on beyond the present, to second order."""
    index = jnp.clip(jnp.searchsorted(problem.times, at) - 1, 0, jnp.maximum(state.now - 1, 0))
    p = jnp.arange(at.shape[0])
    left, right = (state.history[index + n, :, p].T for n in (0, 1))
    share = (at - problem.times[index]) / (problem.times[index + 1] - problem.times[index])
    # no step has been taken yet: nothing to draw a line through
    share = jnp.where(state.now > 0, jnp.maximum(share, 0.0), 0.0)
    return jnp.clip(left + (right - left) * share, 0.0, 1.0)


def _race(unlearned_by: Array, untaken_by: Array, escaped: Array, taken: Array) -> tuple[Array, Array]:
    """One step of the race, all arrays (N, M), by Heun's rule; `escaped` is dF, `taken` is ψ dF."""

    def learned(untaken_by: Array) -> Array:
        log = _log(untaken_by)
        return jnp.exp(jnp.sum(log, axis=1, keepdims=True) - log) * escaped

    then = untaken_by - taken
    return unlearned_by - (learned(untaken_by) + learned(then)) / 2, then


def _messages(unlearned_by: Float[Array, "N M"]) -> Float[Array, "N+1 M"]:
    """ψ_{p→i} for all neurons, and P_p."""
    log = _log(unlearned_by)
    total = jnp.sum(log, axis=0, keepdims=True)
    return jnp.exp(jnp.concatenate([total - log, total]))


def _log(probability: Array) -> Array:
    return jnp.log(jnp.maximum(probability, np.exp(_LEAST_LOG)))


def _rates(problem: March, rest: Float[Array, " M"]) -> tuple[Float[Array, "n M"], Float[Array, "n M"]]:
    """Rates from each node up and down: β ∂_y + ½ Δ ∂_y² (Itô's formula for y = arsinh x), multiplied by K.

    K β ∂_y = β ∂_y + (h²/6)(β ∂_y³ + 2β' ∂_y² + β'' ∂_y): the first is what central differences make of β ∂_y.
    """
    nodes, root, a = problem.grid, problem.grid.root_dim, problem.teacher.a
    at = jax.tree.map(lambda leaf: leaf[:, None] if leaf.ndim else leaf, problem.diffusion)
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


class _Tridiagonal(NamedTuple):
    """A matrix of the backward equation by rows: `down` and `up` to the node below and above; each (n, M)."""

    down: Array
    middle: Array
    up: Array

    def transposed(self, masses: Float[Array, "n M N"]) -> Float[Array, "n M N"]:
        """Its transpose times masses."""
        empty = jnp.zeros_like(masses[:1])
        from_below, from_above = self.up[:-1, :, None] * masses[:-1], self.down[1:, :, None] * masses[1:]
        return (
            self.middle[..., None] * masses
            + jnp.concatenate([empty, from_below])
            + jnp.concatenate([from_above, empty])
        )


def _tridiagonal(grid: Grid, down: Array, middle: Array, up: Array) -> _Tridiagonal:
    """With the node below a reflecting end the mirror image of the one above."""
    return _Tridiagonal(down, middle, up.at[0].add(down[0]) if grid.reflecting else up)


def _compact(grid: Grid, like: Float[Array, "n M"]) -> _Tridiagonal:
    """K = (1, 4, 1)/6."""
    side = jnp.full_like(like, 1 / 6)
    return _tridiagonal(grid, side, 4 * side, side)


def _tr_bdf2(problem: March, density: Array, rest: Array, dt: Array) -> Float[Array, "n M N"]:
    """One step of Kᵀ dν/dt = Aᵀν, A frozen at the middle of the step."""
    up, down = _rates(problem, rest)
    A, K = _tridiagonal(problem.grid, down, -up - down, up), _compact(problem.grid, up)
    implicit = _factored(_Tridiagonal(*(mass - _STAGE / 2 * dt * rate for mass, rate in zip(K, A, strict=True))))
    begun = K.transposed(density)
    halfway = _solve(implicit, begun + _STAGE / 2 * dt * A.transposed(density))
    return _solve(implicit, (K.transposed(halfway) - (1 - _STAGE) ** 2 * begun) / (_STAGE * (2 - _STAGE)))


class _Factors(NamedTuple):
    """Of a transposed matrix, by Thomas' algorithm: what is below the diagonal, 1/pivots and above/pivot."""

    below: Array
    inverse: Array
    ratio: Array


def _factored(matrix: _Tridiagonal) -> _Factors:
    """Needs no pivoting: where drift dominates, neighbours' entries have opposite signs, which enlarges pivots."""
    zero = jnp.zeros_like(matrix.up[:1])
    below, above = jnp.concatenate([zero, matrix.up[:-1]]), jnp.concatenate([matrix.down[1:], zero])

    def row(ratio: Array, entries: tuple[Array, Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        low, middle, high = entries
        inverse = 1 / (middle - low * ratio)
        return high * inverse, (inverse, high * inverse)

    return _Factors(below, *jax.lax.scan(row, zero[0], (below, matrix.middle, above), unroll=_UNROLL)[1])


def _solve(factors: _Factors, right: Float[Array, "n M N"]) -> Float[Array, "n M N"]:
    def down(before: Array, entries: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        low, inverse, value = entries
        solved = (value - low[:, None] * before) * inverse[:, None]
        return solved, solved

    def up(after: Array, entries: tuple[Array, Array]) -> tuple[Array, Array]:
        ratio, value = entries
        solved = value - ratio[:, None] * after
        return solved, solved

    start = jnp.zeros_like(right[0])
    swept = jax.lax.scan(down, start, (factors.below, factors.inverse, right), unroll=_UNROLL)[1]
    return jax.lax.scan(up, start, (factors.ratio, swept), reverse=True, unroll=_UNROLL)[1]
