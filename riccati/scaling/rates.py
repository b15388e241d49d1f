"""The exponents of the field, each with its formula and its source, on the same axes."""

from __future__ import annotations

from dataclasses import dataclass

from ..support import require, require_real


@dataclass(frozen=True)
class Rate:
    """One exponent.

    Attributes:
        name: what scales with what.
        value: the exponent.
        formula: what it is in β.
        source: where it is proved.
    """

    name: str
    value: float
    formula: str
    source: str

    def __repr__(self) -> str:
        return f"{self.name:<46} {self.value:>9.4f} = {self.formula:<12} {self.source}"


_RNWL25, _BEVW25 = "RNWL25 (arXiv 2504.19983)", "BEVW25 (arXiv 2508.03688)"


def rates(beta: float, information_exponent: int) -> tuple[Rate, ...]:
    """Exponents of time, width, compute and samples for a_m ∝ m^{-β}, β > ½.

    Raises:
        ArgumentError: β ≤ ½, where the risk is no power of time (`sharp_limit`), or k < 2.
    """
    require_real(beta, "beta")
    require(beta > 0.5, "beta", "be > 0.5 for power laws (else see sharp_limit)", beta)
    require(information_exponent >= 2, "information_exponent", "be 2 or more", information_exponent)
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
