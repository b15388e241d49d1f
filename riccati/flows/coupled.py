"""Any link, all pairs: the gradient flow of the 2-homogeneous student in reduced coordinates.

f(x) = Σ_i s_i σ(<x, u_i>), |u_i| = 1, with overlaps m_im = <u_i, θ_m>, q_il = <u_i, u_l> and dual activation g:

    ds_i/dt = 4 s_i [ Σ_m a_m g(m_im) - Σ_l s_l g(q_il) ]
    du_i/dt = Σ_m a_m g'(m_im) (θ_m - m_im u_i) - Σ_l s_l g'(q_il) (u_l - q_il u_i)
    2L      = Σ_mn a_m a_n Γ_mn - 2 Σ_im s_i a_m g(m_im) + Σ_il s_i s_l g(q_il)

An isometry puts u_i in R^(M+N), so that q = U Uᵀ stays a Gram matrix, a right-hand side is two matrix products, and d
enters through the start alone. The state is (U, log s): small norms keep their digits.
Source: RNWL25 (arXiv 2504.19983), equation of the population gradient flow; derivations/population_gradient.py.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Float
from scipy.interpolate import CubicHermiteSpline

from .._checks import is_traced, require, require_integer, require_real
from .._progress import progress
from ..population import population_risk, squared_overlaps
from ..start import Start
from ..teacher import Teacher
from .base import AnyStart, Flow, Observables, quadratic_horizon, require_all_overlaps
from .decoupled import Decoupled, assigned

_CHUNK = 2048  # steps between two looks at the clock: seconds at the most
_TRACED_STEPS = 2**14


class Neurons(NamedTuple):
    """The state: directions U (N, M + N), of unit length, and log s (N,)."""

    U: Float[Array, "N D"]
    log_s: Float[Array, " N"]


class IncompleteTrajectory(UserWarning):
    """The flow was stopped before the last output time; the trajectory holds the times that were reached."""


class Coupled(Flow):
    """The full gradient flow of weights and norms, by diffrax (Tsitouras 5(4)), for every link and width.

    `alignment` is the largest squared overlap max_i m_im², and `radius` the s_i of that neuron; for the pure link h_2,
    where neurons share directions, they are diag G and diag ΘᵀSΘ as in `Quadratic`.

    Tolerances are relative, with the absolute one `rtol` times the smallest overlap that greedy assignment relies on,
    so that tiny overlaps escape on time. Outside jit the flow runs in chunks of steps, with a progress bar; an
    interrupt, or `max_steps` in all, ends it with a warning and the output times reached so far.

    Raises:
        ArgumentError: tolerances or step numbers that are not positive, a start without all overlaps.
    """

    rtol: float = eqx.field(static=True, default=1e-8)
    max_steps: int = eqx.field(static=True, default=2_000_000)

    def __check_init__(self) -> None:
        require_real(self.rtol, "rtol", above=0)
        require_integer(self.max_steps, "max_steps", 1)

    def check(self, teacher: Teacher, start: AnyStart) -> None:
        """A start with all overlaps."""
        require_all_overlaps(self, start)

    def horizon(self, teacher: Teacher, start: AnyStart) -> tuple[float, float]:
        """From the decoupled flow; for k ≤ 2 from the decoupled approximation of the Riccati equation."""
        assert isinstance(start, Start)
        if teacher.link.information_exponent > 2:
            return Decoupled().horizon(teacher, start)
        second = Teacher(teacher.a, type(teacher.link).hermite(2))
        return quadratic_horizon(second, start)

    def evolve(self, teacher: Teacher, start: AnyStart, times: Float[Array, " T"]) -> Observables:
        """Risk, alignment and radius; fewer times than asked for if the flow was stopped."""
        assert isinstance(start, Start)
        state, atol = _begin(teacher, start, self.rtol)
        if is_traced(teacher, start, times):
            states = _at_once(teacher, state, times, jnp.asarray(self.rtol), atol)
            return jax.lax.map(lambda s: _observe(teacher, s), states)
        seen = []
        try:
            for _, neurons in self._through(teacher, state, np.asarray(times), atol):
                seen.append(_observe(teacher, neurons))
        except (_Stopped, KeyboardInterrupt) as stop:
            why = "it was interrupted" if isinstance(stop, KeyboardInterrupt) else str(stop)
            require(len(seen) > 0, "times", "start before the flow is stopped", f"{times[0]:g}, but {why}")
            warnings.warn(
                f"The coupled flow ends at output time {len(seen)} of {len(times)}, t = {times[len(seen) - 1]:.4g}: "
                f"{why}. Raise `max_steps`, loosen `rtol`, or end `times` earlier.",
                IncompleteTrajectory,
                stacklevel=3,
            )
        return jax.tree.map(lambda *rows: jnp.stack(rows), *seen)

    def emergence_times(
        self,
        teacher: Teacher,
        start: AnyStart,
        times: Float[Array, " T"],
        alignment: Float[Array, "T M"] | None,
        level: float,
    ) -> Float[Array, " M"]:
        """Bracketed on the output times, then on the solver's own steps, by Hermite interpolation of the log-odds."""
        assert isinstance(start, Start)
        assert alignment is not None
        if is_traced(teacher, start, times):
            raise TypeError("Emergence times of the coupled flow need concrete arrays: ask for them outside jit.")
        reached = np.asarray(alignment) >= level
        emergence = np.full(teacher.width, np.inf)
        crossing = {
            int(g): np.flatnonzero(reached[g] & ~reached[:g].any(axis=0)) for g in np.flatnonzero(reached.any(axis=1))
        }
        crossing = {g: directions for g, directions in crossing.items() if len(directions)}
        state, atol = _begin(teacher, start, self.rtol)
        emergence[np.asarray(_odds(teacher, state)) >= np.log(level / (1 - level))] = 0.0
        if not crossing:
            return jnp.asarray(emergence)
        records: list[_Record] = []
        stops = np.asarray(times)[: max(crossing) + 1]
        for g, _ in self._through(teacher, state, stops, atol, records):
            if g in crossing:
                late = crossing[g][np.isinf(emergence[crossing[g]])]
                emergence[late] = _crossings(records, late, np.log(level / (1 - level)))
            records.clear()
        return jnp.asarray(emergence)

    def _through(
        self, teacher: Teacher, state: Neurons, times: np.ndarray, atol: Array, records: list | None = None
    ) -> Any:
        """(g, state) at each output time in turn; the steps' log-odds go to `records` where it is given."""
        now, used = 0.0, 0
        with progress(None, "coupled flow", unit="step") as bar:
            for g, time in enumerate(times):
                while now < time:
                    out = _chunk(
                        teacher, state, jnp.asarray(now), jnp.asarray(time), jnp.asarray(self.rtol), atol,
                        records is not None,
                    )  # fmt: skip
                    state, steps = out.state, int(out.steps)
                    if records is not None:
                        records.append(out)
                    if steps == 0 or not np.isfinite(float(out.time)):
                        raise _Stopped(f"the step size vanished at t = {now:.6g}")
                    now, used = float(out.time), used + steps
                    bar.update(steps)
                    bar.set_postfix_str(f"t = {now:.3g} of {times[-1]:.3g}", refresh=False)
                    if used >= self.max_steps and now < times[-1]:
                        raise _Stopped(f"`max_steps` = {self.max_steps} steps are used up")
                yield g, state


