"""Constants of the scaling laws: what a shape makes of the risk in time, a grid of widths of the frontier, a step of
the samples.

With weights m^{-ω} and times T_1 m^θ the sum over directions of f(u m^{-θ}), u = t/T_1, is for large u

    ∫_0^∞ x^{-ω} f(u x^{-θ}) dx = (1/θ) F((ω-1)/θ) u^{(1-ω)/θ},     F(s) = ∫_0^∞ z^{s-1} f(z) dz,  1/s for a step.

In the sharp limit log risk at fixed compute is a wedge in log N, of slopes -q and p, q = 2β-1, p = (2β-1)/β. A grid of
spacing h adds, on average over its place, h pq/(2(p+q)) = ½ h (2β-1)/(1+β).

k > 2, z = x^{2-k} of the search phase at step g: dz/du = k(k-2)(½ g z - a). From z_0 to 0 it takes
u = -2 log(1 - v)/(g k(k-2)), v = g z_0/(2a), and u/g samples, z_0²/(2k(k-2)a²) · (-log(1 - v)/v²).
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero

omega, theta, s, h, g, a, v, u, beta = sp.symbols("omega theta s h g a v u beta", positive=True)
x, y, z = sp.symbols("x y z", positive=True)
k = sp.Symbol("k", positive=True)
_OMEGA, _THETA, _U, _K, _G, _A, _X, _H, _BETA = 1.6, 0.8, 4e4, 4, 0.05, 0.3, 1.9, 0.3, 0.8
_PLACES = 10_000  # of a grid of widths
_TOLERANCE = {"risk in time": 1e-3, "bias of a grid": 1e-3, "samples": 1e-6}


def constant() -> sp.Expr:
    """The coefficient of F(s) u^{-s} under z = u x^{-θ}."""
    place = (u / z) ** (1 / theta)
    integrand = sp.powsimp(sp.expand_power_base(place**-omega * sp.Abs(sp.diff(place, z)), force=True), force=True)
    power = sp.simplify(z * sp.diff(sp.log(integrand), z))
    prove_zero(power - ((omega - 1) / theta - 1), "power of z under the integral")
    in_u = sp.simplify(u * sp.diff(sp.log(integrand), u))
    prove_zero(in_u - (1 - omega) / theta, "power of u")
    return sp.simplify(integrand.subs({z: 1, u: 1}))


def step_transform() -> sp.Expr:
    """F(s) of a step."""
    return sp.integrate(z ** (s - 1), (z, 0, 1))


def wedge() -> sp.Expr:
    """The mean over its place of what a grid of spacing h adds to a wedge."""
    p, q = (2 * beta - 1) / beta, 2 * beta - 1
    # the nearest node below is y away, the nearest above h - y: the smaller of q y and p (h - y)
    corner = sp.solve(q * y - p * (h - y), y)[0]
    mean = (sp.integrate(q * y, (y, 0, corner)) + sp.integrate(p * (h - y), (y, corner, h))) / h
    return sp.factor(sp.simplify(mean))


def samples() -> sp.Expr:
    """∫ du/g until z = 0, of dz/du = k(k-2)(½ g z - a) from x^{2-k}."""
    begin = x ** (2 - k)
    path = 2 * a / g - (2 * a / g - begin) * sp.exp(g * k * (k - 2) * u / 2)
    prove_zero(sp.simplify(sp.diff(path, u) - k * (k - 2) * (g * path / 2 - a)), "solution of the search phase")
    share = g * begin / (2 * a)
    arrival = -2 * sp.log(1 - share) / (g * k * (k - 2))
    prove_zero(sp.simplify(path.subs(u, arrival).rewrite(sp.exp)), "arrival at the equator's end")
    # dx/du = k a x^{k-1} - ½ g k x is the same motion in z
    speed = k * a * x ** (k - 1) - g * k * x / 2
    prove_zero(sp.simplify(sp.diff(begin, x) * speed - k * (k - 2) * (g * begin / 2 - a)), "the motion in z")
    return arrival / g


def derive() -> Derivation:
    """The constant of a power law, the bias of a grid of widths and the samples of one direction."""
    law = constant() * step_transform().subs(s, (omega - 1) / theta) * u ** ((1 - omega) / theta)
    bias, cost = wedge(), samples()
    prove_zero(sp.simplify(bias - h * (2 * beta - 1) / (2 * (1 + beta))), "half the exponent of compute")
    least = sp.diff(-sp.log(1 - v) / v**2, v)
    prove_zero(sp.simplify(least * v**3 - (v / (1 - v) + 2 * sp.log(1 - v))), "the best step")
    return Derivation(
        title="Constants of the scaling laws",
        statement=r"$\sum_m m^{-\omega} f(u m^{-\theta}) \simeq \theta^{-1}F(\tfrac{\omega-1}{\theta})"
        r"u^{(1-\omega)/\theta}$; a grid of widths adds $\tfrac12 |e| \log r$; a direction costs "
        r"$\propto z_0^2 a^{-2}$ samples.",
        steps=(
            (r"The sum as an integral, of a step.", law),
            (r"What a grid of widths with spacing $h$ in $\log N$ adds to $\log$ risk.", bias),
            (r"Samples until a direction emerges, in units of $d^{k-1}$.", cost),
        ),
        result={
            "risk in time": equation(r"\sum_m m^{-\omega} f(um^{-\theta})", law),
            "bias of a grid": equation(r"\langle\Delta\log R\rangle", bias),
            "samples": equation(r"n\,d^{1-k}", cost),
        },
        proved="Mellin constant of a step; ½|e| log r of a grid of widths; samples and best step of the search phase",
    )


def _sum_of_steps() -> float:
    """The additive model's own sum; u is where half of a stair has been walked."""
    from riccati.scaling import power_sum

    learned = int(_U ** (1 / _THETA))
    stairs = power_sum(_OMEGA, np.array([learned + 1, learned + 2]))
    return float(np.interp(_U ** (1 / _THETA) - 0.5, [learned, learned + 1], stairs))


def _wedge_on_grids() -> float:
    """The mean over many places of the least node of a grid."""
    p, q = (2 * _BETA - 1) / _BETA, 2 * _BETA - 1
    below = (np.arange(_PLACES) + 0.5) / _PLACES * _H
    return float(np.minimum(q * below, p * (_H - below)).mean())


def _cost() -> float:
    """By integrating the motion of x itself."""
    from scipy.integrate import quad

    def slowness(w: float) -> float:  # x = e^w
        return np.exp(w) / (_K * _A * np.exp(w * (_K - 1)) - 0.5 * _G * _K * np.exp(w))

    return quad(slowness, np.log(_X), 40.0, limit=400)[0] / _G


def check(derivation: Derivation | None = None) -> Checked:
    """Against the additive model's sums, grids laid over a wedge, and the motion of an overlap."""
    derived = derivation or derive()
    computed = {"risk in time": _sum_of_steps(), "bias of a grid": _wedge_on_grids(), "samples": _cost()}
    worst = []
    for name, value in computed.items():
        predicted = numeric(derived[name], omega, theta, u, h, beta, g, a, x, k)(
            _OMEGA, _THETA, _U, _H, _BETA, _G, _A, _X, _K
        )
        worst.append(agree(predicted, value, name, _TOLERANCE[name]))
    return Checked(derived.proved, "sums of the additive model, grids, the motion of an overlap", max(worst))
