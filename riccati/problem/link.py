"""The link function σ = Σ_j c_j h_j, in the orthonormal Hermite polynomials h_j.

h_j = He_j/√(j!) satisfies E h_i(z) h_j(z) = δ_ij for z ~ N(0, 1), and for unit u, v and x ~ N(0, I)

    E h_i(<u,x>) h_j(<v,x>) = δ_ij <u,v>^j,   so   E σ(<u,x>) σ(<v,x>) = g(<u,v>),   g(q) = Σ_j c_j² q^j.

All population dynamics depend on σ through the dual activation g alone.
Derived in derivations/hermite.py and derivations/information_exponent.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..support import is_traced, namespace_of, require, require_finite, require_integer
from .closed_forms import CLOSED_FORMS, HOMOGENEOUS, ClosedForm
from .hermite import hermite_series, panels, projection, series_derivative
from .traceable import TraceableFunction

_QUADRATURE_NODES = 200  # beyond about 350 the outer Gauss-Hermite weights underflow
_DEFAULT_DEGREE = 32
_HIGHEST_DEGREE = 1000  # of a pure link; at d^(k/2 - 1) samples none near it is ever learned
_VANISHING = 1e-12  # a coefficient this small beside the largest counts as zero
_ROUNDING = 1e-300  # the error of coefficients that quadrature computes without any to be seen
_MONOMIAL = 1e-9  # coefficients this close to those of z^p, beside its last, are those
_ENDED = 1e-9  # last coefficients this small beside the largest are none: the function is a polynomial
_COMPLETE = 1e-6  # share of E σ² up to which a series may miss its function and stand for it at unit variance
_NOTICEABLE = 1e-2  # share of E σ² whose absence is warned of


class Link(eqx.Module):
    """The link function (activation) σ = Σ_j c_j h_j of teacher and student, as a Hermite series or in closed form.

    Build one with `Link.hermite`, `Link.from_coefficients`, `Link.from_function` or `Link.named`. Called with an array
    it gives σ. Risk and flows depend on it through the dual activation g(q) = Σ_j c_j² q^j alone, and the search phase
    through the information exponent k, the lowest degree j ≥ 1 that occurs (derivations/information_exponent.py).

    Attributes:
        coefficients: c_0 … c_J, (J+1,), in the orthonormal basis. A closed form's series is cut at J.
        information_exponent: k = min{j ≥ 1 : c_j ≠ 0}.
        degree: j for a pure σ = c_j h_j, else None.
        only_degree: j for σ = c_0 + c_j h_j, with any c_0; None where several degrees ≥ 1 occur.
        is_even: whether only even coefficients occur, so that the sign of an overlap does not matter at all.
        is_odd: whether only odd coefficients occur.
        is_centred: whether c_0 = 0, that is E σ = 0.
        has_finite_slope: whether g'(1) = E σ'² is finite.
        error: estimated error of the coefficients, 0 where they are exact.
        missing: the share of E σ² that the coefficients leave out, 1 - Σ c_j²/E σ², where it was estimated; else 0.
        label: the name that figures and files use.
        polynomial_degree: the degree of σ where it is a polynomial, and so known at arguments of any variance.
        function: σ itself where `from_function` was given one that JAX can trace, of which the series is complete.

    Example:
        >>> import riccati as rc
        >>> rc.Link.named("relu").information_exponent
        1
        >>> mixed = rc.Link.from_coefficients([0, 0, 0.8, 0, 0.6])
        >>> mixed
        Link(series, information exponent 2)
        >>> round(float(mixed.dual(0.5)), 6)
        0.1825
    """

    coefficients: Float[Array, " J+1"]
    information_exponent: int = eqx.field(static=True)
    degree: int | None = eqx.field(static=True)
    only_degree: int | None = eqx.field(static=True)
    is_even: bool = eqx.field(static=True)
    is_odd: bool = eqx.field(static=True)
    is_centred: bool = eqx.field(static=True)
    has_finite_slope: bool = eqx.field(static=True)
    error: float = eqx.field(static=True)
    missing: float = eqx.field(static=True)
    label: str = eqx.field(static=True)
    closed_form: ClosedForm | None = eqx.field(static=True)
    polynomial_degree: int | None = eqx.field(static=True)
    function: TraceableFunction | None = eqx.field(static=True)

    def __init__(
        self,
        coefficients: ArrayLike,
        *,
        label: str = "series",
        error: float = 0.0,
        missing: float = 0.0,
        closed_form: ClosedForm | None = None,
        function: TraceableFunction | None = None,
    ):
        if is_traced(coefficients):
            raise TypeError("A link's coefficients decide its information exponent: build the link outside jit.")
        c = np.asarray(coefficients, dtype=float)
        require(c.ndim == 1 and c.size >= 2, "coefficients", "be a vector c_0, c_1, …", f"of shape {c.shape}")
        require_finite(c, "coefficients")
        present = np.abs(c) > max(_VANISHING * np.abs(c).max(), 2 * error)
        above = np.flatnonzero(present[1:]) + 1
        require(above.size > 0, "coefficients", "have a nonzero entry c_j with j ≥ 1", "constant")
        self.information_exponent = int(above[0])
        self.is_even, self.is_odd = bool(~present[1::2].any()), bool(~present[0::2].any())
        self.is_centred = not bool(present[0])
        self.only_degree = int(above[0]) if closed_form is None and above.size == 1 else None
        self.degree = self.only_degree if self.is_centred else None
        self.has_finite_slope = closed_form is None or closed_form.has_finite_slope
        self.coefficients = jnp.asarray(c) if is_traced(c) else jax.device_put(np.asarray(c))
        self.error, self.missing, self.label, self.closed_form = float(error), float(missing), label, closed_form
        relevant = np.flatnonzero(np.abs(c) > (_ENDED * np.abs(c).max() if error > 0 else 0.0))
        ended = error == 0 or int(relevant[-1]) < c.size - 2
        self.polynomial_degree = int(relevant[-1]) if ended and closed_form is None else None
        self.function = function if self.polynomial_degree is None else None

    @classmethod
    def hermite(cls, degree: int) -> Link:
        """The pure link σ = h_k, information exponent k = `degree` ≥ 1.

        Raises:
            ArgumentError: a degree that is no whole number ≥ 1.
        """
        require_integer(degree, "degree", 1)
        require(degree <= _HIGHEST_DEGREE, "degree", f"be ≤ {_HIGHEST_DEGREE}", degree)
        return cls(np.eye(degree + 1)[degree], label=f"he{degree}")

    @classmethod
    def from_coefficients(cls, coefficients: ArrayLike) -> Link:
        """σ = Σ_j c_j h_j from c_0 … c_J in the orthonormal basis (He_j has c_j = √(j!))."""
        return cls(coefficients)

    @classmethod
    def from_function(cls, function: Callable, degree: int = _DEFAULT_DEGREE, nodes: int = _QUADRATURE_NODES) -> Link:
        """Coefficients c_j = E σ(z) h_j(z), j ≤ `degree`, by Gauss-Hermite quadrature.

        `function` maps an array to an array of the same shape. `error` compares `nodes` with half as many: near
        rounding for analytic functions, large for functions with kinks or jumps, whose closed forms
        (`Link.named`) are to be preferred. `missing` compares Σ c_j² with E σ²: the link that is computed with is the
        truncated series, and a warning says so where it misses more than a hundredth. Where it misses less than 10⁻⁶
        and JAX can trace the function (jnp.tanh; a ufunc), σ(z) is the function itself, as two-layer students need.

        Raises:
            ArgumentError: a degree below 1, too few nodes, a function that does not keep the shape or is not finite.
        """
        require_integer(degree, "degree", 1)
        require_integer(nodes, "nodes", 2 * degree + 2)
        fine, coarse = (_quadrature(function, degree, n) for n in (nodes, nodes // 2))
        error, label = float(np.abs(fine - coarse).max()), getattr(function, "__name__", "function")
        z, density = panels()
        missing = max(1 - float(np.sum(fine**2) / (density @ np.asarray(function(z), float) ** 2)), 0.0)
        if missing > _NOTICEABLE:
            warnings.warn(
                f"The series of {label} to degree {degree} misses {missing:.2g} of its second moment: take a higher "
                "degree, or a closed form where Link.named has one.",
                stacklevel=2,
            )
        given = TraceableFunction.of(function) if missing < _COMPLETE else None
        return cls(fine, error=error or _ROUNDING, missing=missing, label=label, function=given)

    @classmethod
    def of_file(cls, coefficients: ArrayLike, label: str, error: float = 0.0, missing: float = 0.0) -> Link:
        """A link of `from_function` as a file holds it, by its series: σ beyond that is refused where it is needed."""
        function = TraceableFunction.left_out(label)
        return cls(coefficients, label=label, error=error or _ROUNDING, missing=missing, function=function)

    @classmethod
    def named(cls, name: str) -> Link:
        """A link by its name: relu, abs, sign, erf, scaled_erf = erf(z/√2), exp, cos, sin, tanh, sigmoid, softplus,
        gelu, silu; or heK for the pure h_K.

        Raises:
            ArgumentError: an unknown name, or a degree that is too high.
        """
        if name[:2] == "he" and name[2:].isdecimal():
            require(len(name) <= len(f"he{_HIGHEST_DEGREE}"), "link", f"be at most he{_HIGHEST_DEGREE}", name)
            return cls.hermite(int(name[2:]))
        known = ", ".join(sorted(CLOSED_FORMS))
        require(name in CLOSED_FORMS, "link", f"be one of {known}, or he1, he2, …", repr(name))
        form = CLOSED_FORMS[name]
        return cls(form.coefficients(), label=name, closed_form=form)

    @property
    def is_quadratic(self) -> bool:
        """Whether σ = c_0 + c_2 h_2, as h_2 and z² are: neurons then share directions, and diag G is what emerges."""
        return self.only_degree == 2

    @property
    def is_homogeneous(self) -> bool:
        """Whether σ(λz) = λσ(z) for λ > 0, as for ReLU, |z| and z: what the standard parametrisation needs."""
        return self.degree == 1 or (self.closed_form is not None and HOMOGENEOUS.get(self.closed_form.name) == 1)

    @property
    def homogeneity(self) -> int | None:
        """p where σ(λz) = λ^p σ(z) for λ > 0: 1 for ReLU, |z| and z, p for z^p; None for other links."""
        if self.is_homogeneous or self.closed_form is not None:
            return 1 if self.is_homogeneous else None
        c = np.asarray(self.coefficients)
        power = int(np.flatnonzero(np.abs(c) > max(_VANISHING * np.abs(c).max(), 2 * self.error))[-1])
        # z^p = p! Σ_j h_{p-2j}/(2^j j! √((p-2j)!)), from the recurrence that z h_j = √(j+1) h_{j+1} + √j h_{j-1} is
        monomial = np.eye(1, power + 1)[0]
        for _ in range(power):
            up, down = np.sqrt(np.arange(1.0, power + 1)), np.sqrt(np.arange(1.0, power + 1))
            monomial = np.append(0.0, up * monomial[:-1]) + np.append(down * monomial[1:], 0.0)
        off = np.abs(c[: power + 1] / c[power] - monomial / monomial[power]).max()
        return power if off < max(_MONOMIAL, 4 * self.error / abs(c[power])) else None

    @property
    def either_sign(self) -> bool:
        """Whether small overlaps of either sign grow: k is even. For odd k only positive ones do."""
        return self.information_exponent % 2 == 0

    def __call__(self, z: ArrayLike) -> Array:
        """σ(z)."""
        if self.closed_form is not None:
            return self.closed_form.value(jnp.asarray(z))
        return hermite_series(self.coefficients, z) if self.function is None else self.function(jnp.asarray(z))

    def derivative(self, z: ArrayLike) -> Array:
        """σ'(z); at a kink, the mean of both sides."""
        if self.closed_form is not None:
            return self.closed_form.derivative(jnp.asarray(z))
        if self.function is not None:
            return self.function.derivative(jnp.asarray(z))
        return hermite_series(series_derivative(self.coefficients), z)

    def dual(self, q: ArrayLike) -> Array:
        """The dual activation g(q) = Σ_j c_j² q^j = E σ(<u,x>) σ(<v,x>) of unit u, v with <u,v> = q; of q's shape."""
        if self.closed_form is not None:
            return self.closed_form.dual(jnp.asarray(q))
        xp = namespace_of(self.coefficients, q)
        c, q = xp.asarray(self.coefficients), xp.asarray(q)
        value = xp.polyval(c[::-1] ** 2, q) if self.degree is None else c[self.degree] ** 2 * q**self.degree
        return value if xp is jnp else jax.device_put(value)

    def dual_derivative(self, q: ArrayLike) -> Array:
        """g'(q) = Σ_j j c_j² q^(j-1)."""
        if self.closed_form is not None:
            return self.closed_form.dual_derivative(jnp.asarray(q))
        xp, k = namespace_of(self.coefficients, q), self.degree
        c, q = xp.asarray(self.coefficients), xp.asarray(q)
        value = xp.polyval(xp.polyder(c[::-1] ** 2), q) if k is None else k * c[k] ** 2 * q ** (k - 1)
        return value if xp is jnp else jax.device_put(value)

    def dual_pair(self, q: ArrayLike) -> tuple[Array, Array]:
        """g(q) and g'(q), with one power for both where the link is pure."""
        q = jnp.asarray(q)
        slope = self.dual_derivative(q)
        return (q * slope / self.degree if self.degree is not None else self.dual(q)), slope

    def __repr__(self) -> str:
        lacks = f", misses {self.missing:.2g} of E σ²" if self.missing > _NOTICEABLE else ""
        return f"Link({self.label}, information exponent {self.information_exponent}{lacks})"


