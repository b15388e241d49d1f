"""Which direction a lone neuron goes to, how many neurons find them all, and the law of an overlap.

On the sphere of R^d an overlap m = <u,θ> has density (1 - m²)^{(d-3)/2}/B(½, (d-1)/2), so m² ~ Beta(½, (d-1)/2).
Under the correlation loss a neuron goes to argmax_p a_p |m_p|^{k-2} (for odd k among positive m_p). Lengths do not
matter, so Gaussian x_p stand for m_p, and for two directions with r = (a_1/a_2)^{1/(k-2)}

    π_1 = P(|x_2| < r |x_1|) = (2/π) atan r     (k even),      (π/2 + atan r)/2π     (k odd).

N neurons are N independent draws: direction p is covered with probability 1 - (1 - π_p)^N, and all of a set with
N! [z^N] Π_p (e^{π_p z} - 1) e^{(1 - Σπ)z}, which is inclusion and exclusion.
"""

from __future__ import annotations

import numpy as np
import sympy as sp
from sympy.ntheory.multinomial import multinomial_coefficients

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero

m, r, angle, z = sp.symbols("m r phi z", positive=True)
d, n = sp.symbols("d N", integer=True, positive=True)
first, second = sp.symbols("pi_1 pi_2", positive=True)
_EXPLICIT = range(1, 6)  # numbers of neurons at which the power series is written out
_DIMENSIONS = (3, 5, 7, 9)  # odd dimensions, at which the density is a polynomial to integrate


def overlap_density() -> sp.Expr:
    """The sphere's area between m and m + dm: radius (1 - m²)^½ to the d - 2, thickness (1 - m²)^{-½} dm."""
    shape = sp.sqrt(1 - m**2) ** (d - 2) / sp.sqrt(1 - m**2)
    density = sp.powsimp(shape) / (sp.gamma(sp.Rational(1, 2)) * sp.gamma((d - 1) / 2) / sp.gamma(d / 2))
    for dim in _DIMENSIONS:
        here = sp.expand(2 * (1 - m**2) ** ((dim - 3) // 2)) * density.subs(d, dim).subs(m, 0)
        prove_zero(sp.integrate(here, (m, 0, 1)) - 1, f"mass of the density, d = {dim}")
        prove_zero(sp.integrate(m**2 * here, (m, 0, 1)) - sp.Rational(1, dim), f"E m² = 1/d, d = {dim}")
    return density


def pair() -> tuple[sp.Expr, sp.Expr]:
    """π_1 of two directions for even and odd k: the share of directions (cos φ, sin φ) of (x_1, x_2) that win."""
    even = 4 * sp.integrate(1 / (2 * sp.pi), (angle, 0, sp.atan(r)))  # |tan φ| < r, in four quadrants
    odd = sp.integrate(1 / (2 * sp.pi), (angle, -sp.pi / 2, sp.atan(r)))  # x_1 > 0 and x_2 < r x_1
    other = sp.pi / 2 - sp.atan(r)  # atan 1/r, for the second direction
    prove_zero(even + even.subs(sp.atan(r), other) - 1, "a neuron goes somewhere, k even")
    prove_zero(odd + odd.subs(sp.atan(r), other) - sp.Rational(3, 4), "one in four goes nowhere, k odd")
    return even, odd


def both_covered() -> sp.Expr:
    """P(both directions covered) by inclusion and exclusion, equal to the coefficient of the series."""
    excluded = 1 - (1 - first) ** n - (1 - second) ** n + (1 - first - second) ** n
    rest = 1 - first - second
    for number in _EXPLICIT:
        ways = multinomial_coefficients(3, number)
        terms = (count * first**i * second**j * rest**o for (i, j, o), count in ways.items() if i and j)
        counted = sum(terms, sp.S.Zero)
        prove_zero(counted - excluded.subs(n, number), f"both covered by {number} neurons")
    return excluded


def derive() -> Derivation:
    """The density of an overlap, the destinations of two directions, and their coverage."""
    density, (even, odd), both = overlap_density(), pair(), both_covered()
    single = 1 - (1 - first) ** n
    return Derivation(
        title="Coverage of directions by neurons that do not see each other",
        statement=r"$m^2 \sim \mathrm{Beta}(\frac12, \frac{d-1}2)$; a neuron goes to "
        r"$\arg\max_p a_p|m_p|^{k-2}$, to the first of two with probability $\frac2\pi\arctan r$, "
        r"$r = (a_1/a_2)^{1/(k-2)}$ ($k$ even).",
        steps=(
            (r"The area of the sphere between $m$ and $m + dm$ gives the density of $m$.", density),
            (r"$a_1|x_1|^{k-2} > a_2|x_2|^{k-2}$ is $|\tan\varphi| < r$, a share of the circle ($k$ even).", even),
            (r"For odd $k$ it is $-\pi/2 < \varphi < \arctan r$.", odd),
            (r"$N$ draws miss one direction with probability $(1-\pi_1)^N$.", single),
            (r"$N![z^N]\prod_p(e^{\pi_pz}-1)e^{(1-\sum\pi)z}$ is inclusion and exclusion.", both),
        ),
        result={
            "density": equation("p(m)", density),
            "even": equation(r"\pi_1", even),
            "odd": equation(r"\pi_1", odd),
            "one covered": equation(r"P(1\ \mathrm{covered})", single),
            "both covered": equation(r"P(\mathrm{both\ covered})", both),
        },
        proved="density of an overlap; π of two directions for even and odd k; the series is inclusion and exclusion",
    )


def check(derivation: Derivation | None = None) -> Checked:
    """Against riccati's destination probabilities, coverage and quantiles of the largest overlap."""
    import riccati as rc
    from riccati.laws import coverage, coverage_of_top, destination_probabilities
    from riccati.problem import largest_overlap

    derived = derivation or derive()
    worst = []
    for name, k in (("even", 4), ("odd", 3), ("even", 6)):
        chances = destination_probabilities(rc.Teacher([3.0, 2.0], rc.Link.hermite(k)))
        for p, ratio in enumerate((1.5, 1 / 1.5)):
            share = numeric(derived[name], r)(ratio ** (1 / (k - 2)))
            worst.append(agree(share, chances[p], f"π_{p + 1}, k = {k}", 1e-11))
    chances = np.array([0.3, 0.15])
    for number in (3, 40):
        one = numeric(derived["one covered"], first, n)(chances[0], number)
        worst.append(agree(one, coverage(chances, number)[0], f"coverage by {number}"))
        both = numeric(derived["both covered"], first, second, n)(*chances, number)
        worst.append(agree(both, coverage_of_top(chances, number, 2), f"coverage of both by {number}", 1e-11))
    nodes, weights = np.polynomial.legendre.leggauss(80)
    for dim in (5, 40):
        x = float(largest_overlap(1, dim, 0.7, True))
        inside = numeric(derived["density"], m, d)(x * (nodes + 1) / 2, dim)
        worst.append(agree(x * np.sum(weights * inside), 0.7, f"P(|m| < x), d = {dim}", 1e-11))
    compared = "destination_probabilities, coverage, coverage_of_top, largest_overlap"
    return Checked(derived.proved, compared, max(worst))
