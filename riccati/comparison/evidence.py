"""What a run shows of itself, which no explanation may contradict."""

from __future__ import annotations

from dataclasses import dataclass

from ..runs import Run

_EXPLODED = 1e3  # times the risk at the first row, or 1: an end beyond it is no plateau


@dataclass(frozen=True)
class Evidence:
    """What a run shows of itself.

    Attributes:
        exact: whether its risk is the population risk, computed with the link and the second layer that it names.
        norms_fixed: whether no neuron's norm changes.
        diverged: whether it diverged.
    """

    exact: bool
    norms_fixed: bool
    diverged: bool


def evidence_of(run: Run) -> Evidence:
    """What a run shows of itself; `Recorder` and `simulate` log an exact risk, and `Recorder` what never changes."""
    config = run.config
    return Evidence(
        exact=config.get("loss") == "risk" and any(key in config for key in ("coordinates", "engine", "recorder")),
        norms_fixed=config.get("constraint") == "sphere",
        diverged="diverged_at_step" in config or _explodes(run),
    )


def _explodes(run: Run) -> bool:
    """Whether the risk ends far above where it began."""
    if run.risk is None:
        return False
    last, first = float(run.risk[-1]), float(run.risk[0])
    return last > _EXPLODED * max(first, 1.0)