def _quadrature(function: Callable, degree: int, nodes: int) -> np.ndarray:
    z, onto = projection(degree, nodes)
    values = np.asarray(function(z), dtype=float)
    require(values.shape == z.shape, "function", "map an array to one of the same shape", values.shape)
    require_finite(values, "function")
    return onto @ values


def information_exponents(links: Sequence[Link], student: Link) -> tuple[int, ...]:
    """The information exponent of each direction, k_m = min{j ≥ 1 : c_j c_j^{(m)} ≠ 0}; 0 where there is none."""
    shared = np.asarray(coefficient_rows([student])) * np.asarray(coefficient_rows(links, student.coefficients.size))
    present = np.abs(shared[:, 1:]) > _VANISHING * np.abs(shared).max()
    return tuple(int(np.argmax(row)) + 1 if row.any() else 0 for row in present)


def coefficient_rows(links: Sequence[Link], size: int = 0) -> Float[Array, "M J"]:
    """The coefficients of links as rows of one length, the longest, or cut and padded to `size`."""
    length = size or max(link.coefficients.size for link in links)
    rows = [link.coefficients[:length] for link in links]
    return jnp.stack([jnp.pad(row, (0, length - row.size)) for row in rows])


def gram_of_links(links: Sequence[Link], overlaps: Float[Array, "M M"]) -> Float[Array, "M M"]:
    """The matrix Γ_mn = Σ_j c_j^{(m)} c_j^{(n)} C_mn^j of E σ_m σ_n, of directions with overlaps C."""
    rows = coefficient_rows(links)
    return jnp.einsum("mj,nj,jmn->mn", rows, rows, overlaps ** jnp.arange(rows.shape[1])[:, None, None])


def require_links(links: Sequence[Link], width: int, student: Link) -> tuple[Link, ...]:
    """The links of the directions, each a finite Hermite series that shares a degree ≥ 1 with the student's.

    Raises:
        ArgumentError: another number of links than directions, closed forms, or a link the student sees nothing of.
    """
    links = tuple(links)
    require(len(links) == width, "links", f"have {width} entries, one a direction", len(links))
    for link in (student, *links):
        require(isinstance(link, Link), "links", "hold riccati.Link objects", type(link).__name__)
        series = "be finite Hermite series, as is the student's (Link.from_coefficients(link.coefficients) cuts one)"
        require(link.closed_form is None, "links", series, repr(link))
    for m, k in enumerate(information_exponents(links, student)):
        require(k > 0, "links", "share a Hermite degree ≥ 1 with the student's link", f"{links[m]!r} at entry {m}")
    return links
