"""SGD on the sphere: its step, its mean, and what noise and the retraction take from an overlap.

Neurons keep their norms, w = r u. Off the sphere σ(<x, w>/|w|) has at |w| = 1 the gradient σ'(z)(x - z u). A step on w
without its part along u is one on u, with e = y - f(x) and the noise of the label,

    u -> ũ/|ũ|,    ũ = u + η p e σ'(z)(x - z u),

p = 1 of the 2-homogeneous student, whose gradient in w is r σ'x and moves u by 1/r of that, and p = b/r of the
two-layer one. Its mean is η p F of the full gradient flow, norms and second layer fixed. The part of x orthogonal to u
and θ has the length √d, so with γ = ηd

    |ũ|² = 1 + η γ p² e²σ'²(z) + O(η²),

and dividing by |ũ| takes (ηγ/2) p² E[e²σ'²] m from an overlap m = <u, θ>. Noise of the labels of variance Δ,
independent of x, adds Δ E σ'² to E[e²σ'²], in every place where e² is averaged, and nothing to the mean of e.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero

w = sp.symbols("w_1:3", real=True)
x = sp.symbols("x_1:3", real=True)
z, p, e, slope, m = sp.symbols(r"z p e {\sigma'} m", real=True)
theta_x = sp.Symbol(r"{\langle\theta,x\rangle}", real=True)
eta, gamma, Delta, rest = sp.symbols(r"eta gamma Delta {|x_\perp|^2}", positive=True)
xi = sp.Symbol("xi", real=True)


def prove_gradient() -> None:
    """The gradient of σ(<x, w>/|w|) at |w| = 1, for any σ."""
    length, sigma = sp.sqrt(w[0] ** 2 + w[1] ** 2), sp.Function("sigma")
    angle = sp.Symbol("phi", real=True)
    on_sphere = {w[0]: sp.cos(angle), w[1]: sp.sin(angle)}
    along = (w[0] * x[0] + w[1] * x[1]) / length
    projected = x[0] * sp.cos(angle) + x[1] * sp.sin(angle)
    for weight, sample in zip(w, x, strict=True):
        exact = sp.diff(sigma(along), weight).doit().subs(on_sphere)
        derivative = sp.diff(sigma(z), z).subs(z, projected)
        claimed = derivative * (sample - projected * on_sphere[weight])
        prove_zero(sp.simplify(sp.expand_trig(exact - claimed).doit()), "gradient on the sphere")


def stepped_overlap() -> sp.Expr:
    """<u', θ> after one step, from the sample's projections and the square of the rest of it."""
    push = eta * p * e * slope
    # x - z u is orthogonal to u, and has the square |x|² - z²
    return (m + push * (theta_x - z * m)) / sp.sqrt(1 + push**2 * rest)


def drift() -> sp.Expr:
    """The change of an overlap per η, to first order in η at η|x_⊥|² = γ."""
    moved = stepped_overlap().subs(rest, gamma / eta)
    return sp.expand(sp.series(moved - m, eta, 0, 2).removeO() / eta)


def averaged_square() -> sp.Expr:
    """E e² over the noise of the label, with e + √Δ ξ for e."""
    square = sp.Poly(sp.expand((e + sp.sqrt(Delta) * xi) ** 2), xi)
    moments = {0: 1, 1: 0, 2: 1}
    return sum(coefficient * moments[power] for (power,), coefficient in square.terms())


def derive() -> Derivation:
    """The gradient, an overlap's change with the retraction, and label noise."""
    prove_gradient()
    rate = drift()
    claimed = p * e * slope * (theta_x - z * m) - gamma / 2 * p**2 * e**2 * slope**2 * m
    prove_zero(rate - claimed, "an overlap's change")
    noisy = averaged_square()
    return Derivation(
        title="SGD on the sphere, and label noise",
        statement=r"$dm = \eta\,[\,p\,e\sigma'(\langle\theta,x\rangle - zm) - \frac\gamma2 p^2e^2\sigma'^2 m\,]$; "
        r"label noise puts $e^2 + \Delta$ in the place of $e^2$.",
        steps=(
            (r"An overlap after one step, before any approximation,", stepped_overlap()),
            (r"and its change per $\eta$ at $\eta|x_\perp|^2 = \gamma$.", rate),
            (r"The mean of $e^2$ over the noise of a label.", noisy),
        ),
        result={
            "overlap": equation("m'", stepped_overlap()),
            "drift": equation(r"dm/\eta", rate),
            "noise": equation("E e^2", noisy),
        },
        proved="the gradient on the sphere for any link, the drag of the retraction, label noise in E e²",
    )


