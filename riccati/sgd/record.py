"""What several runs of one experiment logged, before it is split into runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .loop import Chains, Measured


@dataclass(frozen=True)
class Record:
    """The table of S runs at T logged steps, filled column by column.

    Attributes:
        steps: (T,), the logged steps.
        times: (S, T), canonical.
        risk: (S, T), population risk; NaN, as in the other columns, once a run has diverged.
        overlaps: (S, T, M), squared.
        filled: (), how many of the columns are there.
    """

    steps: Int[np.ndarray, " T"]
    times: Float[np.ndarray, "S T"]
    risk: Float[np.ndarray, "S T"]
    overlaps: Float[np.ndarray, "S T M"]
    filled: Int[np.ndarray, ""]

    @classmethod
    def empty(cls, steps: Int[np.ndarray, " T"], runs: int, directions: int) -> Record:
        """A record with nothing filled in."""
        shape = (runs, len(steps))
        return cls(steps, np.full(shape, np.nan), np.full(shape, np.nan), np.full((*shape, directions), np.nan),
                   np.array(0))  # fmt: skip

    def add(self, chains: Chains, seen: Measured) -> None:
        """Fill the next column."""
        n, running = int(self.filled), np.asarray(chains.diverged) < 0
        self.times[running, n] = np.asarray(chains.time)[running]
        self.risk[running, n] = np.asarray(seen.risk)[running]
        self.overlaps[running, n] = np.clip(np.asarray(seen.overlaps)[running], 0.0, 1.0)
        self.filled[...] = n + 1


def logged_steps(steps: int, rows: int) -> Int[np.ndarray, " T"]:
    """0 and about `rows` steps up to `steps`, spaced evenly in their logarithm."""
    return np.unique(np.round(np.r_[0, np.geomspace(1, steps, rows)]).astype(np.int64))
