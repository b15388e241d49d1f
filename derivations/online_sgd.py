"""One step of online SGD, and its law in coordinates whose number does not depend on d.

The gradient of |w|² σ(<x, w>/|w|) in w is (2σ - zσ')w + |w|σ'x, z = <x, w>/|w|: a step depends on a sample through its
projections on θ and w, and moves w along w and x. So with x_⊥ the part of x orthogonal to all θ and w,

    W -> kept + pushᵀ X,    push a function of the projections, which X_⊥ is independent of,

and pushᵀ X_⊥ enters the Gram matrix through (QᵀX_⊥)(QᵀX_⊥)ᵀ, push = QT, a Wishart matrix of E = min(B, N) dimensions
and n = d - M - N degrees of freedom. L lower triangular, N(0, 1) below and χ_(n-i) (i = 0, 1, …) on the diagonal, has
L Lᵀ of that law (Bartlett 1933).

Under a covariance, in whitened coordinates, a step is W -> W + (kept - W + pushᵀX)Λ, Λ the speeds of the coordinates.
It commutes with a rotation of the coordinates, of W, θ and x, that commutes with Λ: one within a group of equal
eigenvalues past the teacher's, and no other. So the coordinates along θ and each group's W_gW_gᵀ are a Markov chain;
in group g, of d_g coordinates, X_⊥g is that of the isotropic step with n = d_g - N, independent of the other groups'.
One neuron on one sample, kept = (1 + c)w, ξ = <x_g, w_g>/|w_g| and l² = |x_g|² - ξ², a χ² variable:

    |w_g|² -> ((1 + λ_g c)|w_g| + λ_g push ξ)² + λ_g² push² l².

On the Stiefel manifold one sample makes Γ = W̃W̃ᵀ = I + λP, P the projector on u, and

    Γ^{-1/2} = I - (Γ - I)/(√(1+λ)(1 + √(1+λ))).
"""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero

w = sp.symbols("w_1:3", real=True)
x = sp.symbols("x_1:3", real=True)
n, lam, z = sp.symbols("n lambda z", positive=True)
r, rho, of_group = sp.symbols("r rho lambda_g", positive=True)
c, push, xi, beyond = sp.symbols("c p xi l", real=True)
value, slope = sp.symbols(r"sigma {\sigma'}", real=True)
SIZE = 3


def gradient() -> tuple[sp.Expr, sp.Expr]:
    """What multiplies w and what multiplies x in the gradient of |w|² σ(<x, w>/|w|), for any σ."""
    length = sp.sqrt(w[0] ** 2 + w[1] ** 2)
    along = (w[0] * x[0] + w[1] * x[1]) / length
    of_w, of_x = 2 * value - z * slope, r * slope
    sigma = sp.Function("sigma")
    here = {value: sigma(z), slope: sp.diff(sigma(z), z), r: length}
    for weight, sample in zip(w, x, strict=True):
        claimed = (of_w * weight + of_x * sample).subs(here).subs(z, along).doit()
        prove_zero(sp.simplify(sp.diff(length**2 * sigma(along), weight).doit() - claimed), "gradient")
    return of_w, of_x


