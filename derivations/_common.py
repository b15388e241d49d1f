"""What every derivation is made of: its steps and results, a proof that can fail, a comparison that can fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

Step = tuple[str, sp.Basic]


@dataclass(frozen=True)
class Derivation:
    """An equation, the way to it, and what of it sympy has proved.

    Attributes:
        title: a few words.
        statement: what is shown; text with LaTeX formulas.
        steps: (text with LaTeX formulas, sympy expression), in order.
        result: the derived equations by name. The right-hand sides are what `check()` compares.
        proved: one line, for the terminal.
    """

    title: str
    statement: str
    steps: tuple[Step, ...]
    result: Mapping[str, sp.Eq]
    proved: str

    def __getitem__(self, name: str) -> Any:
        """The right-hand side of a result."""
        return self.result[name].rhs

    def with_result(self, name: str, right: sp.Basic) -> Derivation:
        """The same derivation with another right-hand side put in one result's place."""
        return replace(self, result={**self.result, name: equation(self.result[name].lhs, right)})


class Checked(NamedTuple):
    """What `check()` returns: what was proved, what was compared, and the largest relative deviation."""

    proved: str
    compared: str
    deviation: float


class NotProved(AssertionError):
    """An identity that a derivation rests on does not hold."""


class Disagreement(AssertionError):
    """A derived formula and what it is compared with differ."""


def equation(left: str | sp.Basic, right: sp.Basic) -> sp.Eq:
    """left = right as it stands; a string on the left is LaTeX."""
    return sp.Eq(sp.Symbol(f"{{{left}}}") if isinstance(left, str) else left, right, evaluate=False)


def prove_zero(expression: sp.Basic | sp.MatrixBase, what: str) -> None:
    """Raise `NotProved` unless every entry is identically zero."""
    entries = list(expression) if isinstance(expression, sp.MatrixBase) else [expression]
    for entry in entries:
        if sp.expand(entry) != 0 and sp.simplify(entry) != 0:
            raise NotProved(f"{what}: {sp.simplify(entry)} is not zero")


def prove_equal(left: Any, right: Any, what: str) -> None:
    """Raise `NotProved` unless left - right is identically zero."""
    prove_zero(left - right, what)


def numeric(expression: sp.Basic, *arguments: Any) -> Callable:
    """A numpy function of `arguments`, which are symbols, indexed bases or matrices."""
    return sp.lambdify(arguments, expression, modules=["scipy", "numpy"])


_ORDER_8 = np.array([3, -32, 168, -672, 0, 672, -168, 32, -3]) / 840


def slopes_in_time(
    solved: Callable[[np.ndarray], np.ndarray], times: np.ndarray, step: float = 0.008
) -> tuple[np.ndarray, np.ndarray]:
    """Values at `times`, which are more than eight steps apart, and time derivatives by differences of order eight."""
    values = np.asarray(solved((times[:, None] + step * np.arange(-4, 5)).ravel()), float)
    values = values.reshape(len(times), 9, *values.shape[1:])
    return values[:, 4], np.einsum("n,tn...->t...", _ORDER_8 / step, values)


def agree(derived: Any, computed: Any, what: str, tolerance: float = 1e-12) -> float:
    """The largest deviation, relative to the largest entry; raise `Disagreement` if it exceeds `tolerance`."""
    left, right = np.asarray(derived, float), np.asarray(computed, float)
    if left.shape != right.shape:
        raise Disagreement(f"{what}: shapes {left.shape} and {right.shape}")
    scale = max(float(np.max(np.abs(right), initial=0.0)), np.finfo(float).tiny)
    deviation = float(np.max(np.abs(left - right), initial=0.0)) / scale
    if not deviation <= tolerance:
        raise Disagreement(f"{what}: derived and computed differ by {deviation:.1e}, tolerance {tolerance:.0e}")
    return deviation
