"""Gaussian means of products of quadratic forms, for matrices of any size (Isserlis, Wick).

E (xᵀD_1x) … (xᵀD_nx) xxᵀ for x ~ N(0, I) and symmetric D_i is a sum over the pairings of the 2n + 2 factors x: each
pairing is a product of D's that leads from one free index to the other, times the traces of the loops that are left.
For e = xᵀDx - tr D:

    E e² = 2 tr D²,      E e xxᵀ = 2D,      E e² xxᵀ = 2 tr(D²) I + 8 D²,

so with u = Wᵀx, WᵀW = I: E e² uuᵀ = 2||D||² I + 8 WᵀD²W.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import sympy as sp

from ._algebra import evaluate, matrices, tr, trace
from ._common import Checked, Derivation, agree, equation, prove_zero

D, W, Wt = matrices("D W W^T")


def pairings(slots: tuple[int, ...]) -> Iterator[dict[int, int]]:
    """All ways to pair the slots."""
    if not slots:
        yield {}
        return
    first, *rest = slots
    for n, other in enumerate(rest):
        for remaining in pairings((*rest[:n], *rest[n + 1 :])):
            yield {first: other, other: first, **remaining}


def mean_outer(forms: list[sp.Symbol]) -> sp.Expr:
    """E Π_i (xᵀ D_i x) xxᵀ; slots 2i and 2i + 1 are the two x of form i, the last two are free."""
    left, right = 2 * len(forms), 2 * len(forms) + 1

    def walk(slot: int, pairing: dict[int, int], stop: int) -> list[int]:
        product = []
        while (slot := pairing[slot]) != stop:
            product.append(slot // 2)
            slot ^= 1
        return product

    total = sp.S.Zero
    for pairing in pairings(tuple(range(right + 1))):
        used = walk(left, pairing, right)
        term = sp.Mul(*(forms[n] for n in used))
        for n in range(len(forms)):
            if n not in used:
                loop = [n, *walk(2 * n + 1, pairing, 2 * n)]
                term *= trace(sp.Mul(*(forms[x] for x in loop)))
                used = [*used, *loop]
        total += term
    return sp.expand(total)


def mean_form(forms: list[sp.Symbol]) -> sp.Expr:
    """E Π_i (xᵀ D_i x): the last form is closed with the outer product of the others."""
    return sp.expand(sum(scalar * trace(product * forms[-1]) for scalar, product in _terms(mean_outer(forms[:-1]))))


def _terms(expression: sp.Expr) -> list[tuple[sp.Expr, sp.Expr]]:
    split = [term.args_cnc() for term in sp.Add.make_args(sp.expand(expression))]
    return [(sp.Mul(*scalar), sp.Mul(*product)) for scalar, product in split]


def derive() -> Derivation:
    """The means with e, from all pairings."""
    plain, one, two = mean_outer([]), mean_outer([D]), mean_outer([D, D])
    square = sp.expand(mean_form([D, D]) - tr(D) ** 2)
    first = sp.expand(one - tr(D) * plain)
    second = sp.expand(two - 2 * tr(D) * one + tr(D) ** 2 * plain)
    prove_zero(square - 2 * tr(D**2), "E e²")
    prove_zero(first - 2 * D, "E e xxᵀ")
    prove_zero(second - 2 * tr(D**2) - 8 * D**2, "E e² xxᵀ")
    return Derivation(
        title="Gaussian means of quadratic forms",
        statement=r"For $e = x^TDx - \mathrm{tr}D$, $x \sim N(0,1)$: $E\,e^2 = 2\,\mathrm{tr}D^2$, $E\,e\,xx^T = "
        r"2D$, $E\,e^2xx^T = 2\,\mathrm{tr}(D^2) + 8D^2$.",
        steps=(
            (r"Three pairings: $E\,(x^TDx)xx^T$.", one),
            (r"Fifteen pairings: $E\,(x^TDx)^2xx^T$.", two),
            (r"Subtracting $\mathrm{tr}D$ from $x^TDx$ leaves", second),
        ),
        result={
            "E e²": equation(r"E\,e^2", square),
            "E e xxᵀ": equation(r"E\,e\,xx^T", first),
            "E e² xxᵀ": equation(r"E\,e^2xx^T", second),
            "E e² uuᵀ": equation(r"E\,e^2uu^T", 2 * tr(D**2) + 8 * Wt * D**2 * W),
        },
        proved="E e², E e xxᵀ, E e² xxᵀ over all pairings, for matrices of any size",
    )  # fmt: skip


def quadrature(dim: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, dim) and weights whose sums are exact Gaussian means to degree 2 nodes - 1 in each variable."""
    from scipy.special import roots_hermitenorm

    z, weights = roots_hermitenorm(nodes)
    points = np.array(list(product(z, repeat=dim)))
    return points, np.prod(list(product(weights / weights.sum(), repeat=dim)), axis=1)


def check(derivation: Derivation | None = None) -> Checked:
    """Against Gauss-Hermite quadrature in three dimensions, exact for these polynomials."""
    d = derivation or derive()
    random = np.random.default_rng(0)
    form = random.normal(size=(3, 3))
    form = form + form.T
    basis = np.linalg.qr(random.normal(size=(3, 2)))[0]
    x, weights = quadrature(3, 6)
    e = np.einsum("ni,ij,nj->n", x, form, x) - np.trace(form)
    outer = {power: np.einsum("n,ni,nj->ij", weights * e**power, x, x) for power in (1, 2)}
    values = {D: form, W: basis, Wt: basis.T}
    worst = [
        agree(evaluate(d["E e²"], values), weights @ e**2, "E e²"),
        agree(evaluate(d["E e xxᵀ"], values), outer[1], "E e xxᵀ"),
        agree(evaluate(d["E e² xxᵀ"], values), outer[2], "E e² xxᵀ"),
        agree(evaluate(d["E e² uuᵀ"], values), basis.T @ outer[2] @ basis, "E e² uuᵀ"),
    ]
    return Checked(d.proved, "Gauss-Hermite quadrature in three dimensions", max(worst))
