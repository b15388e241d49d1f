"""What a run shows of itself, which no explanation may contradict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..runs import Run

_STILL = 1e-6  # relative: what has changed by less has not changed
_EXPLODED = 1e3  # times the risk at the first row, or 1: an end beyond it is no plateau


@dataclass(frozen=True)
class Evidence:
    """What a run shows of itself.

    Attributes:
        exact: whether its risk is the population risk, computed with the link and the second layer that it names.
        norms_fixed: whether no neuron's norm has changed by the end, where the run logged its last norms.
        second_layer_fixed: whether b of a two-layer student has not changed, where the run logged its last b.
        diverged: whether it diverged.
    """

    exact: bool
    norms_fixed: bool
    second_layer_fixed: bool
    diverged: bool


def evidence_of(run: Run) -> Evidence:
    """What a run shows of itself; a `Recorder` and `simulate` log the last norms, and b, beside their exact risk."""
    start, config = run.start, run.config
    norms = None if start is None else np.asarray(start.norms)
    second_layer = None if start is None or start.second_layer is None else np.asarray(start.second_layer)
    return Evidence(
        exact=config.get("loss") == "risk" and ("engine" in config or "recorded_by" in config),
        norms_fixed=_unchanged(config.get("final_norms"), norms),
        second_layer_fixed=_unchanged(config.get("final_second_layer"), second_layer),
        diverged="diverged_at_step" in config or _explodes(run),
    )


def _unchanged(last: list[float] | None, first: np.ndarray | None) -> bool:
    if last is None or first is None:
        return False
    return bool(np.allclose(last, np.broadcast_to(first, np.shape(last)), rtol=_STILL, atol=0))


def _explodes(run: Run) -> bool:
    """Whether the risk ends far above where it began."""
    if run.risk is None:
        return False
    last, first = float(run.risk[-1]), float(run.risk[0])
    return last > _EXPLODED * max(first, 1.0)