class _Stopped(Exception):
    """The integration cannot go on; the message says why."""


class _Record(NamedTuple):
    """A chunk of steps: where it ended, and time, log-odds and their rate at each step (inf times past the end)."""

    state: Neurons
    time: Array
    steps: Array
    history: tuple[Array, Array, Array] | None


def coupled_velocity(_: Any, state: Neurons, teacher: Teacher) -> Neurons:
    """du_i/dt and d log s_i/dt. U is scaled to unit rows first, so rounding cannot carry it off the sphere."""
    a, link = teacher.a, teacher.link
    U = state.U / jnp.linalg.norm(state.U, axis=1, keepdims=True)
    s, m, q = jnp.exp(state.log_s), U[:, : a.shape[0]], U @ U.T
    (g_m, slope_m), (g_q, slope_q) = link.dual_pair(m), link.dual_pair(q)
    pull, push = a * slope_m, s * slope_q
    along = jnp.sum(pull * m, axis=1) - jnp.sum(push * q, axis=1)
    dU = -(push @ U) - along[:, None] * U
    return Neurons(dU.at[:, : a.shape[0]].add(pull), 4 * (g_m @ a - g_q @ s))


def _begin(teacher: Teacher, start: Start, rtol: float) -> tuple[Neurons, Array]:
    state = Neurons(start.directions, 2 * jnp.log(start.norms))
    overlaps, _ = assigned(teacher, start)
    size = jnp.where(overlaps != 0, jnp.abs(overlaps), 1.0)
    return state, jax.lax.stop_gradient(rtol * jnp.min(size))


