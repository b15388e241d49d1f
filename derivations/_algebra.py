"""Matrices of any size as non-commuting symbols: rules, traces, rates of change, and their values.

In an expression of such symbols the number 1 stands for the identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np
import sympy as sp


class tr(sp.Function):
    """The trace of a product of non-commuting symbols."""

    is_commutative = True


def matrices(names: str) -> tuple[sp.Symbol, ...]:
    """Symbols that do not commute."""
    return sp.symbols(names, commutative=False)


def rewrite(expression: sp.Expr, rules: Mapping[sp.Expr, sp.Expr]) -> sp.Expr:
    """Apply the rules, product -> expression, until nothing changes."""
    while True:
        changed = sp.expand(expression)
        for old, new in rules.items():
            changed = sp.expand(changed.subs(old, new))
        if changed == expression:
            return changed
        expression = changed


def factors(term: sp.Expr) -> tuple[sp.Expr, list[sp.Expr]]:
    """The commuting coefficient of a product and its non-commuting factors, powers written out."""
    scalar, matrix = term.args_cnc()
    written_out = [base for f in matrix for base in [f.as_base_exp()[0]] * int(f.as_base_exp()[1])]
    return sp.Mul(*scalar), written_out


def transpose(expression: sp.Expr, of: Mapping[sp.Symbol, sp.Symbol]) -> sp.Expr:
    """Reverse every product; `of` gives the transposes of the symbols that are not symmetric."""
    both = {**of, **{v: k for k, v in of.items()}}
    parts = map(factors, sp.Add.make_args(sp.expand(expression)))
    return sp.Add(*(c * sp.Mul(*(both.get(f, f) for f in reversed(product))) for c, product in parts))


def trace(expression: sp.Expr, rules: Mapping[sp.Expr, sp.Expr] | None = None) -> sp.Expr:
    """The trace, linear; every product is rotated until the rules apply no more, then to alphabetical order."""
    total = sp.S.Zero
    for c, product in map(factors, sp.Add.make_args(sp.expand(expression))):
        rotations = [product[i:] + product[:i] for i in range(max(len(product), 1))]
        rewritten = [rewrite(sp.Mul(*rotation), rules or {}) for rotation in rotations]
        changed = [new for new, old in zip(rewritten, rotations, strict=True) if new != sp.Mul(*old)]
        first = min(rotations, key=lambda r: [f.name for f in r])
        total += c * (trace(changed[0], rules) if changed else tr(sp.Mul(*first)))
    return total


def rate(expression: sp.Expr, velocity: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """The rate of change by the product rule, when each symbol changes with its `velocity` (0 if not named)."""
    total = sp.S.Zero
    for c, product in map(factors, sp.Add.make_args(sp.expand(expression))):
        for i, f in enumerate(product):
            total += c * sp.Mul(*product[:i], velocity.get(f, sp.S.Zero), *product[i + 1 :])
    return sp.expand(total)


def evaluate(expression: sp.Expr, values: Mapping[sp.Symbol, np.ndarray | float]) -> np.ndarray | float:
    """The value with arrays and numbers for the symbols; a number in a sum of matrices is a multiple of 1."""
    if expression in values:
        return values[expression]
    if isinstance(expression, tr):
        return np.trace(evaluate(expression.args[0], values))
    parts = [evaluate(part, values) for part in expression.args]
    if expression.is_Add:
        size = max((len(p) for p in parts if np.ndim(p) == 2), default=0)
        return sum(p * np.eye(size) if size and np.ndim(p) == 0 else p for p in parts)
    if expression.is_Mul:
        return reduce(lambda x, y: x @ y if np.ndim(x) == np.ndim(y) == 2 else x * y, parts)
    if expression.is_Pow:
        return np.linalg.matrix_power(parts[0], int(parts[1])) if np.ndim(parts[0]) else parts[0] ** parts[1]
    return float(expression)
