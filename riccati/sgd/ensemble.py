"""Runs of one experiment that differ in their seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..numerics import first_crossings
from ..runs import Run, RunConfig
from ..support import require, require_integer, require_open_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Quantiles(NamedTuple):
    """The values that a fraction of the runs does not exceed.

    Attributes:
        risk: (T,), at the logged steps; inf where more runs than the others have diverged.
        emergence_times: (M,), canonical; inf where too few runs have learned the direction.
    """

    risk: Float[np.ndarray, " T"]
    emergence_times: Float[np.ndarray, " M"]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """S runs of one experiment at T logged steps, with N neurons and M directions; `Experiment.ensemble` makes one.

    Attributes:
        steps: (T,).
        times: (S, T), canonical; those of different runs differ only where the learning rate follows the state.
        risk: (S, T), E(f* - f)²/E f*²; for Stiefel SGD 1 - tr(AGAG). NaN once a run has diverged.
        overlaps: (S, T, M), squared.
        diverged: (S,), the step at which a run diverged, -1 where it did not.
        seeds: (S,).
        final_overlaps: (S, N, M), the directions' overlaps at the end, signed.
        config: the experiment, as a run's JSON file has it.
        notes: what was done in another way than asked, a line each.
        final_gram: (S, N, N), the Gram matrix <w_i, w_l> of the weights at the end, whitened under a covariance; None
            where it is not known.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
        >>> start = rc.Start.random(teacher, student_width=3, dim=200, norm=0.3, seed=0)
        >>> sgd = rc.SGD(learning_rate=1e-3, batch_size=8)
        >>> experiment = rc.sgd.Experiment(teacher, start, sgd, steps=500, rows=10)
        >>> ensemble = experiment.ensemble(seeds=[0, 1, 2])
        >>> len(ensemble), ensemble.overlaps.shape, ensemble.emergence_times().shape
        (3, (3, 11, 2), (3, 2))
        >>> ensemble.quantile(0.5).risk.shape, ensemble.run(0).config["seed"]
        ((11,), 0)
    """

    steps: Int[np.ndarray, " T"]
    times: Float[np.ndarray, "S T"]
    risk: Float[np.ndarray, "S T"]
    overlaps: Float[np.ndarray, "S T M"]
    diverged: Int[np.ndarray, " S"]
    seeds: Int[np.ndarray, " S"]
    final_overlaps: Float[np.ndarray, "S N M"]
    config: Mapping[str, object]
    notes: tuple[str, ...] = ()
    final_gram: Float[np.ndarray, "S N N"] | None = None

    def __len__(self) -> int:
        return len(self.seeds)

    def run(self, index: int) -> Run:
        """Return one of the runs; a diverged one ends with its last sound row, and its notes give the step.

        Raises:
            ArgumentError: an index that is none of 0, …, S - 1.
        """
        require_integer(index, "index", 0)
        require(index < len(self), "index", f"be < {len(self)}", index)
        kept = np.isfinite(self.risk[index])
        steps, notes = self.steps[kept], self.notes
        config = {key: value for key, value in self.config.items() if key != "seeds"}
        final = self.final_overlaps[index]
        config |= {
            "seed": int(self.seeds[index]),
            "final_overlaps": (final.T if config.get("kind") == "stiefel_quadratic" else final).tolist(),
        }
        if self.final_gram is not None and config.get("kind") != "stiefel_quadratic":
            gram = self.final_gram[index]
            norms = np.sqrt(np.diag(gram))
            config |= {"final_norms": norms.tolist(), "final_student_gram": (gram / np.outer(norms, norms)).tolist()}
        if (step := int(self.diverged[index])) >= 0:
            config["diverged_at_step"] = step
            notes = (*notes, f"diverged at step {step}: the run ends with the row of step {steps[-1]}")
        clock = self.times[index, kept] if "schedule" in config else None
        source = f"riccati.sgd, seed {self.seeds[index]}"
        return Run(steps, self.risk[index, kept], self.overlaps[index, kept], RunConfig(config), notes, source, clock)

    def emergence_times(self, level: float = 0.5) -> Float[np.ndarray, "S M"]:
        """Return the canonical time at which each squared overlap first reaches `level`; inf where it does not."""
        pairs = zip(self.times, self.overlaps, strict=True)
        return np.stack([first_crossings(times, overlaps, level) for times, overlaps in pairs])

    def quantile(self, q: float, level: float = 0.5) -> Quantiles:
        """Return the quantile `q` of the risk at each logged step, and of each emergence time at `level`.

        It is the value of one of the runs, the smallest that a fraction `q` of them does not exceed; a run that has
        diverged counts as one of infinite risk.

        Raises:
            ArgumentError: if `q` is not in (0, 1).
        """
        require_open_unit(q, "q")
        risk = np.where(np.isnan(self.risk), np.inf, self.risk)
        both = (risk, self.emergence_times(level))
        return Quantiles(*(np.quantile(values, q, axis=0, method="inverted_cdf") for values in both))

    def plot(self, coverage: float = 0.8, level: float = 0.5, ax: Sequence[Axes] | None = None) -> Figure:
        """Draw bands of risk and emergence times that hold the fraction `coverage` of the runs, and their medians.

        They are drawn on two axes `ax`, or on a new figure, which is returned.

        Risk is drawn at the median of the runs' times, which differ only where the learning rate follows the state.

        Raises:
            ArgumentError: if `coverage` is not in (0, 1).
        """
        from ..plot import Band, band_page

        require_open_unit(coverage, "coverage")
        low, middle, high = (self.quantile(q, level) for q in ((1 - coverage) / 2, 0.5, (1 + coverage) / 2))
        label = f"{len(self)} runs, {coverage:.0%}"
        times = np.nanmedian(self.times, axis=0)
        risk = Band(label, times, low.risk, middle.risk, high.risk)
        directions = np.arange(1.0, self.overlaps.shape[2] + 1)
        late = Band(label, directions, low.emergence_times, middle.emergence_times, high.emergence_times)
        return band_page(risk, late, ax)

    def __repr__(self) -> str:
        rows = {
            "kind": self.config["kind"],
            "coordinates": self.config["coordinates"],
            "runs": f"{len(self)}, {int((self.diverged >= 0).sum())} of them diverged",
            "steps": f"{len(self.steps)} from {self.steps[0]} to {self.steps[-1]}",
            "risk": f"median {np.nanmedian(self.risk[:, 0]):.4g} to {np.nanmedian(self.risk[:, -1]):.4g}",
        }
        lines = [*rows.items(), *(("note", note) for note in self.notes)]
        return "Ensemble\n" + "\n".join(f"  {name:<11} {value}" for name, value in lines)
