"""Population loss of the 2-homogeneous student and its gradient flow, for any link.

Teacher f* = Σ_m a_m σ(<x,θ_m>), student f = Σ_i s_i σ(<x,u_i>), w_i = r_i u_i, s_i = r_i², L = ½ E(f* - f)². With
E σ(<u,x>) σ(<v,x>) = g(<u,v>), m_im = <u_i,θ_m>, q_il = <u_i,u_l>, and dw_i/dt = -∂L/∂w_i,

    2L      = Σ_mn a_m a_n Γ_mn - 2 Σ_im s_i a_m g(m_im) + Σ_il s_i s_l g(q_il),   Γ_mn = g(1) if m = n else g(0)
    ds_i/dt = 4 s_i [ Σ_m a_m g(m_im) - Σ_l s_l g(q_il) ]
    du_i/dt = Σ_m a_m g'(m_im)(θ_m - m_im u_i) - Σ_l s_l g'(q_il)(u_l - q_il u_i)

and for σ = c h_k, g(q) = c² q^k. L is a sum over pairs, so two directions and two neurons show every kind of term.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ._common import Checked, Derivation, agree, equation, prove_zero

i, j, p, other, e, M, N = sp.symbols("i j p l e M N", integer=True, nonnegative=True)
k = sp.symbols("k", integer=True, positive=True)
c = sp.symbols("c", positive=True)
a, s = sp.IndexedBase("a"), sp.IndexedBase("s")
overlap, gram = sp.IndexedBase("m"), sp.IndexedBase("q")
theta, u = sp.IndexedBase("theta"), sp.IndexedBase("u")
_WIDTH = 2  # directions and neurons of the explicit chain rule


class dual_slope(sp.Function):
    """g', the derivative of an unspecified dual activation."""

    def _latex(self, printer: sp.printing.latex.LatexPrinter, **_: object) -> str:
        return rf"g'\left({printer.doprint(self.args[0])}\right)"


class dual(sp.Function):
    """g, an unspecified dual activation."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The derivative is g'."""
        return dual_slope(self.args[0])

    def _latex(self, printer: sp.printing.latex.LatexPrinter, **_: object) -> str:
        return rf"g\left({printer.doprint(self.args[0])}\right)"


def pure(expression: sp.Expr) -> sp.Expr:
    """The same for σ = c h_k: g(q) = c² q^k."""
    slope = expression.replace(dual_slope, lambda q: c**2 * k * q ** (k - 1))
    return slope.replace(dual, lambda q: c**2 * q**k)


def twice_loss() -> sp.Expr:
    """2L in overlaps and squared norms."""
    teacher = sp.Sum(
        a[p] * a[other] * sp.Piecewise((dual(1), sp.Eq(p, other)), (dual(0), True)), (p, 0, M - 1), (other, 0, M - 1)
    )
    cross = sp.Sum(s[i] * a[p] * dual(overlap[i, p]), (i, 0, N - 1), (p, 0, M - 1))
    student = sp.Sum(s[i] * s[other] * dual(gram[i, other]), (i, 0, N - 1), (other, 0, N - 1))
    return teacher - 2 * cross + student  # fmt: skip


def velocities() -> tuple[sp.Expr, sp.Expr]:
    """ds_i/dt and component e of du_i/dt."""
    pull = sp.Sum(a[p] * dual(overlap[i, p]), (p, 0, M - 1))
    push = sp.Sum(s[other] * dual(gram[i, other]), (other, 0, N - 1))
    attract = sp.Sum(a[p] * dual_slope(overlap[i, p]) * (theta[p, e] - overlap[i, p] * u[i, e]), (p, 0, M - 1))
    repel = sp.Sum(s[other] * dual_slope(gram[i, other]) * (u[other, e] - gram[i, other] * u[i, e]), (other, 0, N - 1))
    return 4 * s[i] * (pull - push), attract - repel


