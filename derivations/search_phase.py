"""k > 2: near the equator, SGD at step size η = g B d^{-k/2} converges to a scalar diffusion.

With σ = h_k, overlap m = x/√d, x = O(1), residual e ≈ f* (Σa² = 1), one step from a batch of B moves m by the mean
η k a_p m^{k-1} - (η²/2B) d E[f*²σ'²] m and the variance (η²/B) E[f*²σ'²<x,θ_p>²] (derivations/own_pair.py). At the
equator σ'(<u,x>) is independent of f*, and from z h_k = √(k+1) h_{k+1} + √k h_{k-1}

    E σ'² = k,      E h_k(ν)² ν² = 2k + 1,      E f*² <x,θ_p>² = Σ_{m≠p} a_m² + (2k + 1)a_p² = 1 + 2k a_p².

A step lasts η of t, and t = d^{k/2-1}u, so every power of d cancels:

    dx = (k a_p x^{k-1} - ½ g k x) du + √(g k (1 + 2k a_p²)) dW.

Without noise x grows if g < 2 a_p x_0^{k-2}: the step size η ≍ a_p d^{-k/2} with its constant.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero
from .hermite import mean, polynomial, z

x, a_p, g, d, batch, eta = sp.symbols("x a_p g d B eta", positive=True)
k = sp.symbols("k", integer=True, positive=True)
_EXPLICIT = range(1, 6)  # degrees at which the symbolic moments are integrated as well


def moments() -> tuple[sp.Expr, sp.Expr]:
    """E h_k'² and E h_k² ν² for symbolic k, by orthonormality of what h_k' and ν h_k are made of."""
    slope = sp.sqrt(k) ** 2  # h_k' = √k h_{k-1}
    second = sp.expand(sp.sqrt(k + 1) ** 2 + sp.sqrt(k) ** 2)  # ν h_k = √(k+1) h_{k+1} + √k h_{k-1}
    for degree in _EXPLICIT:
        h = polynomial(degree)
        prove_zero(mean(sp.diff(h, z) ** 2, z) - slope.subs(k, degree), f"E σ'², k = {degree}")
        prove_zero(mean(h**2 * z**2, z) - second.subs(k, degree), f"E h² ν², k = {degree}")
        prove_zero(mean(h, z), f"E h, k = {degree}")  # so terms a_m a_n, m ≠ n, vanish
    return slope, second


def derive() -> Derivation:
    """The moments at the equator and the diffusion's coefficients."""
    slope, second = moments()
    noise = sp.expand((1 - a_p**2) + a_p**2 * second)
    m = x / sp.sqrt(d)
    rate = g * batch * d ** (-k / 2)
    mean_step = eta * k * a_p * m ** (k - 1) - eta**2 / (2 * batch) * d * slope * m
    variance = eta**2 / batch * slope * noise
    lasts = eta * d ** (1 - k / 2)  # of u, a step
    drift, spread = (
        sp.simplify(sp.powsimp(sp.expand((scale * moved / lasts).subs(eta, rate)), force=True))
        for scale, moved in ((sp.sqrt(d), mean_step), (d, variance))
    )
    prove_zero(sp.diff(drift, d), "d in the drift")
    prove_zero(sp.diff(spread, d), "d in the noise")
    threshold = sp.simplify(sp.solve(sp.expand(drift / (k * x)), g)[0])
    prove_zero(sp.simplify(drift.subs(g, threshold)), "threshold")
    return Derivation(
        title="The search phase as a diffusion",
        statement=r"$dx = (k a_p x^{k-1} - \frac12 gkx)\,du + \sqrt{gk(1+2ka_p^2)}\,dW$ for $x = m\sqrt d$, $t = "
        r"d^{k/2-1}u$, $\eta = gBd^{-k/2}$.",
        steps=(
            (r"At the equator $E\,\sigma'^2$ is", slope),
            (r"$E\,h_k(\nu)^2\nu^2$, from $\nu h_k = \sqrt{k+1}\,h_{k+1} + \sqrt k\,h_{k-1}$, is", second),
            (r"Mean of one step of $m = x/\sqrt d$.", mean_step),
            (r"Its variance.", variance),
            (r"A step lasts this much of $u$.", lasts),
        ),
        result={
            "drag": equation(r"E\,f_*^2\sigma'^2", slope),
            "second moment": equation(r"E\,h_k^2\nu^2", second),
            "noise": equation(r"E\,f_*^2\langle x,\theta_p\rangle^2", noise),
            "drift": equation(r"E\,dx/du", drift),
            "variance": equation(r"\mathrm{Var}\,dx/du", spread),
            "threshold": equation("g", threshold),
        },
        proved="drag k, noise 1 + 2k a_p² for symbolic k; every power of d cancels from drift and noise; threshold",
    )  # fmt: skip


@cache
def _computed(degree: int) -> dict[str, float]:
    """Moments of one step at the equator by quadrature over (<x,u>, <x,θ_1>, <x,θ_2>), with riccati's polynomials."""
    import jax.numpy as jnp
    from scipy.special import roots_hermitenorm

    import riccati as rc
    from riccati.laws.search_phase import diffusion_at, rest_energy, step_size

    link, amplitude = rc.Link.hermite(degree), np.array([0.8, 0.6])
    nodes, weights = roots_hermitenorm(16)
    weights = weights / weights.sum()
    h, slopes = np.asarray(link(nodes)), np.asarray(link.derivative(nodes))
    teacher = amplitude[0] * h[:, None] + amplitude[1] * h
    density = weights[:, None] * weights
    size = float(weights @ slopes**2)
    drag = size * float(np.sum(density * teacher**2))
    noise = float(np.sum(density * teacher**2 * nodes[:, None] ** 2))
    # riccati's diffusion in a large dimension, in units of x and u
    dim, batch_size, strength, at = 10**16, 4, 0.3, 1.7
    overlap = at / np.sqrt(dim)
    step = step_size(rc.SGD(strength * batch_size * dim ** (-degree / 2), batch_size), dim)
    here = diffusion_at(link, jnp.array([overlap]), step)
    rest = rest_energy(link.dual(1.0) * amplitude**2, jnp.ones(2))[0]
    per_u = dim ** (degree / 2 - 1)
    pull = amplitude[0] * float(link.dual_derivative(overlap))
    return {
        "drag": drag, "second moment": float(weights @ (h * nodes) ** 2), "noise": noise,
        "drift": np.sqrt(dim) * per_u * float(here.drift(amplitude[0], rest)[0]),
        "variance": dim * per_u * float(here.variance(amplitude[0], rest)[0]),
        "threshold": 2 * pull / (drag * overlap) * per_u,
    }  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """Against moments by quadrature over riccati's polynomials, and the diffusion that riccati solves."""
    derived = derivation or derive()
    worst = []
    for degree in (3, 4):
        for name, computed in _computed(degree).items():
            value = numeric(derived[name], k, a_p, g, x)(degree, 0.8, 0.3, 1.7)
            worst.append(agree(value, computed, f"{name}, k = {degree}", 1e-11))
    return Checked(derived.proved, "diffusion_at, and Link.hermite under quadrature, k = 3 and 4", max(worst))
