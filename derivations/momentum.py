"""Momentum and weight decay: a step of `torch.optim.SGD`, and the plain SGD that it is in the limit.

With the gradient g_n of step n, μ, and δ = 1 - dampening,

    v_n = μ v_{n-1} + δ g_n,    w_{n+1} = w_n - η v_n        (Nesterov: w_n - η (g_n + μ v_n), δ = 1).

A gradient moves w by η δ μ^j g_n at the j-th step after its own, in all by η_eff g_n with η_eff = η δ/(1 - μ); with
Nesterov's momentum by η (1 + μ) g_n and η μ^{j+1} g_n, in all the same. Along a mode in which g = h w, one step is a
linear map of (w, ηv); its eigenvalues are

    1 - η_eff h + O(η²),        μ + O(η).

So w relaxes as under plain SGD at η_eff, and the independent noise that a step adds moves it, in all, by η_eff times
the noise, with the variance of plain SGD at η_eff: γ = η_eff d/B. Both hold up to terms of relative order
η h/(1 - μ)², the time that v remembers, 1/(1 - μ) steps, over that of the mode, 1/(η_eff h), times 1/δ.

Weight decay λ is the gradient λw of ½λ|w|², so h becomes h + λ: for σ = h_2, dW/dt = -2(WWᵀ - (S* - λ/2))W, the flow of
a teacher with a_m - λ/2 on its directions and -λ/2 off them.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy as sp

from ._algebra import matrices, rewrite
from ._common import Checked, Derivation, agree, equation, prove_zero

eta, mu, delta, h, lam = sp.symbols("eta mu delta h lambda", positive=True)
j = sp.Symbol("j", integer=True, nonnegative=True)
W, Wt, F, One = matrices("W W^T S^* I")
_FIRST = 5  # steps after a gradient's own that are followed one by one
_CHECKED = 3  # steps
_KINDS = {"": False, ", Nesterov": True}


def responses(nesterov: bool) -> list[sp.Expr]:
    """What a single gradient, 1 at step 0, moves -w by at this and the next steps, by the recursion."""
    v, moved = sp.S.Zero, []
    own = sp.S.One if nesterov else delta
    for n in range(_FIRST):
        g = sp.S.One if n == 0 else sp.S.Zero
        v = sp.expand(mu * v + own * g)
        moved.append(sp.expand(eta * (g + mu * v if nesterov else v)))
    return moved


def total(nesterov: bool) -> sp.Expr:
    """All that a gradient moves w by, from its response at each step."""
    if nesterov:
        claimed = [eta * (1 + mu), *(eta * mu ** (n + 1) for n in range(1, _FIRST))]
        summed = eta * (1 + mu) + eta * mu**2 / (1 - mu)
    else:
        claimed = [eta * delta * mu**n for n in range(_FIRST)]
        summed = eta * delta / (1 - mu)
    for n, (one, other) in enumerate(zip(responses(nesterov), claimed, strict=True)):
        prove_zero(one - other, f"what a gradient moves after {n} steps")
    # Σ_{j<J} μ^j = (1 - μ^J)/(1 - μ), by induction
    partial = (1 - mu**j) / (1 - mu)
    prove_zero(sp.expand_power_exp(partial.subs(j, j + 1)) - partial - mu**j, "geometric sum")
    return sp.cancel(summed)


def slow_eigenvalue(nesterov: bool) -> sp.Expr:
    """The eigenvalue near 1 of a step on (w, ηv) along a mode, to first order in η."""
    own = sp.S.One if nesterov else delta
    buffer = [own * eta * h, mu]  # ηv of the next step, from w and ηv
    step = [eta * h + mu * buffer[0], mu * buffer[1]] if nesterov else buffer
    matrix = sp.Matrix([[1 - step[0], -step[1]], buffer])
    x, first = sp.symbols("x x_1")
    characteristic = matrix.charpoly(x).as_expr()
    at = sp.expand(characteristic.subs(x, 1 + first * eta))
    prove_zero(at.coeff(eta, 0), "1 is an eigenvalue at η = 0")
    return 1 + eta * sp.cancel(sp.solve(at.coeff(eta, 1), first)[0])


def derive() -> Derivation:
    """The effective learning rate by what a gradient moves and by a mode's eigenvalue; weight decay for k = 2."""
    heavy, ahead = total(nesterov=False), total(nesterov=True)
    prove_zero(sp.cancel(ahead - heavy.subs(delta, 1)), "Nesterov's momentum moves as much")
    for nesterov, rate in ((False, heavy), (True, ahead)):
        prove_zero(sp.cancel(slow_eigenvalue(nesterov) - (1 - rate * h)), "relaxation at the effective rate")
    decayed = sp.expand(-2 * (W * Wt - F) * W - lam * W)
    prove_zero(
        rewrite(decayed - sp.expand(-2 * (W * Wt - (F - lam / 2 * One)) * W), {One * W: W}), "decay is a shift of S*"
    )
    return Derivation(
        title="Momentum and weight decay",
        statement=r"$v \leftarrow \mu v + \delta g$, $w \leftarrow w - \eta v$ moves as plain SGD at "
        r"$\eta_{eff} = \eta\delta/(1-\mu)$, noise included; decay $\lambda$ shifts $S^*$ by $-\lambda/2$ for $h_2$.",
        steps=(
            (r"One gradient $g$ moves $-w$ at its own and the next steps by $g$ times", sp.Tuple(*responses(False))),
            (r"and with Nesterov's momentum by", sp.Tuple(*responses(True))),
            (r"In all", heavy),
            (r"A mode with $g = hw$ relaxes, to first order in $\eta$, by the factor", slow_eigenvalue(False)),
            (r"With decay $dW/dt$ for $\sigma = h_2$ is", decayed),
        ),
        result={
            "effective rate": equation(r"\eta_{eff}", heavy),
            "effective rate, Nesterov": equation(r"\eta_{eff}", ahead),
            **{
                f"response {n}{kind}": equation(f"p_{n}", response)
                for kind, nesterov in _KINDS.items()
                for n, response in enumerate(responses(nesterov)[:_CHECKED])
            },
        },
        proved="a gradient moves by η(1 - dampening)/(1 - μ) in all, Nesterov's by η/(1 - μ), and modes relax at "
        "these rates; decay is a shift of S* for h_2",
    )  # fmt: skip


