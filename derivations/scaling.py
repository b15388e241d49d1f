"""Scaling laws: what emergence times T_m ∝ m^β make of the risk, in time, width, compute and samples.

Directions 1 … n learned leave Σ_{m>n} a_m², a_m ∝ m^{-β}. By Euler and Maclaurin, for β > ½,

    Σ_{m>n} m^{-2β} = n^{1-2β}/(2β-1) - n^{-2β}/2 + β n^{-2β-1}/6 - …

At time t, n(t) = (t/T_1)^{1/β}, with width N at most N directions: risk ~ t^{(1-2β)/β} ∨ N^{1-2β}. With C = N t the
envelope is at N = C^{1/(1+β)}, risk ~ C^{(1-2β)/(1+β)}; the sum of both terms has the same exponents. With the step
size that learns direction m, η ≍ a_m d^{-k/2}, m costs T_m/η = m^{2β} d^{k-1} samples, and
risk ~ (n/d^{k-1})^{(1-2β)/(2β)}.

For β < ½, in t = τ/T_M: risk = 1 - t^{(1-2β)/β} ∨ 1 - φ^{1-2β}, φ = N/M. For β = ½, n = Mt²:
risk = -2 log t/(log M + γ) as long as n is large, γ being Euler's constant.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero

n, t, T_1, M, N, C, A, B, x, d, phi = sp.symbols("n t T_1 M N C A B x d phi", positive=True)
beta, h, k = sp.symbols("beta h k", positive=True)
_BETA, _FLAT, _MANY = 0.8, 0.2, 10**6
_TOLERANCE = {"tail": 1e-6, "best width": 1e-3, "risk in compute": 1e-3, "samples": 1e-3}
_DEGREE, _SMALL, _LARGE = 3, 1e8, 1e10  # k and two dimensions d at which samples are counted
_COUNTED = 100  # directions
_LIMIT = 1e-3  # finite n and M


def exponent(expression: sp.Expr, variable: sp.Symbol) -> sp.Expr:
    """d log expression / d log variable."""
    return sp.simplify(sp.expand_log(variable * sp.diff(sp.log(expression), variable), force=True))


def tail() -> sp.Expr:
    """Σ_{m>n} m^{-2β} for β > ½, three terms of the Euler-Maclaurin series."""
    term = x ** (-1 - h)  # h = 2β - 1
    whole = sp.integrate(term, (x, n, sp.oo))
    series = whole - term.subs(x, n) / 2 - sp.diff(term, x).subs(x, n) / 12
    return sp.Add(*(sp.powsimp(sp.simplify(part.subs(h, 2 * beta - 1))) for part in sp.Add.make_args(series)))


def frontier(in_time: sp.Expr, in_width: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Exponents in C = N t of the best N and of the risk, for t^p ∨ N^q and for A t^p + B N^q alike."""
    p, q = in_time, in_width
    # the maximum: t^p = N^q at the corner, t = N^{q/p}
    corner = sp.cancel(1 / (1 + q / p))
    # the sum: stationary where p A (C/N)^p = q B N^q, so that N^{p+q} ∝ C^p
    risk = A * (C / N) ** p + B * N**q
    best = (p * A / (q * B) * C**p) ** (1 / (p + q))
    stationary = sp.diff(risk, N) * N
    terms = [sp.expand_log(sp.log(part.subs(N, best)), force=True) for part in (p * A * (C / N) ** p, q * B * N**q)]
    prove_zero(sp.simplify(stationary - (q * B * N**q - p * A * (C / N) ** p)), "derivative of the sum")
    prove_zero(sp.simplify(sp.expand_log(terms[0] - terms[1], force=True)), "stationary point of the sum")
    prove_zero(exponent(best, C) - corner, "exponent of the best width")
    return corner, sp.factor(sp.cancel(q * corner))


def derive() -> Derivation:
    """Exponents for β > ½ and the limiting risk for β ≤ ½."""
    rest = tail()
    leading = n ** (1 - 2 * beta) / (2 * beta - 1)
    learned = (t / T_1) ** (1 / beta)
    in_time = sp.factor(exponent(leading.subs(n, learned), t))
    in_width = sp.factor(exponent(leading.subs(n, N), N))
    width, in_compute = frontier(in_time, in_width)
    rate = n ** (-beta) * d ** (-k / 2)
    samples = sp.powsimp(sp.expand(n**beta * d ** (k / 2 - 1) / rate))
    reached = ((t / d ** (k - 1)) ** (1 / (2 * beta))).subs(t, samples)
    prove_zero(sp.expand_log(sp.log(reached) - sp.log(n), force=True), "samples of direction n")
    in_samples = sp.factor(exponent(leading.subs(n, (t / d ** (k - 1)) ** (1 / (2 * beta))), t))
    # β < ½: Σ_{m≤n} m^{-2β} ~ n^{1-2β}/(1-2β), and T_n/T_M = (n/M)^β = t
    share = (t ** (1 / beta)) ** (1 - 2 * beta)
    flat = 1 - sp.powsimp(share, force=True)
    # β = ½: Σ_{m≤n} 1/m = log n + γ + …, and T_n/T_M = √(n/M) = t
    logarithmic = 1 - (sp.log(n) + sp.EulerGamma) / (sp.log(M) + sp.EulerGamma)
    half = -2 * sp.log(t) / (sp.log(M) + sp.EulerGamma)
    prove_zero(sp.expand_log(logarithmic.subs(n, M * t**2)) - half, "β = ½")
    return Derivation(
        title="Scaling laws",
        statement=r"$T_m \propto m^\beta$ gives risk $t^{(1-2\beta)/\beta} \vee N^{1-2\beta}$ for $\beta > "
        r"\frac12$, and limits for $\beta \le \frac12$.",
        steps=(
            (r"What directions $1,\ldots,n$ leave, by Euler and Maclaurin, $\beta > \frac12$.", rest),
            (r"At time $t$ this many are learned.", learned),
            (r"The envelope of $t^p \vee N^q$ at $C = Nt$ has $N \propto C^{p/(p+q)}$.", width),
            (r"Samples to learn direction $n$ at $\eta \asymp a_nd^{-k/2}$.", samples),
            (r"$\beta = \frac12$: harmonic sums.", logarithmic),
        ),
        result={
            "tail": equation(r"\sum_{m>n}m^{-2\beta}", rest),
            "risk in time": equation(r"\partial\log R/\partial\log t", in_time),
            "risk in width": equation(r"\partial\log R/\partial\log N", in_width),
            "best width": equation(r"\partial\log N/\partial\log C", width),
            "risk in compute": equation(r"\partial\log R/\partial\log C", in_compute),
            "samples": equation(r"n_{\mathrm{samples}}", samples),
            "risk in samples": equation(r"\partial\log R/\partial\log n", in_samples),
            "risk, β < ½": equation("R(t)", flat),
            "plateau, β < ½": equation(r"R(\varphi)", 1 - phi ** (1 - 2 * beta)),
            "risk, β = ½": equation("R(t)", half),
        },
        proved="Euler-Maclaurin tail; exponents in time, width, compute (maximum and sum) and samples; β < ½ and β = ½",
    )  # fmt: skip