@eqx.filter_jit
def _observe(teacher: Teacher, state: Neurons) -> Observables:
    s = jnp.exp(state.log_s)
    U = state.U / jnp.linalg.norm(state.U, axis=1, keepdims=True)
    size = U[:, : teacher.width] ** 2
    radius = s @ size if teacher.link.degree == 2 else s[jnp.argmax(size, axis=0)]
    return Observables(population_risk(teacher, U, s), squared_overlaps(teacher, U), radius)


@eqx.filter_jit
def _odds(teacher: Teacher, state: Neurons) -> Array:
    aligned = jnp.clip(squared_overlaps(teacher, state.U), 1e-300, 1 - 1e-15)
    return jnp.log(aligned) - jnp.log1p(-aligned)


def _controller(rtol: Array, atol: Array) -> diffrax.PIDController:
    # the largest component decides: in the mean over N (M + N) of them, one small overlap would not count
    return diffrax.PIDController(rtol=rtol, atol=atol, norm=optx.max_norm)


@eqx.filter_jit
def _chunk(
    teacher: Teacher, state: Neurons, begin: Array, end: Array, rtol: Array, atol: Array, record: bool
) -> _Record:
    """At most `_CHUNK` steps from `begin` towards `end`."""

    def odds(time: Array, state: Neurons, _: Any) -> tuple[Array, Array]:
        return jax.jvp(lambda s: _odds(teacher, s), (state,), (coupled_velocity(time, state, teacher),))

    saved = [diffrax.SubSaveAt(t1=True)]
    if record:
        saved.append(diffrax.SubSaveAt(t0=True, steps=True, fn=odds))
    out = diffrax.diffeqsolve(
        diffrax.ODETerm(coupled_velocity),
        diffrax.Tsit5(),
        begin,
        end,
        None,
        state,
        teacher,
        saveat=diffrax.SaveAt(subs=saved),
        stepsize_controller=_controller(rtol, atol),
        max_steps=_CHUNK,
        throw=False,
    )
    last = jax.tree.map(lambda leaf: leaf[-1], out.ys[0])
    history = (out.ts[1], *out.ys[1]) if record else None
    return _Record(last, out.ts[0][-1], out.stats["num_steps"], history)


@eqx.filter_jit
def _at_once(teacher: Teacher, state: Neurons, times: Array, rtol: Array, atol: Array) -> Neurons:
    """Every output time in one call, differentiable; for use under jit."""
    return diffrax.diffeqsolve(
        diffrax.ODETerm(coupled_velocity),
        diffrax.Tsit5(),
        0.0,
        times[-1],
        None,
        state,
        teacher,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=_controller(rtol, atol),
        max_steps=_TRACED_STEPS,
    ).ys


def _crossings(records: list[_Record], directions: np.ndarray, goal: float) -> np.ndarray:
    """First crossings of `goal` by the log-odds of `directions`, cubic between the solver's steps."""
    histories = [[np.asarray(part) for part in record.history or ()] for record in records]
    kept = [[part[np.isfinite(history[0])] for part in history] for history in histories]
    times, odds, rates = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    times, first = np.unique(times, return_index=True)
    odds, rates = odds[first] - goal, rates[first]
    found = np.empty(len(directions))
    for n, m in enumerate(directions):
        above = np.flatnonzero(odds[:, m] >= 0)
        if not len(above) or above[0] == 0:
            found[n] = times[-1] if not len(above) else times[0]
            continue
        pair = slice(above[0] - 1, above[0] + 1)
        roots = CubicHermiteSpline(times[pair], odds[pair, m], rates[pair, m]).roots(extrapolate=False)
        found[n] = roots.min() if len(roots) else times[above[0]]
    return found