def prove_coordinate_gradients() -> sp.Expr:
    """∂|w|²/∂w = 2w and ∂(<w,v>/|w|)/∂w = (v - <u,v>u)/|w|, returned for v = (v_0, v_1, v_2)."""
    w, v = (sp.Matrix(sp.symbols(f"{name}_:3", real=True)) for name in "wv")
    r = sp.sqrt(w.dot(w))
    along = w.dot(v) / r
    gradient = sp.Matrix([sp.diff(along, x) for x in w])
    prove_zero(sp.Matrix([sp.diff(w.dot(w), x) for x in w]) - 2 * w, "gradient of s")
    prove_zero((gradient - (v - along * w / r) / r).applyfunc(sp.factor), "gradient of an overlap")
    return gradient.applyfunc(sp.factor)


def prove_velocities() -> None:
    """-∂L/∂w_0 by the chain rule, for `_WIDTH` directions and neurons, any g and any dimension.

    The gradients of m and q are tangent to the sphere, that of s is 2 r u: so ds/dt = -4 s ∂L/∂s, and
    du/dt = -(1/s) [Σ_m ∂L/∂m (θ_m - m u) + Σ_l ∂L/∂q (u_l - q u)].
    """
    free = {gram[n, n]: sp.S.One for n in range(_WIDTH)}
    free |= {gram[n, x]: gram[x, n] for n in range(_WIDTH) for x in range(n)}  # one variable a pair
    here = {M: _WIDTH, N: _WIDTH, i: 0}
    loss = (twice_loss().subs(here).doit() / 2).subs(free)
    radial, tangent = (v.subs(here).doit().subs(free) for v in velocities())
    prove_zero(radial + 4 * s[0] * sp.diff(loss, s[0]), "radial part of the gradient")
    prove_zero(tangent + tangent_parts(loss) / s[0], "tangent part of the gradient")


def tangent_parts(loss: sp.Expr) -> sp.Expr:
    """Σ_m ∂L/∂m (θ_m - m u) + Σ_l ∂L/∂q (u_l - q u) of neuron 0, coordinate e."""
    pulls = [sp.diff(loss, overlap[0, x]) * (theta[x, e] - overlap[0, x] * u[0, e]) for x in range(_WIDTH)]
    pushes = [sp.diff(loss, gram[0, x]) * (u[x, e] - gram[0, x] * u[0, e]) for x in range(1, _WIDTH)]
    return sp.Add(*pulls, *pushes)


def derive() -> Derivation:
    """The loss from E σσ = g, then its gradient in polar coordinates."""
    gradient = prove_coordinate_gradients()
    prove_velocities()
    radial, tangent = velocities()
    # <θ_j, du_i/dt>: θ_p·θ_j = δ_pj and u_l·θ_j = m_lj
    projected = {theta[p, e]: sp.KroneckerDelta(p, j), u[i, e]: overlap[i, j], u[other, e]: overlap[other, j]}
    overlaps = tangent.xreplace(projected)
    return Derivation(
        title="Population loss and its gradient flow",
        statement=r"For any link with dual activation $g$: $dw_i/dt = -\partial L/\partial w_i$ in the "
        r"coordinates $s_i = |w_i|^2$, $u_i = w_i/|w_i|$.",
        steps=(
            (r"The loss, from $E\,\sigma(\langle u,x\rangle)\sigma(\langle v,x\rangle) = g(\langle "
             r"u,v\rangle)$.", twice_loss()),
            (r"The gradient of an overlap $\langle w, v\rangle/|w|$ is $(v - \langle u, v\rangle u)/|w|$, tangent "
             r"to the sphere; that of $s = |w|^2$ is $2w$. In coordinates:", gradient),
            (r"So $ds_i/dt = -4 s_i\,\partial L/\partial s_i$.", radial),
            (r"And $du_i/dt$, coordinate $e$, collects the gradients of the overlaps, divided by $-s_i$.", tangent),
            (r"For the pure link $\sigma = c\,h_k$, $g(q) = c^2 q^k$.", pure(radial)),
        ),
        result={
            "loss": equation("2L", twice_loss()),
            "radial": equation(r"\dot{s}_i", radial),
            "tangent": equation(r"\dot{u}_{ie}", tangent),
            "overlap": equation(r"\dot{m}_{ij}", overlaps),
            "radial, c h_k": equation(r"\dot{s}_i[c\,h_k]", pure(radial)),
            "tangent, c h_k": equation(r"\dot{u}_{ie}[c\,h_k]", pure(tangent)),
        },
        proved="tangent and radial equations are minus the gradient of L, for unspecified g and for c² q^k, symbolic k",
    )  # fmt: skip


