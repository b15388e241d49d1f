"""The exponents of the field, each with its formula and its source, on the same axes.

With a_m ∝ m^{-β} and, along the teacher, λ_m ∝ m^{-γ} of the input's covariance, directions emerge at m^θ,
θ = β + γk/2 (γ = 0 on isotropic input): the two-parameter law, derivations/anisotropic.py. C = N t.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..support import require, require_real


@dataclass(frozen=True)
class Rate:
    """One exponent.

    Attributes:
        name: what scales with what.
        value: the exponent.
        formula: what it is in β, γ and k.
        source: where it is proved.
    """

    name: str
    value: float
    formula: str
    source: str

    def __repr__(self) -> str:
        return f"{self.name:<46} {self.value:>9.4f} = {self.formula:<12} {self.source}"


_RNWL25, _BEVW25 = "RNWL25 (arXiv 2504.19983)", "BEVW25 (arXiv 2508.03688)"


def rates(beta: float, information_exponent: int, gamma: float = 0.0) -> tuple[Rate, ...]:
    """Exponents of time, width and compute for a_m ∝ m^{-β}, β > ½, λ_m ∝ m^{-γ}; of samples where γ = 0.

    Raises:
        ArgumentError: β ≤ ½, where the risk is no power of time (`sharp_limit`), γ < 0, or k < 2.
    """
    require_real(beta, "beta")
    require(beta > 0.5, "beta", "be > 0.5 for power laws (else see sharp_limit)", beta)
    require_real(gamma, "gamma", least=0)
    require(information_exponent >= 2, "information_exponent", "be 2 or more", information_exponent)
    if gamma > 0:
        return _two_parameters(beta, beta + gamma * information_exponent / 2)
    paper = _BEVW25 if information_exponent == 2 else _RNWL25
    in_samples = (1 - 2 * beta) / (2 * beta)
    found = [
        Rate("emergence time of direction m", beta, "β", paper),
        Rate("risk in time, fixed step", (1 - 2 * beta) / beta, "(1-2β)/β", paper),
        Rate("risk in width", 1 - 2 * beta, "1-2β", paper),
        Rate("best width in compute", 1 / (1 + beta), "1/(1+β)", paper),
        Rate("risk in compute", (1 - 2 * beta) / (1 + beta), "(1-2β)/(1+β)", paper),
    ]
    if information_exponent > 2:
        found += [
            Rate("samples to learn the top m, in m", 2 * beta, "2β", f"{_RNWL25}; n ~ m^2β d^(k-1)"),
            Rate("samples to learn the top m, in d", information_exponent - 1.0, "k-1", _RNWL25),
            Rate("risk in samples, SGD at the best constant step", in_samples, "(1-2β)/(2β)", _RNWL25),
        ]
    else:
        found += [Rate("samples in d, up to powers of log d", 1.0, "1", f"{_BEVW25}; n ~ d polylog d")]
    return (
        *found,
        Rate("risk in samples, minimax over weak l_p balls", in_samples, "(1-2β)/(2β)", _RNWL25),
        Rate("risk in samples, empirical risk minimiser", in_samples, "(1-2β)/(2β)", "arXiv 2509.24882"),
        Rate("risk in samples, Bayes-optimal estimator", in_samples, "(1-2β)/(2β)", "arXiv 2605.10395"),
    )


def _two_parameters(beta: float, theta: float) -> tuple[Rate, ...]:
    """Emergence at m^θ with weights m^{-2β}; no source gives samples."""
    source = "derivations/anisotropic.py"
    return (
        Rate("emergence time of direction m", theta, "θ = β+γk/2", source),
        Rate("risk in time, fixed step", (1 - 2 * beta) / theta, "(1-2β)/θ", source),
        Rate("risk in width", 1 - 2 * beta, "1-2β", source),
        Rate("best width in compute", 1 / (1 + theta), "1/(1+θ)", source),
        Rate("risk in compute", (1 - 2 * beta) / (1 + theta), "(1-2β)/(1+θ)", source),
    )
