"""One step of online SGD, and its law in coordinates whose number does not depend on d.

The gradient of |w|² σ(<x, w>/|w|) in w is (2σ - zσ')w + |w|σ'x, z = <x, w>/|w|: a step depends on a sample through its
projections on θ and w, and moves w along w and x. So with x_⊥ the part of x orthogonal to all θ and w,

    W -> kept + pushᵀ X,    push a function of the projections, which X_⊥ is independent of,

and pushᵀ X_⊥ enters the Gram matrix through (QᵀX_⊥)(QᵀX_⊥)ᵀ, push = QT, a Wishart matrix of E = min(B, N) dimensions
and n = d - M - N degrees of freedom. L lower triangular, N(0, 1) below and χ_(n-i) (i = 0, 1, …) on the diagonal, has
L Lᵀ of that law (Bartlett 1933).

On the Stiefel manifold one sample makes Γ = W̃W̃ᵀ = I + λP, P the projector on u, and

    Γ^{-1/2} = I - (Γ - I)/(√(1+λ)(1 + √(1+λ))).
"""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, numeric, prove_zero

w = sp.symbols("w_1:3", real=True)
x = sp.symbols("x_1:3", real=True)
n, lam, z = sp.symbols("n lambda z", positive=True)
r = sp.Symbol("r", positive=True)
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


def derive() -> Derivation:
    """The gradient, Bartlett's moments, and the retraction after one sample."""
    of_w, of_x = gradient()
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
            (r"$\Gamma = I + \lambda P$, $P^2 = P$: the inverse root is $I$ and this times $\Gamma - I$.", factor),
        ),
        result={
            "along w": equation(r"\nabla_w\cdot w", of_w),
            "along x": equation(r"\nabla_w\cdot x", of_x),
            "retraction": equation(r"\Gamma^{-1/2} - I", factor),
        },
        proved="the gradient for any link; Bartlett's second moments are those of a Wishart matrix; the retraction",
    )  # fmt: skip


def check(derivation: Derivation | None = None) -> Checked:
    """Against the package's rules on one sample."""
    import jax.numpy as jnp

    import riccati as rc
    from riccati.sgd import Stiefel, TwoHomogeneous, Weights

    d = derivation or derive()
    random = np.random.default_rng(1)
    link = rc.Link.hermite(3)
    teacher = rc.Teacher([0.8, 0.6], link)
    W, X, rate = random.normal(size=(2, 5)), random.normal(size=(1, 5)), 0.3
    length = np.linalg.norm(W, axis=1)
    at = X[0] @ W.T / length
    values, slopes = np.asarray(link(at)), np.asarray(link.derivative(at))
    wrong = float(np.asarray(link(X[0, :2])) @ np.asarray(teacher.a) - values @ length**2)
    weights = Weights(jnp.asarray(W), jnp.zeros(0))
    kept, push = TwoHomogeneous().push(teacher, weights, X[:, :2], X @ W.T, jnp.asarray(rate))
    of_w, of_x = (numeric(d[name], value, slope, z, r)(values, slopes, at, length) for name in ("along w", "along x"))
    worst = [
        agree(W + rate * wrong * of_w[:, None] * W, kept.W, "kept"),
        agree(rate * wrong * of_x, push[0], "push"),
    ]

    u, size = random.normal(size=3), 0.8
    u /= np.linalg.norm(u)
    moved = (np.eye(3) + (np.sqrt(1 + size) - 1) * np.outer(u, u)) @ np.linalg.qr(random.normal(size=(6, 3)))[0].T
    excess = moved @ moved.T - np.eye(3)
    closed = moved + float(d["retraction"].subs(lam, size)) * excess @ moved
    worst.append(agree(closed, Stiefel(jnp.asarray(1.0)).retract(jnp.asarray(moved), 1), "retraction"))

    return Checked(d.proved, "riccati.sgd's step and retraction on one sample", max(worst))