@cache
def _computed() -> list[dict[str, Any]]:
    """A start for two links: the loss differentiated by JAX, and the velocities of the coupled and correlation "
    "flows."""
    import jax
    import jax.numpy as jnp

    import riccati as rc
    from riccati.flows import Neurons, correlation_velocity, coupled_velocity

    def problem(link: rc.Link) -> dict[str, Any]:
        teacher = rc.Teacher.power_law(3, 0.7, link)
        start = rc.Start.random(teacher, 4, 9, norm=0.8, seed=3)

        def loss(W: jax.Array) -> jax.Array:
            r = jnp.sqrt(jnp.sum(W**2, axis=1))
            squares, unit = r**2, W / r[:, None]
            gram = jnp.where(jnp.eye(4, dtype=bool), 1.0, unit @ unit.T)
            student = squares @ link.dual(gram) @ squares
            return teacher.second_moment - 2 * squares @ link.dual(unit[:, :3]) @ teacher.a + student

        value, gradient = jax.jit(jax.value_and_grad(loss))(start.weights)
        force = -np.asarray(gradient) / 2
        directions, norms = np.asarray(start.directions), np.asarray(start.norms)
        along = np.sum(force * directions, axis=1, keepdims=True)
        neurons = Neurons(start.directions, jnp.asarray(2 * np.log(norms)))
        flow = jax.jit(coupled_velocity)(None, neurons, teacher)
        values = {
            a: np.asarray(teacher.a), s: norms**2, overlap: directions[:, :3], gram: directions @ directions.T,
            theta: np.eye(3, 7), u: directions, M: 3, N: 4, k: link.information_exponent, c: 1.0,
        }  # fmt: skip
        return {
            "link": link, "duals": duals_of(link), "values": values, "loss": value,
            "radial": (2 * norms * along[:, 0], norms**2 * np.asarray(flow.log_s)),
            "tangent": ((force - directions * along) / norms[:, None], np.asarray(flow.U)),
            "correlation": jax.jit(correlation_velocity)(None, start.directions, teacher),
        }  # fmt: skip

    return [problem(rc.Link.from_coefficients([0.3, 0.0, 0.5, -0.2])), problem(rc.Link.hermite(5))]


def check(derivation: Derivation | None = None) -> Checked:
    """Against the loss differentiated by JAX, coupled_velocity, and correlation_velocity (no student terms)."""
    d = derivation or derive()
    worst = []
    for code in _computed():
        duals, values = code["duals"], code["values"]
        worst.append(agree(table(d["loss"], values, duals), code["loss"], "loss"))
        for suffix in ("", ", c h_k") if code["link"].degree else ("",):
            radial = table(d["radial" + suffix], values, duals, (i, 4))
            tangent = table(d["tangent" + suffix], values, duals, (i, 4), (e, 7))
            alone = table(d["tangent" + suffix], values | {s: np.zeros(4)}, duals, (i, 4), (e, 7))
            worst += [agree(radial, computed, "radial" + suffix) for computed in code["radial"]]
            worst += [agree(tangent, computed, "tangent" + suffix) for computed in code["tangent"]]
            worst.append(agree(alone, code["correlation"], "tangent without student terms"))
        overlaps = table(d["overlap"], values, duals, (i, 4), (j, 3))
        worst.append(agree(overlaps, code["tangent"][1][:, :3], "overlap"))
    return Checked(d.proved, "coupled_velocity, correlation_velocity, gradient of the loss by JAX", max(worst))


def duals_of(link: Any) -> dict[str, Callable[[float], float]]:
    """A link's dual and its derivative at a number, each number asked for once."""
    return {"dual": cache(lambda x: float(link.dual(x))), "dual_slope": cache(lambda x: float(link.dual_derivative(x)))}


def table(expression: sp.Expr, values: dict, duals: dict, *ranges: tuple[sp.Symbol, int]) -> np.ndarray:
    """The expression at `values`, for every value of the indices left free."""
    evaluated = sp.lambdify([*values, *(index for index, _ in ranges)], expression, modules=[duals, "numpy"])
    shape = tuple(length for _, length in ranges)
    return np.array([evaluated(*values.values(), *at) for at in np.ndindex(shape)], float).reshape(shape)
