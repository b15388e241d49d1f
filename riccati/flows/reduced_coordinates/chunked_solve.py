"""The flow of a student integrated in chunks of steps, with progress, a budget, orderly stops and a record of steps.

The log-odds of every direction and their rates are kept at the integrator's own steps, so that emergence times are read
off by Hermite interpolation afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...numerics import LEAF, Outcome, compiled_quickly, controller, is_outcome
from ...problem import largest_norm
from ...support import StopRequest, orderly_stop, progress
from .states import CommitteeState, StudentState, TwoLayerState
from .student import Student, odds_and_rates

_CHUNK = 2048  # steps between two looks at the clock: seconds at the most
_VANISHED = -20.0  # log of the share of its first norm that a neuron keeps, from which on it counts as vanished
_HOPELESS = 100.0  # budgets of steps that the next output time would take
_GROWING = 0.1  # share of the time so far that a chunk adds while steps still grow with time

_first_odds = compiled_quickly(eqx.filter_jit)(odds_and_rates)


class OddsRecord(NamedTuple):
    """The log-odds of all directions at the integrator's own S steps, from which emergence times are interpolated.

    Attributes:
        times: (S,).
        odds: (S, M), log-odds of each direction's squared overlap.
        rates: (S, M), their derivatives in time.
    """

    times: Float[np.ndarray, " S"]
    odds: Float[np.ndarray, "S M"]
    rates: Float[np.ndarray, "S M"]


def joined(pieces: list[OddsRecord]) -> OddsRecord:
    """One record from pieces, each of which may begin with the end of the one before."""
    every = OddsRecord(*(np.concatenate(parts) for parts in zip(*pieces, strict=True)))
    first = np.unique(every.times, return_index=True)[1]
    return OddsRecord(*(part[first] for part in every))


class _Chunk(NamedTuple):
    """A chunk of steps: state and time at its end, their number, and times (inf past the end), log-odds and rates."""

    state: StudentState
    time: Array
    steps: Array
    times: Array
    odds: Array
    rates: Array


@compiled_quickly(eqx.filter_jit, like=lambda student, *_: _Chunk(student.state, LEAF, LEAF, LEAF, LEAF, LEAF))
def _chunk(student: Student, begin: Array, end: Array, rtol: Array, atol: Array, unit: Array) -> _Chunk:
    """The result of at most `_CHUNK` steps from `begin` towards `end`, taken with time in units of 1/`unit`."""

    def velocity(time: Any, state: StudentState, args: Any) -> StudentState:
        return jax.tree.map(lambda rate: rate / unit, student.velocity(time / unit, state, args))

    def odds(time: Array, state: StudentState, args: Any) -> tuple[Array, Array]:
        return odds_and_rates(student._replace(state=state, args=args), time / unit)

    import diffrax

    out = diffrax.diffeqsolve(
        diffrax.ODETerm(velocity),
        diffrax.Tsit5(),
        begin * unit,
        end * unit,
        None,
        student.state,
        student.args,
        saveat=diffrax.SaveAt(subs=[diffrax.SubSaveAt(t1=True), diffrax.SubSaveAt(steps=True, fn=odds)]),
        stepsize_controller=controller(rtol, atol, largest_component=True),
        max_steps=_CHUNK,
        throw=False,
    )
    last = jax.tree.map(lambda leaf: leaf[-1], out.ys[0])
    return _Chunk(last, out.ts[0][-1] / unit, out.stats["num_steps"], out.ts[1] / unit, *out.ys[1])


class ChunkedSolve:
    """An integration of a student's flow, advanced by a chunk of steps at a time.

    The integrator's time is in units of 1/`speed`, rounded to a power of 2, as it takes 1e-6 for a short first step.

    Attributes:
        student: the student, with its present state.
        now: the canonical time of that state.
        used: how many steps were taken so far.
        outcome: `complete` unless the integration had to end early.
    """

    def __init__(self, student: Student, tolerances: tuple[Array, Array], max_steps: int, speed: float):
        self.student, self.now, self.used, self.outcome = student, 0.0, 0, Outcome.complete
        self._most, self._tolerances = max_steps, tolerances
        self._unit = jnp.asarray(2.0 ** round(math.log2(speed)))
        self._least = _log_norms(student.state) + _VANISHED
        self._new = [OddsRecord(np.zeros(1), *(np.asarray(x)[None] for x in _first_odds(self.student, jnp.zeros(()))))]

    def through(self, times: np.ndarray) -> Iterator[float]:
        """Yield each canonical time when it is reached; end early, with the reason in `outcome`, if one cannot be."""
        with progress(None, "coupled flow", unit="step") as bar, orderly_stop() as stop:
            for time in times.tolist():
                before = self.used
                if not self._reach(time, stop):
                    return
                bar.update(self.used - before)
                bar.set_postfix_str(f"t = {time:.3g} of {times[-1]:.3g}", refresh=False)
                yield time

    def _reach(self, time: float, stop: StopRequest) -> bool:
        while self.now < time and is_outcome(self.outcome, Outcome.complete):
            if stop:
                self.outcome = Outcome.interrupted
            elif self.used >= self._most:
                self.outcome = Outcome.max_steps_reached
            else:
                self._go(time)
        return is_outcome(self.outcome, Outcome.complete)

    def new_steps(self) -> OddsRecord:
        """The record of the steps since the last call, with the one before them."""
        steps = joined(self._new)
        self._new = [OddsRecord(*(part[-1:] for part in steps))]
        return steps

    def _go(self, time: float) -> None:
        out = _chunk(self.student, jnp.asarray(self.now), jnp.asarray(time), *self._tolerances, self._unit)
        steps = int(out.steps)
        if steps == 0 or not np.isfinite(float(out.time)) or float(out.time) == self.now:
            self.outcome = Outcome.step_vanished
            return
        before = self.now
        self.student, self.now, self.used = self.student._replace(state=out.state), float(out.time), self.used + steps
        self._new.append(_steps(out.times, out.odds, out.rates))
        # learned directions bound explicit steps for good, so that no budget reaches very long times
        went = self.now - before
        needed = (time - self.now) / went * steps
        if bool((_log_norms(out.state) < self._least).any()):
            self.outcome = Outcome.norm_vanished
        elif isinstance(out.state, CommitteeState) and _longest(out.state) > largest_norm(self.student.teacher.link):
            self.outcome = Outcome.norm_unresolved
        elif went < _GROWING * self.now and needed > _HOPELESS * self._most:
            self.outcome = Outcome.max_steps_reached


def _log_norms(state: StudentState) -> Float[np.ndarray, " n"]:
    """log |w_i| of a two-layer student, whose norms can reach 0 in finite time; empty for others, whose cannot."""
    return np.asarray(state.log_norm) if isinstance(state, TwoLayerState) else np.zeros(0)


def _longest(state: CommitteeState) -> float:
    """The largest |w_i|."""
    return float(np.linalg.norm(np.asarray(state.W), axis=1).max())


def _steps(times: Array, odds: Array, rates: Array) -> OddsRecord:
    """The record in a buffer of steps, without its unused end (inf times)."""
    kept = np.isfinite(np.asarray(times))
    return OddsRecord(*(np.asarray(x)[kept] for x in (times, odds, rates)))
