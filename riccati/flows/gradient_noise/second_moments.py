"""The second moments of the gradient noise for any link: C_il = E e² σ'(z_i) σ'(z_l).

With y = (ν, z) the projections of x on teacher and student, jointly Gaussian of unit variance with correlations R, and
b = (-a, s), the residual is e = Σ_n b_n σ_n(y_n), σ_n = σ unless direction n has a link of its own, so

    C_il = Σ_{n,n'} b_n b_n' E σ_n(y_n) σ_n'(y_n') σ'(z_i) σ'(z_l).

For a finite Hermite series the expectation is a finite sum over multigraphs on the four points n, n', i, l, with κ_e
edges between two of them (Wick's theorem),

    E Π_v h_{j_v}(y_v) = Σ_κ Π_v √(j_v!) Π_e R_e^{κ_e}/κ_e!,      Σ_{e ∋ v} κ_e = j_v,

exact to rounding. For a link whose series is infinite or long, C is an average over Sobol points in the M + N reduced
coordinates. Derived in derivations/noise_moments.py.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from math import factorial, prod, sqrt
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Array, Float, Int

from ...problem import Link, Teacher, coefficient_rows, series_derivative

_LONGEST_SERIES = 6  # degree up to which multigraphs are counted: 1,000 of them at the most
_LOG2_POINTS = 14  # of Sobol's sequence; moments of ReLU are then right to some 10⁻³
_ROUNDING = 1e-12  # of a coefficient that is computed, beside the largest
_INDEPENDENT = 1e-9  # added to the diagonal of correlations before Cholesky: neurons may coincide


class Multigraphs(NamedTuple):
    """The multigraphs of a finite Hermite series, with their weights.

    Attributes:
        edges: (G, 6), multiplicities between n-n', n-i, n-l, n'-i, n'-l, i-l.
        weights: (G,), Π_v √(j_v!)/Π_e κ_e!.
    """

    edges: Int[Array, "G 6"]
    weights: Float[Array, " G"]


def multigraphs(degrees: tuple[int, int, int, int]) -> list[tuple[int, ...]]:
    """All (κ_nn', κ_ni, κ_nl, κ_n'i, κ_n'l, κ_il) that have these degrees at n, n', i and l."""
    n, other, i, last = degrees
    graphs: list[tuple[int, ...]] = []
    for nn, ni, oi in product(range(min(n, other) + 1), range(min(n, i) + 1), range(min(other, i) + 1)):
        nl, ol, il = n - nn - ni, other - nn - oi, i - ni - oi
        if min(nl, ol, il) >= 0 and nl + ol + il == last:
            graphs.append((nn, ni, nl, oi, ol, il))
    return graphs


def graphs_of(link: Link, links: tuple[Link, ...] = (), stretched: bool = False) -> Multigraphs:
    """The multigraphs of σ_n σ_n' σ' σ' for series of degree ≤ 6; `links` are those of directions with their own.

    With `stretched` the arguments may have any variance, at which h_j has the degrees j, j - 2, ….
    """

    def degrees_of(each: Link) -> set[int]:
        c = np.abs(np.asarray(each.coefficients))
        present = np.flatnonzero(c > _ROUNDING * c.max()).tolist()
        return {low for j in present for low in (range(j, -1, -2) if stretched else [j])}

    values = sorted(set().union(*map(degrees_of, (link, *links))))
    slopes = sorted(j - 1 for j in degrees_of(link) if j > 0)
    weights: dict[tuple[int, ...], float] = {}
    for degrees in product(values, values, slopes, slopes):
        size = sqrt(prod(factorial(j) for j in degrees))
        weights |= {edges: size / prod(factorial(k) for k in edges) for edges in multigraphs(degrees)}
    return Multigraphs(jnp.asarray(list(weights)), jnp.asarray(list(weights.values())))


def is_counted(link: Link) -> bool:
    """Whether a link is a series short enough for multigraphs, and C so exact."""
    return link.polynomial_degree is not None and link.polynomial_degree <= _LONGEST_SERIES


def counted_moments(
    graphs: Multigraphs, layer: Float[Array, "J+1 D"], slopes: Float[Array, "J N"], R: Float[Array, "D D"]
) -> Float[Array, "N N"]:
    """C over all pairs of the last N points, (N, N), by the sum over multigraphs.

    `layer` has b_n c_j of point n's series in row j, and `slopes` the coefficients of σ' at the neurons. For arguments
    of any variances, with the covariance R, both are those of the stretched link over λ^j.
    """
    degree, neurons = layer.shape[0] - 1, slopes.shape[1]

    def powers(x: Array) -> Array:
        return jnp.cumprod(jnp.stack([jnp.ones_like(x), *[x] * degree]), axis=0)

    among, across, inside = (powers(part) for part in (R, R[:, -neurons:], R[-neurons:, -neurons:]))

    def add(total: Array, graph: tuple[Array, Array]) -> tuple[Array, None]:
        (nn, ni, nl, oi, ol, il), weight = graph
        first, second = (layer[degree][:, None, None] for degree in (nn + ni + nl, nn + oi + ol))
        left = first * across[ni][:, :, None] * across[nl][:, None, :]
        right = second * across[oi][:, :, None] * across[ol][:, None, :]
        joined = jnp.sum(left * jnp.tensordot(among[nn], right, 1), axis=0)
        ends = slopes[ni + oi + il][:, None] * slopes[nl + ol + il]
        return total + weight * ends * inside[il] * joined, None

    zero = jnp.zeros((neurons, neurons), layer.dtype)
    return jax.lax.scan(add, zero, (graphs.edges, graphs.weights))[0]


@cache
def sobol_points(dimension: int) -> Float[np.ndarray, "points dimension"]:
    """Sobol points turned into Gaussian ones, of mean 0 and unit covariance to rounding; the same at every call."""
    x = scipy.special.ndtri(scipy.stats.qmc.Sobol(dimension, scramble=True, seed=0).random_base2(_LOG2_POINTS))
    x -= x.mean(axis=0)
    return np.linalg.solve(np.linalg.cholesky(x.T @ x / len(x)), x.T).T


def averaged_moments(
    teacher: Teacher,
    points: Float[Array, "points D"],
    s: Float[Array, " N"],
    along: Float[Array, "N K"],
    p: Float[Array, "N N"],
) -> Float[Array, "N N"]:
    """C by the average over points, (N, N); p is the Gram matrix of the directions' parts off the K coordinates."""
    link = teacher.link
    size = jnp.sqrt(jnp.maximum(jnp.diag(p), 0.0))
    scale = jnp.where(size > 0, size, 1.0)
    correlations = p / (scale[:, None] * scale) + _INDEPENDENT * jnp.eye(along.shape[0])
    factor = size[:, None] * jnp.linalg.cholesky(correlations)
    z = points @ jnp.concatenate([along, factor], axis=1).T
    residual = link(z) @ s - teacher.output(teacher.overlaps(points))
    slopes = residual[:, None] * link.derivative(z)
    return slopes.T @ slopes / points.shape[0]


class NoiseMoments(eqx.Module):
    """How C is computed: from the multigraphs of finite series, or else by an average over points.

    Attributes:
        graphs: of the links, None where points are used.
        points: (n, K + N), Gaussian, None where graphs are.
    """

    graphs: Multigraphs | None
    points: Float[Array, "n D"] | None

    @classmethod
    def of(cls, teacher: Teacher, dimensions: int) -> NoiseMoments:
        """That of a teacher's links, with points of so many dimensions."""
        links = teacher.links or ()
        if all(is_counted(link) for link in (teacher.link, *links)):
            return cls(graphs_of(teacher.link, links), None)
        return cls(None, jax.device_put(sobol_points(dimensions)))

    @property
    def is_exact(self) -> bool:
        """Whether C is exact to rounding."""
        return self.points is None

    def __call__(
        self, teacher: Teacher, along: Float[Array, "N K"], p: Float[Array, "N N"], s: Float[Array, " N"]
    ) -> Float[Array, "N N"]:
        """C of directions with coordinates `along` the teacher's, Gram matrix p of the rest, and amplitudes s."""
        if self.graphs is None:
            assert self.points is not None
            return averaged_moments(teacher, self.points, s, along, p)
        links = (*(teacher.links or (teacher.link,) * teacher.width), *(teacher.link,) * len(s))
        layer = jnp.concatenate([-teacher.a, s]) * coefficient_rows(links).T
        slopes = jnp.repeat(series_derivative(teacher.link.coefficients)[:, None], len(s), axis=1)
        m = teacher.overlaps(along)
        R = jnp.block([[teacher.gram, m.T], [m, along @ along.T + p]])
        return counted_moments(self.graphs, layer, slopes, R)
