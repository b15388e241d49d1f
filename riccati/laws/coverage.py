"""Coverage: which directions N neurons of the correlation loss learn, and the width that learns them all.

Without deflation every neuron goes to argmax_p a_p |m_ip(0)|^(k-2), so the N neurons are N independent draws of a
direction, p with probability

    π_p = ∫ dP(x) Π_{q≠p} P(|x_q| < (a_p/a_q)^(1/(k-2)) |x|),      x ~ N(0, 1)

(only x > 0 grows for odd k). Directions of small a_p are learned by an exponentially small fraction of the neurons.
Source: Oko, Song, Suzuki & Wu 2024 for the algorithm; derivations/coverage.py.
"""

from __future__ import annotations

from functools import partial

import jax
import numpy as np
import scipy
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from ..numerics import as_key, unit_nodes
from ..problem import Teacher, isotropic, overlap_scores, require_covered
from ..support import require, require_integer, require_open_unit

_CONSUMER = "coverage of the correlation loss"
_MOST_WIDTH, _EXACT_WIDTH = 2**40, 2000
_COUNT = 400  # nodes over the Gaussian overlap
_TAIL = 12.0  # |x| past it has probability 10⁻³²


def destination_probabilities(teacher: Teacher) -> np.ndarray:
    """The probability π_p (M,) that a random neuron goes to direction p, k > 2.

    They add up to 1, for odd k to 1 - 2^-M, as a neuron whose overlaps are all negative goes nowhere. Computed by
    Gauss-Legendre quadrature over a Gaussian overlap. This is exact for every d, as only ratios of overlaps matter.

    Raises:
        ArgumentError: a problem that problem/scope.py does not list as covered.
    """
    k = teacher.link.information_exponent
    require_covered(_CONSUMER, teacher)
    a = np.asarray(teacher.a)
    nodes, weights = unit_nodes(_COUNT)
    x = _TAIL * nodes
    weights = _TAIL * weights * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    either = 2.0 if teacher.link.either_sign else 1.0
    chances = np.empty(len(a))
    for p, own in enumerate(a):
        reach = (own / a) ** (1 / (k - 2))
        at = np.outer(np.delete(reach, p), x)
        # P(|x_q| < t) = 1 - 2 P(x_q < -t) for even k, P(x_q < t) for odd k
        below = np.log1p(-2 * scipy.special.ndtr(-at)) if teacher.link.either_sign else scipy.special.log_ndtr(at)
        chances[p] = either * np.sum(weights * np.exp(below.sum(axis=0)))
    return chances


def coverage(chances: ArrayLike, student_width: int) -> np.ndarray:
    """The probability (M,) that at least one of N neurons goes to direction p: 1 - (1 - π_p)^N.

    Raises:
        ArgumentError: a width that is no whole number ≥ 1.
    """
    require_integer(student_width, "student_width", 1)
    return -np.expm1(student_width * np.log1p(-np.asarray(chances, float)))


def coverage_of_top(chances: ArrayLike, student_width: int, top: int) -> float:
    """The probability that N neurons cover every one of the first `top` directions, exactly.

    N! [z^N] Π_{p ≤ top}(e^{π_p z} - 1) e^{(1 - Σ π_p) z}: a product of truncated power series, all terms positive.

    Raises:
        ArgumentError: a width below 1, or `top` outside 1 … M.
    """
    chances = np.asarray(chances, float)
    require_integer(student_width, "student_width", 1)
    require_integer(top, "top", 1)
    require(top <= len(chances), "top", f"be ≤ the number of directions {len(chances)}", top)
    if student_width < top:
        return 0.0
    n = np.arange(student_width + 1)

    # series in log form would lose the sums; terms are scaled by N^n/n! instead, which keeps them near one
    def series(chance: float, first: int) -> np.ndarray:
        with np.errstate(divide="ignore"):
            terms = np.exp(n * np.log(chance * student_width) - scipy.special.gammaln(n + 1) - chance * student_width)
        terms[:first] = 0.0
        return terms

    product = series(max(1 - chances[:top].sum(), 1e-300), 0)
    for chance in chances[:top]:
        product = np.convolve(product, series(chance, 1))[: student_width + 1]
    log_scale = scipy.special.gammaln(student_width + 1) - student_width * np.log(student_width) + student_width
    return float(min(product[-1] * np.exp(log_scale), 1.0))


def width_to_cover(chances: ArrayLike, top: int, probability: float = 0.9) -> int:
    """The least N that covers every one of the first `top` directions with at least `probability`.

    Found by bisection on `coverage_of_top`; past N = 2000, where that is slow, on the product of the coverages of
    single directions, which exceeds the exact probability by a relative π²N e^{-πN} at most.

    Raises:
        ArgumentError: `top` outside 1 … M, a probability outside (0, 1), or one that 2⁴⁰ neurons do not reach.
    """
    chances = np.asarray(chances, float)
    require_integer(top, "top", 1)
    require(top <= len(chances), "top", f"be ≤ the number of directions {len(chances)}", top)
    require_open_unit(probability, "probability")

    def enough(width: int) -> bool:
        if width <= _EXACT_WIDTH:
            return coverage_of_top(chances, width, top) >= probability
        return float(np.prod(coverage(chances[:top], width))) >= probability

    low, high = 0, 1
    while not enough(high):
        low, high = high, 2 * high
        require(high < _MOST_WIDTH, "top", "be coverable by 2^40 neurons", top)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def simulated_coverage(
    teacher: Teacher, student_width: int, dim: int, draws: int = 200, seed: int | Key[Array, ""] = 0
) -> np.ndarray:
    """The fraction (M,) of `draws` random starts in which a neuron goes to direction p: `coverage` by Monte Carlo."""
    require_integer(draws, "draws", 1)
    require_integer(student_width, "student_width", 1)
    require_integer(dim, "dim", max(student_width, teacher.width))
    require_covered(_CONSUMER, teacher)

    overlaps = _drawn_overlaps(as_key(seed), draws, student_width, teacher.width, dim)
    scores = np.asarray(overlap_scores(teacher.a, np.asarray(overlaps), teacher.link))
    goes = np.where(scores.max(axis=2) > 0, scores.argmax(axis=2), -1)
    return np.mean((goes[..., None] == np.arange(teacher.width)).any(axis=1), axis=0)


@partial(jax.jit, static_argnums=(1, 2, 3))
def _drawn_overlaps(key: Array, draws: int, neurons: int, directions: int, dim: int) -> Float[Array, "draws N M"]:
    """The overlaps of random starts, which do not depend on the link."""
    keys = jax.random.split(key, draws)
    return jax.lax.map(lambda own: isotropic(own, dim - directions, neurons, directions)[0], keys)
