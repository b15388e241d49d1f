"""The known scaling exponents, each with its formula and its source.

With a_m ∝ m^{-β} and, along the teacher, λ_m ∝ m^{-α} of the input's covariance, directions emerge at m^θ,
θ = β + αk/2 (α = 0 on isotropic input): the two-parameter law, derivations/anisotropic.py. C = N t.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..support import require, require_real, warn_renamed


@dataclass(frozen=True)
class Rate:
    """One exponent.

    Attributes:
        name: the quantity and the variable it scales with.
        value: the exponent.
        formula: the exponent as a function of β, α and k.
        source: where it is proved.
    """

    name: str
    value: float
    formula: str
    source: str

    def __repr__(self) -> str:
        return f"{self.name:<46} {self.value:>9.4f} = {self.formula:<12} {self.source}"


_RNWL25, _BEVW25 = "RNWL25 (arXiv 2504.19983)", "BEVW25 (arXiv 2508.03688)"


def rates(
    beta: float, information_exponent: int, covariance_exponent: float = 0.0, *, gamma: float | None = None
) -> tuple[Rate, ...]:
    """Return the exponents of risk in time, width, compute and samples, each with its formula and source.

    They hold for a_m ∝ m^{-β}, β > ½, and a covariance λ_m ∝ m^{-α} along the teacher; those of samples for α = 0 only.

    Args:
        beta: β.
        information_exponent: k ≥ 2.
        covariance_exponent: α ≥ 0; 0 is isotropic input.
        gamma: the old name of `covariance_exponent`.

    Raises:
        ArgumentError: β ≤ ½, where the risk is no power of time (`sharp_limit`), α < 0, or k < 2.

    Example:
        >>> import riccati as rc
        >>> {rate.name: round(rate.value, 3) for rate in rc.scaling.rates(1.0, 4)}["risk in compute"]
        -0.5
    """
    if gamma is not None:
        warn_renamed("rates(gamma=…)", "rates(covariance_exponent=…)")
        covariance_exponent = gamma
    require_real(beta, "beta")
    require(beta > 0.5, "beta", "be > 0.5 for power laws (else see sharp_limit)", beta)
    require_real(covariance_exponent, "covariance_exponent", least=0)
    require(information_exponent >= 2, "information_exponent", "be 2 or more", information_exponent)
    if covariance_exponent > 0:
        return _two_parameters(beta, beta + covariance_exponent * information_exponent / 2)
    paper = _BEVW25 if information_exponent == 2 else _RNWL25
    in_samples = (1 - 2 * beta) / (2 * beta)
    table = [
        Rate("emergence time of direction m", beta, "β", paper),
        Rate("risk in time, fixed step", (1 - 2 * beta) / beta, "(1-2β)/β", paper),
        Rate("risk in width", 1 - 2 * beta, "1-2β", paper),
        Rate("best width in compute", 1 / (1 + beta), "1/(1+β)", paper),
        Rate("risk in compute", (1 - 2 * beta) / (1 + beta), "(1-2β)/(1+β)", paper),
    ]
    if information_exponent > 2:
        table += [
            Rate("samples to learn the top m, in m", 2 * beta, "2β", f"{_RNWL25}; n ~ m^2β d^(k-1)"),
            Rate("samples to learn the top m, in d", information_exponent - 1.0, "k-1", _RNWL25),
            Rate("risk in samples, SGD at the best constant step", in_samples, "(1-2β)/(2β)", _RNWL25),
        ]
    else:
        table += [Rate("samples in d, up to powers of log d", 1.0, "1", f"{_BEVW25}; n ~ d polylog d")]
    return (
        *table,
        Rate("risk in samples, minimax over weak l_p balls", in_samples, "(1-2β)/(2β)", _RNWL25),
        Rate("risk in samples, empirical risk minimiser", in_samples, "(1-2β)/(2β)", "arXiv 2509.24882"),
        Rate("risk in samples, Bayes-optimal estimator", in_samples, "(1-2β)/(2β)", "arXiv 2605.10395"),
    )


def _two_parameters(beta: float, theta: float) -> tuple[Rate, ...]:
    """The exponents where directions emerge at m^θ with weights m^{-2β}; no source gives those of samples."""
    source = "derivations/anisotropic.py"
    return (
        Rate("emergence time of direction m", theta, "θ = β+αk/2", source),
        Rate("risk in time, fixed step", (1 - 2 * beta) / theta, "(1-2β)/θ", source),
        Rate("risk in width", 1 - 2 * beta, "1-2β", source),
        Rate("best width in compute", 1 / (1 + theta), "1/(1+θ)", source),
        Rate("risk in compute", (1 - 2 * beta) / (1 + theta), "(1-2β)/(1+θ)", source),
    )
