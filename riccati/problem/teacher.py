"""The teacher f*(x) = Σ_m a_m σ(<x, θ_m>) with unit directions θ_m: the target, and the law of its input.

Directions are orthonormal unless their Gram matrix C is given, a link serves every direction unless each has its own,
and x ~ N(0, I) unless a covariance is given; a_m may be of either sign. E f*² = Σ_mn a_m a_n Γ_mn, Γ_mn = g_mn(C_mn).
Derived in derivations/teachers.py.

No equation of the package assumes a norm of a: everything is in the units in which a is given. With c·a in the place of
a, a student of norms √c r runs through the same curves at the times t/c, and SGD at the learning rate η/c
(derivations/clocks.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from ..numerics import LEAF, compiled_quickly
from ..support import all_numbers, is_traced, require, require_finite, require_integer, require_real, warn_renamed
from .covariance import Covariance
from .directions import GRAM_TOLERANCE, frame_of, is_orthonormal, power_of_lengths, root_of_gram, unit_rows
from .hermite import dual_pairs, hermite_series
from .link import Link, coefficient_rows, gram_of_links, information_exponents, require_links

_NOTHING = 1e-14  # E f*² this small beside its diagonal is a function that cancels itself


class Teacher(eqx.Module):
    """The two-layer teacher f*(x) = Σ_m a_m σ(<x, θ_m>) on Gaussian input x, which the student learns.

    The risk of every student is relative to E f*² (`second_moment`), so that it is 1 for f = 0 whatever the norm of a.
    Derived in derivations/teachers.py and derivations/risk.py.

    Args:
        a: second layer (M,), of either sign, no entry 0; kept as it is given.
        link: the link function σ of the student, and of the teacher unless `links` are given.
        gram: C (M, M), the overlaps <θ_m, θ_n> of unit directions; None for orthonormal ones.
        links: a link for each direction, Hermite series each; None where all have the student's.
        covariance: the input's; direction m lies along its m-th eigenvector. `from_directions` takes others.
        noise: Δ, the variance of the noise of the labels, y = f*(x) + √(Δ E f*²) ξ with ξ ~ N(0, 1), in units of E f*².
            SGD sees it; the population risk E(f* - f)²/E f*² does not have it. None, as 0, for labels without noise.

    Attributes:
        frame: coordinates of the directions in the first K of reduced coordinates, (M, K); None where they are the
            coordinate axes. K = M, or d under a covariance.
        lengths: |θ_m| of the rows that `from_directions` was given, (M,), which `a` holds already; None where they
            were 1, or do not count.

    Raises:
        ArgumentError: if `a` is not a vector of finite numbers other than 0, C is no Gram matrix of unit directions,
            something else is given for a link, a direction's link shares no degree with the student's, a dimension is
            too small, or f* = 0.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=8, beta=1.0, link=rc.Link.hermite(2))
        >>> teacher
        Teacher(8 directions, Link(he2, information exponent 2))
        >>> signed = rc.Teacher([1.0, -0.5], rc.Link.hermite(4))
        >>> float(signed.second_moment)
        1.25
    """

    a: Float[Array, " M"]
    link: Link
    frame: Float[Array, "M K"] | None
    lengths: Float[Array, " M"] | None
    links: tuple[Link, ...] | None
    covariance: Covariance | None
    noise: Float[Array, ""] | None

    def __init__(
        self,
        a: ArrayLike,
        link: Link,
        *,
        gram: ArrayLike | None = None,
        links: Sequence[Link] | None = None,
        covariance: Covariance | None = None,
        noise: float | None = None,
    ):
        a = a if is_traced(a) else all_numbers(a, "a")
        require(np.ndim(a) == 1 and np.size(a) > 0, "a", "be a vector a_1 … a_M", f"of shape {np.shape(a)}")
        require_finite(a, "a")
        if not is_traced(a):
            require(bool((np.asarray(a) != 0).all()), "a", "have no entry that is 0", "0 in one")
        require(isinstance(link, Link), "link", "be a riccati.Link", type(link).__name__)
        self.a = jnp.asarray(a, float)
        self.link, self.covariance, self.frame, self.lengths = link, covariance, None, None
        self.links = None if links is None else require_links(links, self.width, link)
        if noise is not None:
            require_real(noise, "noise", least=0)
        self.noise = None if noise is None or float(noise) == 0 else jnp.asarray(float(noise))
        if covariance is not None:
            known = isinstance(covariance, Covariance)
            require(known, "covariance", "be a riccati.Covariance", type(covariance).__name__)
            must = f"have {self.width} eigenvalues or more, one a direction"
            require(covariance.dim >= self.width, "covariance", must, covariance.dim)
            must = "be left out under a covariance (Teacher.from_directions takes directions)"
            require(gram is None, "gram", must, "given")
        if gram is not None:
            root = root_of_gram(gram, self.width, "gram")
            self.frame = None if is_orthonormal(root @ root.T) else jnp.asarray(root)
        self._require_something()

    def _require_something(self) -> None:
        if (self.frame is None and self.links is None) or is_traced(self.a):
            return
        whole, each = (float(moment) for moment in _second_moments(self))
        require(whole > _NOTHING * each, "a", "not cancel over the directions", "a second layer with E f*² = 0")

    @classmethod
    def power_law(
        cls,
        width: int,
        beta: float,
        link: Link,
        *,
        links: Sequence[Link] | None = None,
        covariance: Covariance | None = None,
        noise: float | None = None,
    ) -> Teacher:
        """The teacher with a_m = m^-β/(Σ_n n^-2β)^½, m = 1 … `width`, so that Σ a_m² = 1.

        `links`, `covariance` and `noise` are those of a Teacher.

        Raises:
            ArgumentError: if `width` < 1, or `beta` is negative or not finite.
        """
        require_integer(width, "width", 1)
        if is_traced(beta):
            a = jnp.arange(1.0, width + 1) ** -beta
            return cls(a / jnp.linalg.norm(a), link, links=links, covariance=covariance, noise=noise)
        require_real(beta, "beta", least=0)
        decay = np.arange(1.0, width + 1) ** -float(beta)  # on the host, where a first call compiles nothing
        return cls(decay / np.linalg.norm(decay), link, links=links, covariance=covariance, noise=noise)

    @classmethod
    def from_directions(
        cls,
        Theta: Any,
        a: ArrayLike,
        link: Link,
        *,
        links: Sequence[Link] | None = None,
        covariance: Covariance | None = None,
        noise: float | None = None,
        lengths: Literal["kept", "divided"] | None = None,
    ) -> Teacher:
        """The teacher with given directions Θ (M, d), of any length and overlaps, such as independent Gaussian rows.

        Args:
            Theta: the rows θ_m, as the training loop has them; under a covariance in its eigenbasis.
            a, link, links, covariance, noise: as for a Teacher.
            lengths: how rows whose length is not 1 are read. "kept": they count, f* = Σ a_m |θ_m|^p σ(<x, θ_m>/|θ_m|),
                which is Σ a_m σ(<x, θ_m>) for σ(λz) = λ^p σ(z) (relu, abs, he1, z², …), and has p = 2 for any other
                link, as a neuron of the student with the weights θ_m. "divided": only directions count,
                f* = Σ a_m σ(<x, θ_m>/|θ_m|). None keeps them where σ(λz) = λ^p σ(z) and for h_2, whose teacher is
                then Σ a_m (<x, θ_m>² - |θ_m|²)/√2; under a covariance it divides by |θ_m|_Σ; in all other cases rows
            whose length is not 1 are refused.

        Raises:
            ArgumentError: as the constructor; a zero row, another number of rows than entries of `a`, or rows of
                another length than 1 with a link for which it has to be said what they mean.
        """
        a = a if is_traced(a) else all_numbers(a, "a")
        directions, sizes = unit_rows(Theta, "Theta", covariance)
        require(
            len(directions) == np.size(a), "Theta", f"have {np.size(a)} rows, one for each entry of a", len(directions)
        )
        power = power_of_lengths(link, links, covariance, lengths, sizes)
        counted = power is not None and bool(np.abs(sizes - 1).max() > GRAM_TOLERANCE)
        amplitudes = a * sizes**power if counted else a
        plain = cls(amplitudes, link, links=links, covariance=covariance, noise=noise)
        fields = (frame_of(directions, covariance), jnp.asarray(sizes) if counted else None)
        teacher = eqx.tree_at(lambda t: (t.frame, t.lengths), plain, fields, is_leaf=lambda leaf: leaf is None)
        teacher._require_something()
        return teacher

    @property
    def width(self) -> int:
        """M, the number of directions."""
        return self.a.shape[0]

    @property
    def norm(self) -> Float[Array, ""]:
        """‖a‖ = (Σ a_m²)^½, the unit of rates: times are of order 1/‖a‖, the student's squared norms of order ‖a‖."""
        return jnp.linalg.norm(self.a) if is_traced(self.a) else jax.device_put(np.linalg.norm(np.asarray(self.a)))

    @property
    def normalised_a(self) -> Float[Array, " M"]:
        """a/‖a‖."""
        return self.a / self.norm

    @property
    def frame_dim(self) -> int:
        """K, the number of reduced coordinates that hold the directions: M, or d for other directions under Σ."""
        return self.width if self.frame is None else self.frame.shape[1]

    @property
    def gram(self) -> Float[Array, "M M"]:
        """C_mn = <θ_m, θ_n>, of whitened directions under a covariance."""
        return jnp.eye(self.width) if self.frame is None else self.frame @ self.frame.T

    @property
    def information_exponents(self) -> tuple[int, ...]:
        """k_m, the information exponent of each direction."""
        if self.links is None:
            return (self.link.information_exponent,) * self.width
        return information_exponents(self.links, self.link)

    @property
    def search_rates(self) -> Float[Array, " M"]:
        """a_m <θ_m, Σ θ_m>, (M,), the rates at which small overlaps grow: a_m for isotropic input."""
        if self.covariance is None:
            return self.a
        along = self.covariance.speeds(self.covariance.eigenvalues[: self.frame_dim])
        return self.a * (along if self.frame is None else self.frame**2 @ along)

    @property
    def second_moment(self) -> Float[Array, ""]:
        """E f*² = Σ_mn a_m a_n Γ_mn, Γ_mn = g_mn(C_mn): for one link and orthonormal θ, g(1) if m = n, else g(0)."""
        return _second_moments(self)[0]

    @property
    def relative_noise(self) -> Float[Array, ""] | float:
        """Δ, the variance of the labels' noise over E f*²; 0 without."""
        return 0.0 if self.noise is None else self.noise

    @property
    def label_variance(self) -> Float[Array, ""] | float:
        """Δ E f*², the variance of the labels' noise; 0 without."""
        return 0.0 if self.noise is None else self.noise * self.second_moment

    @property
    def axes(self) -> int:
        """The old name of `frame_dim`."""
        warn_renamed("Teacher.axes", "Teacher.frame_dim")
        return self.frame_dim

    @property
    def speed(self) -> Float[Array, " M"]:
        """The old name of `search_rates`."""
        warn_renamed("Teacher.speed", "Teacher.search_rates")
        return self.search_rates

    def gram_of_links(self) -> Float[Array, "M M"]:
        """Γ_mn = E σ_m(<x,θ_m>) σ_n(<x,θ_n>) = g_mn(C_mn)."""
        C = jnp.where(jnp.eye(self.width, dtype=bool), 1.0, self.gram)
        return self.link.dual(C) if self.links is None else gram_of_links(self.links, C)

    def overlaps(self, U: Float[Array, "N D"]) -> Float[Array, "N M"]:
        """m_im = <u_i, θ_m> of directions in reduced coordinates."""
        along = U[:, : self.frame_dim]
        return along if self.frame is None else along @ self.frame.T

    def output(self, along: Float[Array, "B M"]) -> Float[Array, " B"]:
        """f* of samples with the projections <x, θ_m>."""
        if self.links is None:
            return self.link(along) @ self.a
        return hermite_series(coefficient_rows(self.links).T[:, None, :], along) @ self.a

    def combined(self, weights: Float[Array, "N M"]) -> Float[Array, "N K"]:
        """Σ_m weights_im θ_m, in the first K of reduced coordinates."""
        return weights if self.frame is None else weights @ self.frame

    def dual_pair(self, m: Float[Array, "N M"]) -> tuple[Float[Array, "N M"], Float[Array, "N M"]]:
        """g_m(m_im) and g_m'(m_im) of overlaps with the directions."""
        if self.links is None:
            return self.link.dual_pair(m)
        return dual_pairs(self.link.coefficients * coefficient_rows(self.links, self.link.coefficients.size), m)

    def dual(self, m: Float[Array, "N M"]) -> Float[Array, "N M"]:
        """g_m(m_im) of overlaps with the directions."""
        return self.link.dual(m) if self.links is None else self.dual_pair(m)[0]

    def __repr__(self) -> str:
        links = "" if self.links is None else ", a link for each direction"
        gram = "" if self.frame is None else ", correlated"
        covariance = "" if self.covariance is None else f", {self.covariance!r}"
        noise = "" if self.noise is None or is_traced(self.noise) else f", label noise {float(self.noise):.3g}"
        return f"Teacher({self.width} directions{gram}, {self.link!r}{links}{covariance}{noise})"


@compiled_quickly(like=lambda teacher: (LEAF, LEAF))
def _second_moments(teacher: Teacher) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """E f*², and Σ_m a_m² Γ_mm, what it would be if no two directions overlapped and c_0 = 0."""
    squares = teacher.a**2
    if teacher.frame is not None or teacher.links is not None:
        Gamma = teacher.gram_of_links()
        return teacher.a @ Gamma @ teacher.a, squares @ jnp.diag(Gamma)
    diagonal, off = teacher.link.dual(1.0), teacher.link.dual(0.0)
    each = diagonal * jnp.sum(squares)
    return each + off * (jnp.sum(teacher.a) ** 2 - jnp.sum(squares)), each