@cache
def _computed() -> dict[str, float]:
    """The same quantities from exact sums over riccati's teachers or Hurwitz zeta functions."""
    from scipy.special import zeta

    import riccati as rc

    def left(learned: np.ndarray | float) -> np.ndarray:
        return zeta(2 * _BETA, np.asarray(learned) + 1)

    def slope(values: np.ndarray, over: np.ndarray) -> float:
        return float(np.diff(np.log(values))[0] / np.diff(np.log(over))[0])

    def amplitudes(power: float) -> np.ndarray:
        return np.asarray(rc.Teacher.power_law(_MANY, power, rc.Link.hermite(2)).a)

    count = np.array([1e6, 4e6])
    widths = np.geomspace(10, 1e6, 40001)
    best, risks = [], []
    budget = np.array([1e7, 1e9])
    for compute in budget:
        risk = left(np.minimum(widths, (compute / widths) ** (1 / _BETA)))
        best.append(widths[risk.argmin()])
        risks.append(risk.min())
    flat, half = amplitudes(_FLAT), amplitudes(0.5)
    small, large = _samples(_SMALL), _samples(_LARGE)
    in_count = np.log(large[-1] / large[0]) / np.log(_COUNTED)
    return {
        "tail": float(left(20.0)),
        "risk in time": slope(left(count), count**_BETA),
        "risk in width": slope(left(count), count),
        "best width": slope(np.array(best), budget),
        "risk in compute": slope(np.array(risks), budget),
        "samples": large[-1] / small[0] * _SMALL ** (_DEGREE - 1),
        "risk in samples": slope(left(count), count**in_count),
        "risk, β < ½": float(np.sum(flat[_MANY // 4 :] ** 2)),
        "plateau, β < ½": float(np.sum(flat[_MANY // 4 :] ** 2)),
        "risk, β = ½": float(np.sum(half[_MANY // 4 :] ** 2)),
    }


def _samples(dim: float) -> np.ndarray:
    """T_m/η_m of every direction from overlaps d^{-1/2}: T_m by the decoupled flow, η_m the step of SGD at which the
    finite-step equations stop that overlap's growth."""
    import riccati as rc
    from riccati.flows.gradient_noise import pair_system

    teacher = rc.Teacher.power_law(_COUNTED, _BETA, rc.Link.hermite(_DEGREE))
    start = rc.Start(np.eye(_COUNTED) / np.sqrt(dim), norms=1e-8)

    def growth(gamma: float) -> np.ndarray:
        system = pair_system(rc.Problem(teacher, start), gamma)
        return np.asarray(system.velocity(0.0, system.state, system.args).odds)

    free, slowed = growth(0.0), growth(1.0)
    stopped = free / (free - slowed)  # growth is linear in γ = ηd
    return np.asarray(rc.Decoupled().emergence_times_of(teacher, start)) * dim / stopped


def check(derivation: Derivation | None = None) -> Checked:
    """Against exact sums: Teacher.power_law of 10⁶ directions, Hurwitz zeta, a grid of widths; the flows' samples."""
    derived = derivation or derive()
    worst = []
    for name, computed in _computed().items():
        power = 0.5 if "= ½" in name else _FLAT if "< ½" in name else _BETA
        many = {"tail": 20.0, "samples": float(_COUNTED)}.get(name, 1.0)
        time = 0.25 ** (0.5 if "= ½" in name else _FLAT)  # a quarter of the directions is learned
        value = numeric(derived[name], beta, n, t, M, phi, d, k)(power, many, time, _MANY, 0.25, _LARGE, _DEGREE)
        worst.append(agree(value, computed, name, _TOLERANCE.get(name, _LIMIT)))
    return Checked(
        derived.proved,
        "sums over Teacher.power_law and Hurwitz zeta, a grid of widths; Decoupled's T and the pairs' noise",
        max(worst),
    )
