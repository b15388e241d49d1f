"""Neurons without a direction: the length from which, and the step size beyond which, noise makes them explode.

Such a neuron, s = |w|², leaves e = e_rest - sσ(z), with e_rest of mean 0 and energy R independent of z. A step changes
s by 4ηs eσ + η²s e²σ'²d to the order that stays as d → ∞ (own_pair.py), so that, γ = ηd/B,

    d log s/dt = γ(E σ²σ'² s² + g'(1)R) - 4g(1)s = γE σ²σ'² (s - s_-)(s - s_+),

and s grows without bound from s > s_+, and from any length beyond γ = 2g(1)/√(E σ²σ'² g'(1)R), where the two roots
meet.
"""

from __future__ import annotations

import sympy as sp

from ._common import Checked, Derivation, agree, equation, prove_zero
from .hermite import mean, polynomial, z

gamma, R, s = sp.symbols("gamma R s", positive=True)
g, slopes, own = sp.symbols(r"g g' E{\sigma}^2{\sigma'}^2", positive=True)
value, slope, rest = sp.symbols(r"sigma {\sigma'} e_r", real=True)
DEGREES = range(2, 5)


def averaged(expression: sp.Expr) -> sp.Expr:
    """The mean over the rest of the residual and over the neuron's own z."""
    known = {(2, 0): g, (0, 2): slopes, (2, 2): own}
    energy = {0: sp.S.One, 1: sp.S.Zero, 2: R}
    terms = sp.Poly(expression, rest, value, slope).terms()
    return sp.Add(*(c * energy[n] * known[powers] for (n, *two), c in terms if (powers := tuple(two)) and energy[n]))


def of_hermite(degree: int) -> sp.Expr:
    """E σ²σ'² of h_k."""
    f = polynomial(degree)
    return mean(sp.expand(f**2 * sp.diff(f, z) ** 2), z)


def derive() -> Derivation:
    """The rate of log s, its zeros, and where they meet."""
    e = rest - s * value
    rate = averaged(sp.expand(4 * e * value)) + gamma * averaged(sp.expand(e**2 * slope**2))
    prove_zero(rate - gamma * (own * s**2 + slopes * R) + 4 * g * s, "d log s/dt")
    apart = sp.sqrt(4 * g**2 - gamma**2 * own * slopes * R)
    low, high = ((2 * g + sign * apart) / (gamma * own) for sign in (-1, 1))
    prove_zero(sp.expand(rate - gamma * own * (s - low) * (s - high)), "it grows beyond the upper zero")
    (meet,) = sp.solve(sp.discriminant(rate, s), gamma)  # the positive root
    prove_zero(meet - 2 * g / sp.sqrt(own * slopes * R), "where the zeros meet")
    return Derivation(
        title="Neurons without a direction",
        statement=r"Without a direction $d\log s/dt = \gamma(E\,\sigma^2\sigma'^2 s^2 + g'(1)R) - 4g(1)s$, "
        r"and $s$ grows without bound from the upper zero $s_+$ on.",
        steps=(
            (r"The residual.", e),
            (r"The lower zero, which it tends to from below $s_+$.", low),
        ),
        result={
            "log s": equation(r"d\log s/dt", rate),
            "longest": equation("s_+", high),
            "unlearned": equation(r"\gamma, s_+ = s_-", meet),
        }
        | {f"own, k = {k}": equation(rf"E\,\sigma^2\sigma'^2[k = {k}]", of_hermite(k)) for k in DEGREES},
        proved="d log s/dt, its zeros and where they meet",
    )


def check(derivation: Derivation | None = None) -> Checked:
    """The mean against `moments_of`, the zeros against `divergence`, the rate against the flow's."""
    import numpy as np

    import riccati as rc
    from riccati.laws import divergence, moments_of

    d = derivation or derive()
    worst = [_against_flow(d)]
    norms = np.array([0.4, 0.3])
    for k in DEGREES:
        teacher = rc.Teacher([0.8, 0.6], rc.Link.hermite(k))
        start, of = rc.Start(0.1 * np.eye(2), norms=norms, dim=200), moments_of(teacher.link)
        worst.append(agree(float(d[f"own, k = {k}"]), of.own, f"own, k = {k}"))
        at = {g: of.value, slopes: of.slope, own: of.own, R: 1 + norms[1] ** 4}
        rate = 0.7 * float(d["unlearned"].subs(at))
        at_step = divergence(rc.Problem(teacher, start), rc.SGD.from_gamma(rate, 200))
        worst.append(agree(float(d["longest"].subs(at | {gamma: rate})), at_step.longest**2, f"longest, k = {k}"))
        worst.append(agree(float(d["unlearned"].subs(at)), at_step.unlearned, f"unlearned, k = {k}"))
    return Checked(d.proved, "moments_of, divergence; pair_velocity", max(worst))


def _against_flow(d: Derivation) -> float:
    """d log s/dt of two spectators beside a direction that is half learned."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from riccati.flows.gradient_noise import PairSetting, PairState, own_pair_weights, pair_velocity

    worst, layer, lengths, rate, overlap = [], np.array([0.8]), np.array([0.2, 0.3]), 0.02, 0.6
    for k in (3, 4):
        state = PairState(np.log([overlap / (1 - overlap)]), np.log(layer), np.log(lengths))
        setting = PairSetting(
            jnp.asarray(layer), jnp.array([True]), jnp.ones(2), jnp.asarray(own_pair_weights(k)), jnp.asarray(rate)
        )
        left = float(2 * layer[0] ** 2 * (1 - overlap ** (k / 2)))  # a² - 2asm^k + s² at s = a
        computed = np.asarray(jax.jit(pair_velocity)(0.0, state, setting).log_idle)
        for n in range(2):
            at = {s: lengths[n], R: left + lengths[1 - n] ** 2, gamma: rate, g: 1, slopes: k, own: of_hermite(k)}
            worst.append(agree(float(d["log s"].subs(at)), computed[n], f"d log s/dt, k = {k}"))
    return max(worst)
