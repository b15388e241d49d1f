"""A recorder for anyone's training loop: exact population risk and both overlaps, from the weights themselves."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from jaxtyping import Float

from ..problem import Start, Teacher, alignments, as_directions, as_weights, population_risk
from ..support import require, require_integer, require_real
from .config import HALF, SQUARE
from .problem_keys import start_keys, teacher_keys
from .run import Run


class Recorder:
    """Logs a student while it is trained: f(x) = Σ_i |w_i|² σ(<x, w_i>/|w_i|), or f(x) = Σ_i b_i σ(<x, w_i>).

    Call it with a step and the weights, at step 0 and as often as you like; the weights are numpy, jax or torch. With
    `log(step, W, b)` the student is the second one, with both layers trained at one rate; its link is ReLU or another
    positively homogeneous one. Under the teacher's covariance Σ, |w|² of the first one stands for wᵀΣw.

        log = rc.Recorder(teacher, Theta, learning_rate=0.01, batch_size=32, training_loss="(f*-f)^2")
        log(0, W)                   # and after every so many steps: log(step, W)
        rc.compare(log.run())

    The risk that it logs is the population risk E(f* - f)²/E f*², exact in the overlaps, not an estimate from samples.

    Args:
        teacher: the teacher; its Σ a_m² is 1.
        Theta: the teacher's directions, (M, d): orthonormal, or those that `Teacher.from_directions` was given. Under
            a covariance they and the weights are in its eigenbasis.
        learning_rate: step size of SGD.
        batch_size: samples of a step.
        training_loss: what SGD descends, "0.5*(f*-f)^2" or "(f*-f)^2" (a mean squared error without the half).

    Raises:
        ArgumentError: a loss that is neither, directions that are not the teacher's, numbers out of range.
    """

    def __init__(self, teacher: Teacher, Theta: Any, *, learning_rate: float, batch_size: int, training_loss: str):
        require(isinstance(teacher, Teacher), "teacher", "be a riccati.Teacher", type(teacher).__name__)
        require_real(learning_rate, "learning_rate", above=0)
        require_integer(batch_size, "batch_size", 1)
        losses = (HALF, SQUARE)
        require(training_loss in losses, "training_loss", f"be one of {', '.join(losses)}", repr(training_loss))
        directions = as_weights(Theta, "Theta")
        require(
            len(directions) == teacher.width, "Theta", f"have {teacher.width} rows, one a direction", len(directions)
        )
        if teacher.frame is None and teacher.covariance is None:
            as_directions(directions, directions.shape[1])
        self._teacher, self._directions = teacher, directions
        self._config = {
            "learning_rate": float(learning_rate),
            "batch_size": int(batch_size),
            "training_loss": training_loss,
        }
        self._steps: list[int] = []
        self._rows: list[tuple[float, np.ndarray, np.ndarray]] = []
        self._start: Start | None = None
        self._last: Start | None = None

    def __call__(self, step: int, W: Any, b: Any = None) -> None:
        """Log the weights W (N, d), and b (N,) of a two-layer student, after `step` steps; steps increase.

        Raises:
            ArgumentError: a step that is not beyond the last, weights of another shape than before, or directions
                that are not the teacher's.
        """
        require_integer(step, "step", 0)
        last = self._steps[-1] if self._steps else -1
        require(step > last, "step", f"be > {last}, the last one logged", step)
        weights = as_weights(W, "W")
        dim = self._directions.shape[1]
        require(weights.shape[1] == dim, "W", f"be of shape (N, {dim}), a row for each neuron", weights.shape)
        start = Start.from_weights(weights, self._directions, self._teacher.covariance)
        if b is not None:
            rows = b.reshape(1, -1) if hasattr(b, "reshape") else [b]
            start = start.with_second_layer(as_weights(rows, "b")[0])
        if self._start is None:
            start.check_against(self._teacher)
            self._start = start
        as_before = (b is None) == (self._start.second_layer is None)
        require(as_before, "b", "be given at every step or at none", "given" if b is not None else "left out")
        neurons = self._start.student_width
        require(len(weights) == neurons, "W", f"have {neurons} rows, as before", len(weights))
        risk = float(population_risk(self._teacher, start.directions, start.s))
        self._last = start
        self._steps.append(int(step))
        self._rows.append((risk, *alignments(self._teacher, start)))

    @property
    def steps(self) -> np.ndarray:
        """(T,), the steps logged so far."""
        return np.array(self._steps, np.int64)

    @property
    def risk(self) -> Float[np.ndarray, " T"]:
        """(T,), E(f* - f)²/E f*²."""
        return np.array([row[0] for row in self._rows])

    @property
    def subspace_overlaps(self) -> Float[np.ndarray, "T M"]:
        """diag G at each step, see `subspace_alignment`."""
        return np.array([row[1] for row in self._rows])

    @property
    def neuron_overlaps(self) -> Float[np.ndarray, "T M"]:
        """max_i cos² at each step, see `neuron_alignment`."""
        return np.array([row[2] for row in self._rows])

    def run(self) -> Run:
        """What was logged as a run, with the overlaps that the theory of its link is about.

        They are subspace overlaps for k = 2 and neuron overlaps otherwise; `run.config["overlap"]` says which.

        Raises:
            ArgumentError: if nothing was logged, or not from step 0 on.
        """
        require(len(self._steps) > 0, "recorder", "have been called", "empty")
        require(self._steps[0] == 0, "step", "be 0 at the first call, for the start", self._steps[0])
        assert self._start is not None
        assert self._last is not None
        start, by_subspace = self._start, self._teacher.link.degree == 2
        config = (
            self._config
            | teacher_keys(self._teacher)
            | {
                "loss": "risk",
                "overlap": "subspace" if by_subspace else "neuron",
                "dim": self._directions.shape[1],
                "student_width": start.student_width,
            }
            | start_keys(self._teacher, start)
            | _recorded(self._last)
        )
        overlaps = self.subspace_overlaps if by_subspace else self.neuron_overlaps
        return Run(self.steps, self.risk, overlaps, config, source="riccati.Recorder")

    def save(self, path: str | os.PathLike) -> None:
        """Write `run()` as a CSV with its JSON file beside it."""
        self.run().save(path)

    def __repr__(self) -> str:
        logged = f"steps {self._steps[0]} to {self._steps[-1]}" if self._steps else "nothing yet"
        return f"Recorder({self._teacher!r}, {logged})"


def _recorded(last: Start) -> dict[str, Any]:
    """That the risk is exact, and where norms and second layer have got to: what compare may not contradict."""
    keys = {"recorded_by": "riccati.Recorder", "final_norms": np.asarray(last.norms).tolist()}
    if last.second_layer is not None:
        keys["final_second_layer"] = np.asarray(last.second_layer).tolist()
    return keys