_RANDOM = np.random.default_rng(5)
_DIM, _RATE, _NOISE, _NORM = 40, 0.01, 0.7, 1.3
_SAMPLE, _BEGUN = _RANDOM.normal(size=(1, _DIM)), _RANDOM.normal(size=(1, _DIM))
_U = _BEGUN / np.linalg.norm(_BEGUN)
_ALONG = float((_SAMPLE @ _U.T)[0, 0])


@cache
def _computed() -> tuple[float, float, list[dict[str, float]]]:
    """σ' and the residual without noise, and for the noises ±√Δ an overlap after a step and the residual in it.

    With the first two derivatives of the overlap in η at η = 0, which its change is made of.
    """
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.sgd import Spherical, TwoHomogeneous, Weights, moved

    link = rc.Link.hermite(3)
    teacher, rule = rc.Teacher([1.0], link), Spherical(TwoHomogeneous(), jnp.asarray([_NORM]))

    @jax.jit
    def step(noise: jax.Array) -> dict[str, jax.Array]:
        def after(rate: jax.Array) -> tuple[jax.Array, jax.Array]:
            weights = Weights(jnp.asarray(_NORM * _U), jnp.zeros(0))
            new = moved(rule, teacher, weights, jnp.asarray(_SAMPLE), noise, rate)
            return rule.directions(rule.retract(new.weights.W, 1))[0, 0], new.push[0, 0]

        begin, rate = jnp.asarray(0.0), jnp.asarray(_RATE)
        first = jax.jacfwd(lambda rate: after(rate)[0])
        overlap, push = after(rate)
        return {"overlap": overlap, "push": push, "first": first(begin), "second": jax.jacfwd(first)(begin)}

    @jax.jit
    def here() -> tuple:
        along = jnp.asarray(_ALONG)
        return link.derivative(along), link(_SAMPLE[0, 0]) - _NORM**2 * link(along)

    slope, clean = map(float, here())
    steps = [{name: float(x) for name, x in step(jnp.asarray([noise])).items()} for noise in (_NOISE, -_NOISE)]
    return slope, clean, steps


def check(derivation: Derivation | None = None) -> Checked:
    """Against the package's rule on one sample, and on two labels whose noise is ±√Δ."""
    d, (slope_here, clean, steps) = derivation or derive(), _computed()
    symbols = m, theta_x, z, p, slope, eta, rest, e
    overlap, first = numeric(d["overlap"], *symbols), numeric(d["drift"].subs(gamma, 0), *symbols)
    # at η|x_⊥|² = γ the second derivative is that part of the change that is in proportion to γ
    second = numeric(2 * rest * sp.diff(d["drift"], gamma), *symbols)
    rest_of, worst, residuals = float(np.sum(_SAMPLE**2) - _ALONG**2), [], []
    for noise, after in zip((_NOISE, -_NOISE), steps, strict=True):
        here = _U[0, 0], _SAMPLE[0, 0], _ALONG, 1.0, slope_here, _RATE, rest_of, clean + noise
        for what, derived in (("overlap", overlap), ("first", first), ("second", second)):
            worst.append(agree(derived(*here), after[what], what))
        residuals.append(after["push"] / (_RATE * _NORM * slope_here))
    mean_square = float(d["noise"].subs({e: clean, Delta: _NOISE**2}))
    worst.append(agree(mean_square, np.mean(np.square(residuals)), "label noise"))
    return Checked(d.proved, "riccati.sgd's Spherical, and the noise of its labels", max(worst))