def gaussian_mean(polynomial: sp.Expr, normals: list[sp.Symbol], chis: list[sp.Symbol]) -> sp.Expr:
    """The mean over N(0, 1) variables and χ variables, the i-th of which has n - i degrees of freedom."""
    total = sp.S.Zero
    for powers, coefficient in sp.Poly(polynomial, *normals, *chis).terms():
        term = coefficient
        for power in powers[: len(normals)]:
            term *= 0 if power % 2 else sp.factorial2(power - 1)
        for i, power in enumerate(powers[len(normals) :]):
            if power % 2 and term != 0:
                raise ValueError("an odd power of χ has no rational mean")
            term *= sp.Mul(*(n - i + 2 * j for j in range(power // 2)))
        total += term
    return sp.expand(total)


def bartlett_moment(first: tuple[int, int], second: tuple[int, int]) -> sp.Expr:
    """E (LLᵀ)_ij (LLᵀ)_kl."""
    chis = [sp.Symbol(f"c_{i}") for i in range(SIZE)]
    below = {(i, j): sp.Symbol(f"l_{i}{j}") for i in range(SIZE) for j in range(i)}
    L = sp.Matrix(SIZE, SIZE, lambda i, j: chis[i] if i == j else below.get((i, j), 0))
    gram = L * L.T
    return gaussian_mean(sp.expand(gram[first] * gram[second]), list(below.values()), chis)


def wishart_moment(first: tuple[int, int], second: tuple[int, int]) -> sp.Expr:
    """E S_ij S_kl for a sum S of n outer products of standard normal vectors (Isserlis)."""
    same = sp.eye(SIZE)
    (i, j), (k, m) = first, second
    return sp.expand(n**2 * same[i, j] * same[k, m] + n * (same[i, k] * same[j, m] + same[i, m] * same[j, k]))


def prove_rotations() -> None:
    """A step on rotated weights and samples is the rotated step where the eigenvalues are equal, and only there."""
    first, second = sp.symbols("lambda_1:3", positive=True)
    angle = sp.Symbol("phi", real=True)
    turn = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    neuron, sample, speeds = sp.Matrix([w]), sp.Matrix([x]), sp.diag(first, second)

    def stepped(of_neuron: sp.Matrix, of_sample: sp.Matrix) -> sp.Matrix:
        return of_neuron + (c * of_neuron + push * of_sample) * speeds  # c and push are functions of <w, x>

    off = stepped(neuron * turn, sample * turn) - stepped(neuron, sample) * turn
    claimed = (first - second) * sp.sin(angle) * (c * neuron + push * sample) * sp.Matrix([[0, 1], [1, 0]])
    prove_zero((off - claimed).applyfunc(sp.expand), "rotations that commute with Λ")


def group_norm() -> sp.Expr:
    """|w_g|² after a step on one sample, from coordinates of a group of d_g = 2, with |w_g| = ρ."""
    turned = (x[0] * w[0] + x[1] * w[1]) / sp.sqrt(w[0] ** 2 + w[1] ** 2)
    claimed = ((1 + of_group * c) * rho + of_group * push * xi) ** 2 + of_group**2 * push**2 * beyond**2
    here = {beyond: sp.sqrt(x[0] ** 2 + x[1] ** 2 - turned**2), xi: turned, rho: sp.sqrt(w[0] ** 2 + w[1] ** 2)}
    moved = sum((weight + of_group * (c * weight + push * sample)) ** 2 for weight, sample in zip(w, x, strict=True))
    prove_zero(sp.simplify(moved - claimed.subs(here)), "a group's norm")
    return claimed


def derive() -> Derivation:
    """The gradient, Bartlett's moments, a group of equal eigenvalues, and the retraction after one sample."""
    of_w, of_x = gradient()
    prove_rotations()
    of_gram = group_norm()
    pairs = list(combinations_with_replacement(range(SIZE), 2))
    for first, second in product(pairs, pairs):
        prove_zero(bartlett_moment(first, second) - wishart_moment(first, second), f"E S_{first} S_{second}")
    root = sp.sqrt(1 + lam)
    factor = -1 / (root * (1 + root))
    prove_zero(sp.simplify((1 + lam * factor) ** 2 * (1 + lam) - 1), "Γ^{-1/2} along u")
    return Derivation(
        title="Online SGD and its law in reduced coordinates",
        statement=r"$\nabla_w |w|^2\sigma(z) = (2\sigma - z\sigma')w + |w|\sigma' x$; Bartlett's factor has the "
        r"moments of a Wishart matrix; $\Gamma^{-1/2} = I - (\Gamma - I)/(\sqrt{1+\lambda}(1+\sqrt{1+\lambda}))$.",
        steps=(
            (r"The gradient's part along $w$ is", of_w),
            (r"and that along $x$, $r = |w|$,", of_x),
            (r"$E\,(LL^T)_{11}^2$ for Bartlett's factor.", bartlett_moment((0, 0), (0, 0))),
            (r"$E\,(LL^T)_{32}^2$, where diagonal and rows below meet.", bartlett_moment((2, 1), (2, 1))),
            (r"A group of speed $\lambda_g$, one neuron with $\rho = |w_g|$, kept $(1 + c)w$, pushed by $p$:", of_gram),
            (r"$\Gamma = I + \lambda P$, $P^2 = P$: the inverse root is $I$ and this times $\Gamma - I$.", factor),
        ),
        result={
            "along w": equation(r"\nabla_w\cdot w", of_w),
            "along x": equation(r"\nabla_w\cdot x", of_x),
            "group": equation(r"|w_g'|^2", of_gram),
            "retraction": equation(r"\Gamma^{-1/2} - I", factor),
        },
        proved="the gradient for any link; Bartlett's second moments are those of a Wishart matrix; a step commutes "
        "with rotations of equal eigenvalues, and no others; the retraction",
    )  # fmt: skip


_RANDOM = np.random.default_rng(1)
_W, _X, _RATE = _RANDOM.normal(size=(2, 5)), _RANDOM.normal(size=(1, 5)), 0.3
_LAYER = np.array([0.8, 0.6])
_SIZE = 0.8
_SPEEDS = np.array([0.4, 1.7])
_GROUPED, _SAMPLE, _REST = np.array([[0.3, 0.5, 0.7]]), np.array([[0.9, -0.4, 1.1]]), np.array([0.8, 2.1])


@cache
def _computed() -> dict[str, Any]:
    """A step of the package's rules on one sample, the link at it, and a retraction."""
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.sgd import Projections, Stiefel, TwoHomogeneous, Weights

    teacher = rc.Teacher(_LAYER, rc.Link.hermite(3))
    u = _RANDOM.normal(size=3)
    u /= np.linalg.norm(u)
    frame = np.linalg.qr(_RANDOM.normal(size=(6, 3)))[0].T
    moved = (np.eye(3) + (np.sqrt(1 + _SIZE) - 1) * np.outer(u, u)) @ frame

    @jax.jit
    def step(W: jax.Array, X: jax.Array, at: jax.Array) -> tuple:
        kept, push = TwoHomogeneous().update(
            teacher, Weights(W, jnp.zeros(0)), Projections(X[:, :2], X @ W.T), jnp.asarray(_RATE)
        )
        link = teacher.link
        return kept.W, push, link(at), link.derivative(at), link(X[0, :2]) @ teacher.a

    retract = jax.jit(lambda rows: Stiefel(jnp.asarray(1.0)).retract(rows, 1))
    kept, push, values, slopes, target = step(_W, _X, _X[0] @ _W.T / np.linalg.norm(_W, axis=1))
    return {
        "kept": np.asarray(kept), "push": np.asarray(push), "values": np.asarray(values), "slopes": np.asarray(slopes),
        "target": float(target), "moved": moved, "retracted": np.asarray(retract(moved)), "group": _of_groups(),
    }  # fmt: skip


def _of_groups() -> tuple[float, float, np.ndarray]:
    """What one neuron's step in reduced coordinates keeps and adds, and its groups' squared norms after it."""
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.sgd import Experiment, Projections, ReducedEngine, ReducedNoise, State, Weights

    covariance = rc.Covariance(np.r_[1.3, np.repeat(_SPEEDS, (5, 8))])
    teacher = rc.Teacher([1.0], rc.Link.hermite(3), covariance=covariance)
    start = rc.Start.from_weights(np.ones((1, 14)), np.eye(1, 14), covariance)
    dynamics = Experiment(teacher=teacher, start=start, learning_rate=0.2, steps=1).simulation.dynamics
    engine, rule = dynamics.engine, dynamics.rule
    assert isinstance(engine, ReducedEngine)

    @jax.jit
    def step(W: jax.Array, X: jax.Array, rest: jax.Array) -> tuple:
        rate = jnp.asarray(0.2)
        weights = Weights(jnp.pad(W, ((0, 0), (0, 2))), jnp.zeros(0))
        kept, pushed = rule.update(teacher, weights, Projections(X[:, :1], X @ W.T), rate)
        noise = ReducedNoise(jnp.pad(X, ((0, 0), (0, 2))), rest[:, None, None])
        return (
            kept.W[0, 0] / W[0, 0] - 1,
            pushed[0, 0],
            (engine.step(rule, None, teacher, State(weights, None), noise, rate, 0).weights.W[0]),
        )

    growth, pushed, new = map(np.asarray, step(_GROUPED, _SAMPLE, _REST))
    return float(growth), float(pushed), new[1:3] ** 2 + new[3:] ** 2


def check(derivation: Derivation | None = None) -> Checked:
    """Against the package's rules on one sample."""
    d, code = derivation or derive(), _computed()
    length = np.linalg.norm(_W, axis=1)
    at, values = _X[0] @ _W.T / length, code["values"]
    wrong = code["target"] - float(values @ length**2)
    by_name = {name: numeric(d[name], value, slope, z, r) for name in ("along w", "along x")}
    of_w, of_x = (of(values, code["slopes"], at, length) for of in by_name.values())
    growth, pushed, after = code["group"]
    of = numeric(d["group"], of_group, c, rho, push, xi, beyond)
    moved = code["moved"]
    excess = moved @ moved.T - np.eye(3)
    closed = moved + float(d["retraction"].subs(lam, _SIZE)) * excess @ moved
    worst = [
        agree(_W + _RATE * wrong * of_w[:, None] * _W, code["kept"], "kept"),
        agree(_RATE * wrong * of_x, code["push"][0], "push"),
        agree(of(_SPEEDS, growth, _GROUPED[0, 1:], pushed, _SAMPLE[0, 1:], _REST), after, "group"),
        agree(closed, code["retracted"], "retraction"),
    ]
    return Checked(
        d.proved, "riccati.sgd's step, direct and in reduced coordinates; retraction of one sample", max(worst)
    )
