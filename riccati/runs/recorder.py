"""A recorder for any training loop: exact population risk and both overlaps, from the weights themselves."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ..problem import SGD, Problem, Schedule, Start, Teacher, alignments, as_weights, risk_at
from ..support import ArgumentError, require, require_finite, require_integer, require_real
from .config import RunConfig
from .conventions import algorithm_keys, clock_factor, overlap_of
from .loop import algorithm_from, directions_from, number_from, student_from
from .problem_keys import start_keys, teacher_keys
from .run import Run
from .values import RISK, SPHERE, SUBSPACE

_STILL, _MOVED = 1e-5, 1e-2  # relative change of norms that is rounding, and of an overlap that is motion


class _Row(NamedTuple):
    """The logged numbers of one step: risk, both overlaps (M,), norms (N,), and b (N,) of a two-layer student."""

    step: int
    risk: float
    by_subspace: Float[np.ndarray, " M"]
    by_neuron: Float[np.ndarray, " M"]
    norms: Float[np.ndarray, " N"]
    second_layer: Float[np.ndarray, " N"] | None


class Recorder:
    """Logs a student while it is trained: f(x) = Σ_i |w_i|² σ(<x, w_i>/|w_i|), or f(x) = c Σ_i b_i σ(<x, w_i>).

    Call it with a step and the weights, at step 0 and as often as you like; the weights are numpy, jax or torch, or a
    module of one or two linear layers, or its state_dict. With `log(step, W, b)` the student is the second one, with
    weights of any norms. Neither has biases: a module or state_dict with one is refused. Under the teacher's covariance
    Σ, |w|² of the first student stands for wᵀΣw.

    The risk that it logs is the population risk E(f* - f)²/E f*², exact in the overlaps, not an estimate from samples.
    All numbers are in the units of the teacher's `a` and of the weights.

    The first call checks everything. Later calls never raise: what cannot be logged is left out, with a line in
    `notes` and in the run; weights that are no longer finite, or directions Θ that have changed, end the log. A step
    that was logged before replaces all rows from there on, and a return to the first step begins another run.
    Parameters that never change are taken as fixed: a constant b as a frozen second layer, and constant norms as
    neurons that are renormalised after each step (SGD on the sphere).

    Args:
        teacher: the teacher.
        Theta: the teacher's directions, (M, d): orthonormal, or those that `Teacher.from_directions` was given. Under
            a covariance they and the weights are in its eigenbasis.
        sgd: the algorithm, on ½(f* - f)², whose η may be a schedule in the step; or instead the next three:
        learning_rate: η of the loop, a number or a schedule.
        batch_size: samples of a step.
        training_loss: the loss that the loop descends with `learning_rate`, "0.5*(f*-f)^2" or "(f*-f)^2" (a mean
            squared error without the half, with which a step is 2η of canonical time). Not to be given with `sgd`.
        output_scale: c of a two-layer student, such as 1/√N, where the loop's f has one before its second layer.
        training: momentum, dampening, nesterov, weight_decay, constraint or second_layer_rate, as fields of `sgd`;
            and keys of a run such as optimizer, epochs or clip_grad_norm: training that theory does not cover is
            refused by name.

    Raises:
        ArgumentError: for another loss, directions that are not the teacher's, numbers out of range, Stiefel SGD, a
            rate that depends on what is learned, or training that theory does not cover.

    Example:
        >>> import numpy as np
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=2, beta=1.0, link=rc.Link.hermite(2))
        >>> Theta, W = np.eye(2, 50), np.eye(2, 50)[:, ::-1] + 0.1 * np.eye(2, 50)
        >>> log = rc.Recorder(teacher, Theta, rc.SGD(learning_rate=0.01, batch_size=32))
        >>> log(0, W)  # in the loop, after every so many steps: log(step, W)
        >>> log.run().overlaps.round(4).tolist()
        [[0.0099, 0.0099]]
    """

    def __init__(
        self,
        teacher: Teacher,
        Theta: Any,
        sgd: SGD | None = None,
        *,
        learning_rate: float | Callable[[int], float] | Schedule | None = None,
        batch_size: int | None = None,
        training_loss: str | None = None,
        output_scale: float = 1.0,
        **training: Any,
    ):
        require(isinstance(teacher, Teacher), "teacher", "be a riccati.Teacher", type(teacher).__name__)
        self._sgd, self._training_loss, self._said = algorithm_from(
            sgd, learning_rate, batch_size, training_loss, training
        )
        require_real(output_scale, "output_scale", above=0)
        self._scale = float(output_scale)
        self._teacher, self._directions, self._given = teacher, directions_from(teacher, Theta), Theta
        self._rows: list[_Row] = []
        self._start: Start | None = None
        self._ended = False
        self._events: dict[str, list] = {}

    def __call__(self, step: int, W: Any, b: Any = None) -> None:
        """Log the weights W (N, d), and b (N,) of a two-layer student, after `step` steps.

        Raises:
            ArgumentError: at the first call alone, for a step that is no whole number, weights of another shape than
                (N, d), not finite or with a bias, or directions that are not the teacher's.
        """
        step = number_from(step)
        if self._start is None:
            require_integer(step, "step", 0)
            self._begin(int(step), student_from(W, b, self._teacher, self._directions, self._scale))
        elif not self._ended:
            try:
                self._go_on(step, W, b)
            except ArgumentError as error:
                self._note("not logged", step, f"{{}} not logged, the first at step {step}: {error}")

    def _begin(self, step: int, start: Start) -> None:
        _ = Problem(self._teacher, start)
        first = self._row(step, start)
        require_finite(first.risk, "W")
        self._start, self._rows = start, [first]

    def _go_on(self, step: int, W: Any, b: Any) -> None:
        require_integer(step, "step", 0)
        if not self._unchanged():
            return self._end("directions", step, "the directions Θ have changed")
        try:
            start = student_from(W, b, self._teacher, self._directions, self._scale)
        except ArgumentError as error:
            if error.must != "be finite":
                raise
            return self._end("diverged", step, "the weights are not finite")
        assert self._start is not None
        as_before = (start.second_layer is None) == (self._start.second_layer is None)
        require(as_before, "b", "be given at every step or at none", "left out" if b is None else "given")
        neurons = self._start.student_width
        require(start.student_width == neurons, "W", f"have {neurons} rows, as before", start.student_width)
        first, last = self._rows[0].step, self._rows[-1].step
        if step <= first < last:
            said = f"the steps began again at {step}: what was logged before, up to step {last}, is another run"
            self._note("again", step, f"{said}, and left out (step numbers went back {{}})")
            return self._begin(int(step), start)
        row = self._row(int(step), start)
        if not np.isfinite(row.risk):
            return self._end("diverged", step, "the risk is not finite")
        if step <= last:
            self._note("back", step, f"{{}} logged again, the first of them {step}: the later rows are kept")
            self._rows = [row for row in self._rows if row.step < step]
            if not self._rows:
                self._start = start
        self._rows.append(row)

    def _row(self, step: int, start: Start) -> _Row:
        risk = float(risk_at(self._teacher, start))
        layer = None if start.second_layer is None else np.asarray(start.second_layer)
        return _Row(step, risk, *alignments(self._teacher, start), np.asarray(start.norms), layer)

    def _unchanged(self) -> bool:
        try:
            return np.array_equal(as_weights(self._given, "Theta"), self._directions)
        except ArgumentError:
            return False

    def _note(self, kind: str, step: int, text: str) -> None:
        """Count an event of this kind; its note is `text` with the number of steps in the place of {}."""
        self._events.setdefault(kind, [0, text])[0] += 1

    def _end(self, kind: str, step: int, what: str) -> None:
        self._ended = True
        self._note(kind, step, f"{what} from step {step} on: nothing is logged from there")

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, and what never changed, a line each."""
        lines = [text.replace("{}", _times(kind, count)) for kind, (count, text) in self._events.items()]
        still = self._never_changing()
        if "second_layer_rate" in still:
            lines.append("b does not change while the weights do: taken as frozen, second_layer_rate = 0")
        if "constraint" in still:
            lines.append("|w_i| does not change while directions do: taken as SGD on the sphere, constraint = sphere")
        return tuple(lines)

    def _never_changing(self) -> RunConfig:
        """The keys for parameters that have not changed during training: a frozen second layer, or fixed norms."""
        if len(self._rows) < 2:
            return RunConfig()
        first, keys = self._rows[0], RunConfig()
        turned = max(float(np.abs(row.by_neuron - first.by_neuron).max()) for row in self._rows)
        stretched = max(float(np.abs(row.norms / first.norms - 1).max()) for row in self._rows)
        layer = first.second_layer
        if layer is not None and (turned > 0 or stretched > 0):
            same = (row.second_layer is not None and np.array_equal(row.second_layer, layer) for row in self._rows)
            if all(same):
                keys |= {"second_layer_rate": 0.0}
        if turned > _MOVED and stretched < _STILL:
            keys |= {"constraint": SPHERE}
        return keys

    @property
    def steps(self) -> np.ndarray:
        """(T,), the steps logged so far."""
        return np.array([row.step for row in self._rows], np.int64)

    @property
    def risk(self) -> Float[np.ndarray, " T"]:
        """(T,), E(f* - f)²/E f*²."""
        return np.array([row.risk for row in self._rows])

    @property
    def subspace_overlaps(self) -> Float[np.ndarray, "T M"]:
        """diag G at each step, see `subspace_alignment`."""
        return np.array([row.by_subspace for row in self._rows])

    @property
    def neuron_overlaps(self) -> Float[np.ndarray, "T M"]:
        """max_i cos² at each step, see `neuron_alignment`."""
        return np.array([row.by_neuron for row in self._rows])

    def run(self) -> Run:
        """What was logged as a run, with the overlaps that the theory of its link is about.

        They are subspace overlaps for h_2 and z², and neuron overlaps otherwise; `run.config["overlap"]` says which.

        Raises:
            ArgumentError: if nothing was logged, or not from step 0 on.
        """
        require(len(self._rows) > 0, "recorder", "have been called", "empty")
        require(self._rows[0].step == 0, "step", "be 0 at the first call, for the start", self._rows[0].step)
        assert self._start is not None
        start, overlap, steps = self._start, overlap_of(self._teacher.link), self.steps
        config = (
            self._rate_keys(start)
            | self._said
            | teacher_keys(self._teacher)
            | {
                "loss": RISK,
                "overlap": overlap,
                "dim": self._directions.shape[1],
                "student_width": start.student_width,
                "recorder": "riccati.Recorder",
                "final_norms": self._rows[-1].norms.tolist(),
            }
            | start_keys(self._teacher, start)
            | self._never_changing()
        )
        overlaps = self.subspace_overlaps if overlap == SUBSPACE else self.neuron_overlaps
        clock = None if self._sgd.is_constant else self._sgd.faster(clock_factor(config)).times(steps)
        return Run(steps, self.risk, overlaps, config, self.notes, source="riccati.Recorder", clock=clock)

    def _rate_keys(self, start: Start) -> RunConfig:
        """The algorithm by the keys of a run."""
        keys = RunConfig(self._sgd.schedule.describe())
        keys |= {"batch_size": self._sgd.batch_size, "training_loss": self._training_loss}
        algorithm = self._sgd if start.second_layer is not None else replace(self._sgd, second_layer_rate=1.0)
        return keys | algorithm_keys(algorithm)

    def save(self, path: str | os.PathLike) -> None:
        """Write `run()` as a CSV with its JSON file beside it."""
        self.run().save(path)

    def __repr__(self) -> str:
        logged = f"steps {self._rows[0].step} to {self._rows[-1].step}" if self._rows else "nothing yet"
        lines = [f"Recorder({self._teacher!r}, {logged})", *(f"  note     {note}" for note in self.notes)]
        return "\n".join(lines)


def _times(kind: str, count: int) -> str:
    if kind == "again":
        return "once" if count == 1 else f"{count} times"
    return "1 step was" if count == 1 else f"{count} steps were"
