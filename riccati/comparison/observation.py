"""The run as it is compared with theory: the rows that are used, and properties of the run itself.

An `Observation` is made once for each run, and once more for each change of its keys that might explain it. Its
`Readings` are the numbers that are compared with draws of SGD.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from ..numerics import first_crossings
from ..problem import AnyStart, Start
from ..runs import Run, line_on_noise, noise_in_loss, relative_loss

_MOST_ROWS = 200  # of a run that are compared with draws, evenly in log t
_EXPLODED = 1e3  # times the risk at the first row, or 1: an end beyond it is no plateau


@dataclass(frozen=True, eq=False)
class Readings:
    """The numbers of a run that are compared with draws.

    Attributes:
        times: (T,), canonical.
        risk: (T,), or None; with Δ on top where the loss has the noise of labels in it, as the draws then have.
        emerged: (M,), emergence times, inf where not by the run's end; None where they are not comparable.
        noise: relative error of the logged risk.
        exact: whether the risk is known to be the population risk, without an error.
        clock_error: relative error of the times, of a run on a clock that was fitted.
    """

    times: Float[np.ndarray, " T"]
    risk: Float[np.ndarray, " T"] | None
    emerged: Float[np.ndarray, " M"] | None
    noise: float = 0.0
    exact: bool = False
    clock_error: float = 0.0


@dataclass(frozen=True, eq=False)
class Observation:
    """A run, read once for its comparison with theory.

    Attributes:
        run: the run.
    """

    run: Run

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the run itself, a line each."""
        run = self.run
        line = line_on_noise(run.config, run.loss, run.teacher, run.start)
        return (*run.notes, line) if line else run.notes

    @property
    def assumed(self) -> tuple[str, ...]:
        """What the run does not say and is assumed, a line each."""
        return self.run.assumed

    @property
    def on_stiefel(self) -> bool:
        """Whether the weights stay orthonormal."""
        return self.run.kind == "stiefel_quadratic"

    @property
    def has_start(self) -> bool:
        """Whether the run logged its own start; else theory takes another one."""
        return self.run.start is not None

    @property
    def student_scale(self) -> float | None:
        """c of Stiefel SGD, None otherwise or where it is ‖a‖/√N."""
        return self.run.student_scale if self.on_stiefel else None

    def unknown_step(self, start: AnyStart) -> str:
        """Why γ = ηd/B of the run is not known, for theory from this start; empty where it is."""
        missing = [key for key in ("batch_size", "dim") if key not in self.run.config]
        if missing:
            return f"the run does not give {', '.join(missing)}"
        if isinstance(start, Start) and start.dim is None:
            return "the trajectory's start does not know its dimension"
        return ""

    @cached_property
    def rows(self) -> Int[np.ndarray, " T"]:
        """Indices of the rows after step 0 that are compared with draws."""
        steps = self.run.steps
        later = np.flatnonzero(steps > 0)
        if len(later) <= _MOST_ROWS:
            return later
        wanted = np.geomspace(steps[later[0]], steps[later[-1]], _MOST_ROWS)
        return np.unique(np.searchsorted(steps, wanted).clip(later[0], later[-1]))

    def readings(self, overlaps: Float[np.ndarray, "T M"] | None) -> Readings:
        """The run at `rows`; emergence times are those of `overlaps`, which has a row for each row of the run."""
        run, rows, emerged = self.run, self.rows, None
        if overlaps is not None:
            # on the rows of the draws where they have overlaps: noise crosses a level the earlier, the closer one looks
            read = rows if np.isfinite(overlaps[rows]).all() else np.arange(len(run.times))
            emerged = first_crossings(run.times[read], overlaps[read], 0.5)
        risk = None if run.loss is None else relative_loss(run.config, run.loss, run.teacher)[rows]
        return Readings(run.times[rows], risk, emerged, exact=self.exact)

    @cached_property
    def on_top(self) -> float:
        """The Δ that the run's loss has on top of the risk, by the noise of labels; 0 without."""
        run = self.run
        return noise_in_loss(run.config, run.loss, run.teacher, run.start)

    @property
    def exact(self) -> bool:
        """Whether the risk is the population risk, by the link and second layer that the run names.

        `Recorder` and `simulate` log it.
        """
        config = self.run.config
        return config.get("loss") == "risk" and any(key in config for key in ("coordinates", "engine", "recorder"))

    @property
    def diverged(self) -> bool:
        """Whether the run diverged, as it says or as its risk shows, which ends far above where it began."""
        if "diverged_at_step" in self.run.config or self.run.risk is None:
            return "diverged_at_step" in self.run.config
        first, last = float(self.run.risk[0]), float(self.run.risk[-1])
        return last > _EXPLODED * max(first, 1.0)
