"""Runs of one experiment that differ in their seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ..numerics import first_crossings
from ..runs import Run
from ..support import require, require_integer


@dataclass(frozen=True, eq=False)
class Ensemble:
    """S runs at T logged steps with M directions.

    Attributes:
        steps: (T,).
        times: (S, T), canonical; those of different runs differ only where the learning rate follows the state.
        risk: (S, T), E(f* - f)²/E f*²; for Stiefel SGD 1 - tr(AGAG). NaN once a run has diverged.
        overlaps: (S, T, M), squared.
        diverged: (S,), the step at which a run diverged, -1 where it did not.
        seeds: (S,).
        final_overlaps: (S, N, M), the directions' overlaps at the end, signed.
        config: the experiment, as a run's JSON file has it.
        notes: what was done otherwise than asked, a line each.
    """

    steps: Int[np.ndarray, " T"]
    times: Float[np.ndarray, "S T"]
    risk: Float[np.ndarray, "S T"]
    overlaps: Float[np.ndarray, "S T M"]
    diverged: Int[np.ndarray, " S"]
    seeds: Int[np.ndarray, " S"]
    final_overlaps: Float[np.ndarray, "S N M"]
    config: dict[str, Any]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.seeds)

    def run(self, index: int) -> Run:
        """One of the runs; a diverged one ends with its last sound row, and its notes give the step."""
        require_integer(index, "index", 0)
        require(index < len(self), "index", f"be < {len(self)}", index)
        kept = np.isfinite(self.risk[index])
        steps, notes = self.steps[kept], self.notes
        config = {key: value for key, value in self.config.items() if key != "seeds"}
        final = self.final_overlaps[index]
        config |= {
            "seed": int(self.seeds[index]),
            "final_overlaps": (final.T if config["kind"] == "stiefel_quadratic" else final).tolist(),
        }
        if (step := int(self.diverged[index])) >= 0:
            config["diverged_at_step"] = step
            notes = (*notes, f"diverged at step {step}: the run ends with the row of step {steps[-1]}")
        clock = self.times[index, kept] if "schedule" in config else None
        source = f"riccati.sgd, seed {self.seeds[index]}"
        return Run(steps, self.risk[index, kept], self.overlaps[index, kept], config, notes, source, clock)

    def emergence_times(self, level: float = 0.5) -> Float[np.ndarray, "S M"]:
        """Canonical time at which each squared overlap first reaches `level`; inf where it does not."""
        pairs = zip(self.times, self.overlaps, strict=True)
        return np.stack([first_crossings(times, overlaps, level) for times, overlaps in pairs])

    def __repr__(self) -> str:
        rows = {
            "engine": self.config["engine"],
            "runs": f"{len(self)}, {int((self.diverged >= 0).sum())} of them diverged",
            "steps": f"{len(self.steps)} from {self.steps[0]} to {self.steps[-1]}",
            "risk": f"median {np.nanmedian(self.risk[:, 0]):.4g} to {np.nanmedian(self.risk[:, -1]):.4g}",
        }
        lines = [*rows.items(), *(("note", note) for note in self.notes)]
        return "Ensemble\n" + "\n".join(f"  {name:<8} {value}" for name, value in lines)
