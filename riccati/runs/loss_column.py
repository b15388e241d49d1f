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


def relative_loss(config: RunConfig, loss: Float[np.ndarray, " T"], teacher: Teacher) -> Float[np.ndarray, " T"]:
    """Return the loss as E(y - f)²/E f*², by its convention, with whatever noise of labels is in it."""
    factor = risk_factor(config)
    return loss if factor is None else factor * loss / float(teacher.second_moment)


def noise_in_loss(
    config: RunConfig, loss: Float[np.ndarray, " T"] | None, teacher: Teacher, start: Start | None
) -> float:
    """Return the Δ that the loss has on top of the risk; 0 where it has none, or was not logged."""
    if loss is None or not has_noise(config, relative_loss(config, loss, teacher), teacher, start):
        return 0.0
    return float(teacher.relative_noise)


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
    above, noise = relative_loss(config, loss, teacher), noise_in_loss(config, loss, teacher, start)
    if noise == 0:
        return above
    return np.where(above > noise, above - noise, np.nan)


def has_noise(config: RunConfig, above: Float[np.ndarray, " T"], teacher: Teacher, start: Start | None) -> bool:
    """Return whether the noise of labels is in the loss, by the key or by the column itself, in units of E f*²."""
    noise = float(teacher.relative_noise)
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
    noise = float(teacher.relative_noise)
    if loss is None or noise == 0 or kind_of(config) == STIEFEL:
        return ""
    if risk_factor(config) is None:
        return f"the loss column is the risk, which has no noise of labels (Δ = {noise:.4g}) in it"
    said = "as loss_has_noise says" if config.loss_has_noise is not None else "by its own rows; loss_has_noise says it"
    if noise_in_loss(config, loss, teacher, start) == 0:
        return f"the loss column is taken as without the noise of labels, Δ = {noise:.4g} ({said})"
    lost = int(np.count_nonzero(relative_loss(config, loss, teacher) <= noise))
    rows = f"; {lost} of its rows lie below it and are not shown" if lost else ""
    return (
        f"the loss column has the noise of labels in it ({said}): Δ = {noise:.4g} is taken off for the risk{rows}, and "
        "added to that of the draws"
    )
