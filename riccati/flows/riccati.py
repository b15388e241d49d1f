"""k = 2, the subspace: the matrix Riccati equation for the overlap Gram matrix G = Θᵀ P Θ.

With σ = h_2, S* = Θ A Θᵀ, A = diag a, the student's weights obey dW/dτ = S*W - W(WᵀW) in Riccati time τ = 2t. The
second term acts from the right, so the column space moves alone, and with P the projector on it

    dG/dτ = A G + G A - 2 G A G,        0 ≼ G ≼ I,   rank G ≤ N.

Exact solution: span W(τ) = e^{ρτ} span W(0), rates ρ = (a_1 … a_M, 0 … 0) in reduced coordinates (flows/chart.py).
Source: BEVW25 (arXiv 2508.03688), the gradient-flow theorem; derivations/riccati_equation.py, derivations/chart.py.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._checks import is_traced, require, require_real
from ..start import Start
from ..teacher import Teacher
from .base import AnyStart, Flow, Observables, check_quadratic, quadratic_horizon, riccati_rate
from .chart import Chart
from .chart_emergence import chart_emergence_times
from .chart_path import follow
from .integrate import crossing_times, integrate
from .subspace import alignment, subspace, subspace_risk

_DENSE_RTOL = 1e-8
_LEAK = 100  # a trace this many tolerances above N is noise that has turned into rank


class PhantomEmergence(UserWarning):
    """The dense equation's tolerance error has turned into rank: directions seem to emerge that do not."""


class Riccati(Flow):
    """The k = 2 flow of the student's subspace; radius refitted optimally, risk = 1 - tr(AGAG).

    `method="exact"` is the chart solution: no time step, relative error of diag G near rounding at every τ, cost
    O((M + N) N²) per output time. `method="ode"` integrates the dense M x M equation with diffrax, as a cross-check
    on short horizons; `rtol` is its relative tolerance, and its absolute tolerance is rtol times the least initial
    G_mm. For N < M and long times it is wrong at any tolerance, and warns when tr G exceeds N.

    Raises:
        ArgumentError: an unknown method, or `rtol` given to the exact solution, which has none.
    """

    method: Literal["exact", "ode"] = eqx.field(static=True, default="exact")
    rtol: float | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        require(self.method in ("exact", "ode"), "method", 'be "exact" or "ode"', repr(self.method))
        if self.rtol is not None:
            require(self.method == "ode", "rtol", 'be left out for method="exact"', self.rtol)
            require_real(self.rtol, "rtol", above=0)

    def check(self, teacher: Teacher, start: AnyStart) -> None:
        """Pure link h_2 and a start with all overlaps."""
        check_quadratic(self, teacher, start)

    def horizon(self, teacher: Teacher, start: AnyStart) -> tuple[float, float]:
        """From the decoupled approximation."""
        assert isinstance(start, Start)
        return quadratic_horizon(teacher, start)

    def evolve(self, teacher: Teacher, start: AnyStart, times: Float[Array, " T"]) -> Observables:
        """Risk after the best radial fit and diag G; no radius."""
        assert isinstance(start, Start)
        if self.method == "exact":
            m, factor = start.teacher_overlaps, start.residual_factor
            return follow(_observe, False, m, factor, teacher.a, riccati_rate(teacher) * times)
        return self._dense(teacher, start, times)

    def emergence_times(
        self,
        teacher: Teacher,
        start: AnyStart,
        times: Float[Array, " T"],
        alignment: Float[Array, "T M"] | None,
        level: float,
    ) -> Float[Array, " M"]:
        """Bracketed on the output times, refined on the exact solution; the dense equation interpolates."""
        assert isinstance(start, Start)
        if self.method == "exact":
            return chart_emergence_times(teacher, start, times, alignment, level)
        return crossing_times(times, alignment, level)

    def _dense(self, teacher: Teacher, start: Start, times: Float[Array, " T"]) -> Observables:
        rtol = _DENSE_RTOL if self.rtol is None else self.rtol
        Z = jnp.linalg.qr(start.directions.T)[0][: teacher.width]
        G = Z @ Z.T
        atol = rtol * jnp.min(jnp.diag(G))
        saved = integrate(dense_velocity, G, teacher.a, riccati_rate(teacher) * times, rtol, atol)
        aligned = jnp.diagonal(saved, axis1=1, axis2=2)
        if not is_traced(aligned):
            excess = float(jnp.max(jnp.sum(aligned, axis=1))) - start.student_width
            if excess > _LEAK * rtol * start.student_width:
                warnings.warn(
                    f"The dense Riccati equation has lost its rank: tr G exceeds N = {start.student_width} by "
                    f'{excess:.2g}. Use method="exact".',
                    PhantomEmergence,
                    stacklevel=4,
                )
        risk = 1 - jnp.einsum("i,tij,j,tji->t", teacher.a, saved, teacher.a, saved)
        return Observables(risk, aligned, None)


def dense_velocity(_: Any, G: Float[Array, "M M"], a: Float[Array, " M"]) -> Float[Array, "M M"]:
    """dG/dτ = AG + GA - 2GAG."""
    return a[:, None] * G + G * a - 2 * G @ (a[:, None] * G)


def _observe(chart: Chart, _: Array) -> Observables:
    space = subspace(chart)
    return Observables(subspace_risk(chart, space), alignment(chart, space), None)
