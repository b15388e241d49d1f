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

from ...numerics import LEAF, Outcome, compiled_quickly, controller, is_outcome, padded
from ...problem import Observables, largest_norm
from ...support import StopRequest, orderly_stop, progress
from .states import CommitteeState, StudentState, TwoLayerState
from .student import Student, observe, odds_and_rates

_CHUNK = 2048  # steps between two looks at the clock: seconds at the most
_VANISHED = -20.0  # log of the share of its first norm that a neuron keeps, from which on it counts as vanished
_HOPELESS = 100.0  # budgets of steps that the next output time would take
_GROWING = 0.1  # share of the time so far that a chunk adds while steps still grow with time
AHEAD = 64  # output times that one chunk may reach


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


class _AtTime(NamedTuple):
    """What is kept of the state at an output time: the observables, and the log-norms that may leave their range."""

    observables: Observables
    log_norms: Array


class _Chunk(NamedTuple):
    """A chunk of steps.

    Attributes:
        state: the state at its end.
        time: the canonical time of its end.
        steps: how many steps it took, rejected ones included.
        reached: whether each output time was reached.
        at_times: what is kept of each of them.
        record: of the steps, with the time before the first; inf times past the end.
    """

    state: StudentState
    time: Array
    steps: Array
    reached: Array
    at_times: _AtTime
    record: OddsRecord


def _like_a_chunk(student: Student, *_: Any) -> _Chunk:
    at_times = _AtTime(Observables(LEAF, LEAF, LEAF), LEAF)
    return _Chunk(student.state, LEAF, LEAF, LEAF, at_times, OddsRecord(LEAF, LEAF, LEAF))


@compiled_quickly(eqx.filter_jit, like=_like_a_chunk)
def _chunk(student: Student, begin: Array, ends: Array, rtol: Array, atol: Array, unit: Array, most: int) -> _Chunk:
    """The result of at most `most` steps from `begin` through the times `ends`, time in units of 1/`unit`."""

    def velocity(time: Any, state: StudentState, args: Any) -> StudentState:
        return jax.tree.map(lambda rate: rate / unit, student.velocity(time / unit, state, args))

    def odds(time: Array, state: StudentState, args: Any) -> tuple[Array, Array]:
        return odds_and_rates(student._replace(state=state, args=args), time / unit)

    def kept(_: Array, state: StudentState, __: Any) -> _AtTime:
        return _AtTime(observe(student.teacher, state, student.overlap), _log_norms(state))

    import diffrax

    out = diffrax.diffeqsolve(
        diffrax.ODETerm(velocity),
        diffrax.Tsit5(),
        begin * unit,
        ends[-1] * unit,
        None,
        student.state,
        student.args,
        saveat=diffrax.SaveAt(
            subs=[
                diffrax.SubSaveAt(t1=True),
                diffrax.SubSaveAt(ts=ends * unit, fn=kept),
                diffrax.SubSaveAt(t0=True, steps=True, fn=odds),
            ]
        ),
        stepsize_controller=controller(rtol, atol, largest_component=True),
        max_steps=most,
        throw=False,
    )
    last = jax.tree.map(lambda leaf: leaf[-1], out.ys[0])
    record = OddsRecord(out.ts[2] / unit, *out.ys[2])
    return _Chunk(
        last, out.ts[0][-1] / unit, out.stats["num_steps"], jnp.isfinite(out.ts[1]), out.ys[1], record
    )  # fmt: skip


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
        self._unit = jax.device_put(np.asarray(2.0 ** round(math.log2(speed))))
        self._least, self._largest = _range_of_norms(student)
        self._new: list[OddsRecord] = []

    def through(self, times: np.ndarray, ahead: int = AHEAD) -> Iterator[Observables]:
        """Yield the observables at each canonical time; end early, with the reason in `outcome`, where one is too far.

        The integration may be `ahead` output times beyond the one that was yielded, at most 64.
        """
        left = times
        with progress(None, "coupled flow", unit="step") as bar, orderly_stop() as stop:
            while len(left) and is_outcome(self.outcome, Outcome.complete):
                before = self.used
                reached = self._advanced(left[:ahead], stop)
                bar.update(self.used - before)
                bar.set_postfix_str(f"t = {self.now:.3g} of {times[-1]:.3g}", refresh=False)
                yield from reached
                left = left[len(reached) :]

    def new_steps(self) -> OddsRecord:
        """The record of the steps since the last call, with the one before them."""
        steps = joined(self._new)
        self._new = [OddsRecord(*(part[-1:] for part in steps))]
        return steps

    def _advanced(self, times: np.ndarray, stop: StopRequest) -> list[Observables]:
        """The observables at those of the next output times that another chunk reaches."""
        if stop:
            self.outcome = Outcome.interrupted
        elif self.used >= self._most:
            self.outcome = Outcome.max_steps_reached
        else:
            return self._go(times)
        return []

    def _go(self, times: np.ndarray) -> list[Observables]:
        ends, most = padded(times, AHEAD), min(self._most, _CHUNK)
        out = _chunk(self.student, jax.device_put(np.asarray(self.now)), ends, *self._tolerances, self._unit, most)
        steps, before, now = int(out.steps), self.now, float(out.time)
        self._new.append(_taken(out.record))
        if not np.isfinite(now) or (now == before and times[0] > before):
            self.outcome = Outcome.step_vanished
            return []
        self.student, self.now, self.used = self.student._replace(state=out.state), now, self.used + steps
        reached = int(np.asarray(out.reached)[: len(times)].sum())
        norms = np.concatenate([np.asarray(out.at_times.log_norms)[:reached], np.asarray(_log_norms(out.state))[None]])
        vanished = np.any(norms < self._least, axis=1)
        unresolved = np.any(norms > self._largest, axis=1)
        stands = ~np.logical_or(vanished, unresolved)[:reached]
        # learned directions bound explicit steps for good, so that no budget reaches very long times
        went = now - before
        if vanished.any() or unresolved.any():
            self.outcome = Outcome.norm_vanished if vanished.any() else Outcome.norm_unresolved
        elif reached < len(times) and went < _GROWING * now:
            needed = (float(times[reached]) - now) / went * steps
            if needed > _HOPELESS * self._most:
                self.outcome = Outcome.max_steps_reached
        rows = jax.tree.map(np.asarray, out.at_times.observables)
        return [jax.tree.map(lambda leaf, n=n: leaf[n], rows) for n in range(int(np.cumprod(stands).sum()))]


def _log_norms(state: StudentState) -> Array:
    """log |w_i| of students whose norms can leave the range in which their equations hold; empty for others."""
    if isinstance(state, CommitteeState):
        return jnp.log(jnp.linalg.norm(state.W, axis=1))
    return state.log_norm if isinstance(state, TwoLayerState) else jax.device_put(np.zeros(0))


def _range_of_norms(student: Student) -> tuple[np.ndarray, float]:
    """The least log |w_i|, of a two-layer student, whose norms can reach 0, and the largest, of a committee machine."""
    norms = np.asarray(_log_norms(student.state))
    if isinstance(student.state, CommitteeState):
        with np.errstate(divide="ignore"):
            return np.full(norms.shape, -np.inf), float(np.log(largest_norm(student.teacher.link)))
    return norms + _VANISHED, np.inf


def _taken(record: OddsRecord) -> OddsRecord:
    """The record in a buffer of steps, without its unused end (inf times)."""
    kept = np.isfinite(np.asarray(record.times))
    return OddsRecord(*(np.asarray(x)[kept] for x in record))
