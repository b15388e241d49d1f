"""The loss column of a run: the risk E(f* - f)²/E f*² that it tells, with or without the noise of labels on top.

A loss on labels y = f* + √(Δ E f*²) ξ is E(y - f)² = E(f* - f)² + Δ E f*²: the risk and, at every step, Δ. The key
`loss_has_noise` says whether the column is of that kind. Where it does not, the column is read as the nearer of the
two: it has no noise if it falls below Δ, or begins nearer to the start's risk than to that plus Δ.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ..problem import Start, Teacher, population_risk
from .config import RunConfig
from .conventions import kind_of
from .values import HALF, RISK, STIEFEL

_BELOW = 0.9  # times Δ: a late loss below that has no noise in it
_LATE, _EARLY = 0.5, 0.05  # parts of a run's rows


def risk_factor(config: RunConfig) -> int | None:
    """Return E(f* - f)² over the loss, or None where the loss is the risk itself."""
    convention = config.get("loss", HALF)
    if kind_of(config) == STIEFEL or convention == RISK:
        return None
    return 2 if convention == HALF else 1


def risk_of_loss(
    config: RunConfig, loss: Float[np.ndarray, " T"], teacher: Teacher, start: Start | None
) -> Float[np.ndarray, " T"]:
    """Return the risk that a loss column tells; NaN where the noise of labels leaves nothing above 0.

    Args:
        config: the keys.
        loss: as logged.
        teacher: the teacher.
        start: the start, None where the run logged none.
    """
    factor = risk_factor(config)
    if factor is None:
        return loss
    above = factor * loss / float(teacher.second_moment)
    if not has_noise(config, above, teacher, start):
        return above
    risk = above - float(teacher.noise or 0.0)
    return np.where(risk > 0, risk, np.nan)


def has_noise(config: RunConfig, above: Float[np.ndarray, " T"], teacher: Teacher, start: Start | None) -> bool:
    """Return whether the noise of labels is in the loss, by the key or by the column itself, in units of E f*²."""
    noise = float(teacher.noise or 0.0)
    if noise == 0 or risk_factor(config) is None:
        return False
    if config.loss_has_noise is not None:
        return config.loss_has_noise
    known = above[np.isfinite(above)]
    late = known[-max(int(_LATE * len(known)), 1) :]
    if not len(known) or float(np.mean(late)) < _BELOW * noise:
        return False
    first = float(np.mean(known[: max(int(_EARLY * len(known)), 1)]))
    begun = 1.0 if start is None else float(population_risk(teacher, start.directions, start.amplitudes))
    return first > begun + noise / 2


def line_on_noise(
    config: RunConfig, loss: Float[np.ndarray, " T"] | None, teacher: Teacher, start: Start | None
) -> str:
    """Return a line on which of the two a loss column was taken for; empty without noise of labels or a loss."""
    noise, factor = float(teacher.noise or 0.0), risk_factor(config)
    if loss is None or noise == 0 or kind_of(config) == STIEFEL:
        return ""
    if factor is None:
        return f"the loss column is the risk, which has no noise of labels (Δ = {noise:.4g}) in it"
    above = factor * loss / float(teacher.second_moment)
    said = "as loss_has_noise says" if config.loss_has_noise is not None else "by its own rows; loss_has_noise says it"
    if not has_noise(config, above, teacher, start):
        return f"the loss column is taken as without the noise of labels, Δ = {noise:.4g} ({said})"
    lost = int(np.count_nonzero(above <= noise))
    rows = f"; {lost} of its rows lie below it and are not compared" if lost else ""
    return f"the loss column has the noise of labels in it: Δ = {noise:.4g} is taken off ({said}){rows}"