_ETA, _MU, _DAMPENING, _DECAY = 0.02, 0.9, 0.25, 0.3
_RANDOM = np.random.default_rng(3)
_SAMPLES, _BEGUN = _RANDOM.normal(size=(_CHECKED, 1, 5)), _RANDOM.normal(size=(2, 5))


@cache
def _computed() -> dict[str, tuple[float, list[np.ndarray], np.ndarray]]:
    """The effective rate, the gradients of some steps, and the weights after them, by the package."""
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.sgd import Descent, Projections, TwoHomogeneous, Weights, moved

    teacher, rule, rate = rc.Teacher([0.8, 0.6], rc.Link.hermite(2)), TwoHomogeneous(), jnp.asarray(_ETA)
    of_kind = {}
    for kind in _KINDS:
        sgd = rc.SGD(
            _ETA, momentum=_MU, dampening=0.0 if kind else _DAMPENING, nesterov=bool(kind), weight_decay=_DECAY
        )
        descent = Descent.of(sgd)

        @jax.jit
        def step(W: jax.Array, V: jax.Array, X: jax.Array, descent: Descent = descent) -> tuple:
            weights, velocity = Weights(W, jnp.zeros(0)), Weights(V, jnp.zeros(0))
            kept, push = rule.update(teacher, weights, Projections(X[:, :2], X @ W.T), jnp.asarray(1.0))
            new = moved(rule, teacher, weights, X, None, rate, descent=descent, velocity=velocity, number=1)
            assert new.velocity is not None
            return W - kept.W - push.T @ X + _DECAY * W, new.weights.W, new.velocity.W

        W, V, gradients = jnp.asarray(_BEGUN), jnp.zeros((2, 5)), []
        for X in _SAMPLES:
            gradient, W, V = step(W, V, X)
            gradients.append(np.asarray(gradient))
        of_kind[kind] = sgd.rate, gradients, np.asarray(W)
    return of_kind


def check(derivation: Derivation | None = None) -> Checked:
    """Against the package's effective rate, and against some of its steps, whose gradients are written down."""
    d, worst = derivation or derive(), []
    here = {eta: _ETA, mu: _MU, delta: 1 - _DAMPENING}
    for kind, (rate, gradients, weights) in _computed().items():
        worst.append(agree(float(d[f"effective rate{kind}"].subs(here)), rate, "effective rate"))
        responses = [float(d[f"response {n}{kind}"].subs(here)) for n in range(_CHECKED)]
        moved = sum(sum(responses[: _CHECKED - n]) * gradient for n, gradient in enumerate(gradients))
        worst.append(agree(_BEGUN - moved, weights, "weights after some steps"))
    return Checked(d.proved, "riccati.SGD's effective rate, and steps of riccati.sgd with momentum", max(worst))
