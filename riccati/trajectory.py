"""A trajectory: what a flow yields at the output times, how it came about, and what is read off it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._checks import ArgumentError, require, require_real
from ._files import package_versions, whole_file
from ._modules import restored
from .flows import FLOWS, Flow
from .flows.base import AnyStart, riccati_rate
from .hermite import Link
from .start import Start
from .teacher import Teacher
from .typical import TypicalStart

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_FORMAT = "riccati trajectory 1"


class Trajectory(eqx.Module):
    """The course of a flow at T output times for M directions.

    Attributes:
        times: (T,), canonical gradient-flow time of L = ½ E(f* - f)².
        risk: (T,), E(f* - f)²/E f*², 1 for f = 0.
        alignment: (T, M), squared overlap of each direction, in [0, 1].
        radius: (T, M), squared student norm along each direction, or None.
        flow, teacher, start: what made it.
    """

    times: Float[Array, " T"]
    risk: Float[Array, " T"]
    kept_alignment: Float[Array, "T M"] | None
    kept_radius: Float[Array, "T M"] | None
    flow: Flow
    teacher: Teacher
    start: AnyStart
    provenance_json: str = eqx.field(static=True)

    @property
    def alignment(self) -> Float[Array, "T M"]:
        """Squared overlap of each direction, in [0, 1]; computed here where T x M was too large to keep."""
        if self.kept_alignment is None:
            return self.flow.details(self.teacher, self.start, self.times)[0]
        return self.kept_alignment

    @property
    def radius(self) -> Float[Array, "T M"] | None:
        """Squared student norm along each direction, or None where the flow has no norms."""
        if self.kept_alignment is None:
            return self.flow.details(self.teacher, self.start, self.times)[1]
        return self.kept_radius

    @property
    def provenance(self) -> dict[str, Any]:
        """Flow and settings, link, widths, dimension, clock and package versions."""
        return json.loads(self.provenance_json)

    def emergence_times(self, level: float = 0.5) -> Float[Array, " M"]:
        """First canonical time at which each direction's alignment reaches `level`; inf where it does not.

        Bracketed on the output times and refined on the flow's exact solution where it has one, so the digits do
        not depend on the output times. Nothing beyond times[-1] is looked at.

        Raises:
            ArgumentError: if `level` is not in (0, 1).
        """
        require_real(level, "level", above=0)
        require(level < 1, "level", "be < 1", level)
        return self.flow.emergence_times(self.teacher, self.start, self.times, self.kept_alignment, level)

    def times_in(
        self, clock: Literal["canonical", "riccati", "steps"], learning_rate: float | None = None
    ) -> Float[Array, " T"]:
        """`times` on another clock.

        "riccati": τ = 2 c_2² t, that of dG/dτ = AG + GA - 2GAG. "steps": t/η, steps of online SGD with learning rate
        η on ½(f* - f)²; for (f* - f)² give twice the learning rate.
        """
        require(clock in ("canonical", "riccati", "steps"), "clock", "be canonical, riccati or steps", repr(clock))
        if clock == "steps":
            require_real(learning_rate, "learning_rate", above=0)
            return self.times / float(learning_rate or 0)
        require(learning_rate is None, "learning_rate", 'be left out unless clock="steps"', learning_rate)
        if clock == "canonical":
            return self.times
        require(self.teacher.link.degree == 2, "clock", "be canonical or steps for this link", "riccati")
        return self.times * riccati_rate(self.teacher)

    def to_frame(self) -> pd.DataFrame:
        """A table with a row per time: time, risk, alignment_1 …, and radius_1 … where there are radii."""
        import pandas as pd

        columns = {"time": np.asarray(self.times), "risk": np.asarray(self.risk)}
        for name in ("alignment", "radius"):
            values = getattr(self, name)
            if values is not None:
                columns |= {f"{name}_{m + 1}": v for m, v in enumerate(np.asarray(values).T)}
        return pd.DataFrame(columns)

    def plot(self) -> Figure:
        """Risk and alignments against time."""
        from .plot import plot_trajectory

        return plot_trajectory(self)

    def save(self, path: str | os.PathLike) -> None:
        """Write everything to one NPZ file, whole or not at all."""
        arrays: dict[str, Array | None] = {"times": self.times, "risk": self.risk}
        arrays |= {"alignment": self.kept_alignment, "radius": self.kept_radius}
        arrays |= {"a": self.teacher.a, "link_coefficients": self.teacher.link.coefficients}
        arrays |= {f"start_{name}": value for name, value in vars(self.start).items() if eqx.is_array(value)}
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                provenance=self.provenance_json,
                **{name: np.asarray(value) for name, value in arrays.items() if value is not None},  # type: ignore[arg-type]
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> Trajectory:
        """Read what `save` wrote; emergence times of the loaded trajectory are those of the saved one.

        Raises:
            ArgumentError: if the file cannot be read or is not a trajectory.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                held = {name: file[name] for name in file.files}
            provenance = json.loads(str(held["provenance"]))
            require(provenance["format"] == _FORMAT, "path", f"hold a {_FORMAT}", provenance["format"])
        except (OSError, ValueError, KeyError, EOFError) as error:
            if isinstance(error, ArgumentError):
                raise
            message = f"Argument `path` must be a trajectory written by Trajectory.save, but is {path} ({error})."
            raise ArgumentError(message.replace("\n", " ")) from None
        return cls(
            times=jnp.asarray(held["times"]),
            risk=jnp.asarray(held["risk"]),
            kept_alignment=jnp.asarray(held["alignment"]) if "alignment" in held else None,
            kept_radius=jnp.asarray(held["radius"]) if "radius" in held else None,
            flow=FLOWS[provenance["flow"]](**provenance["settings"]),
            teacher=restored(Teacher, a=jnp.asarray(held["a"]), link=_link(provenance, held)),
            start=_start(provenance, held),
            provenance_json=str(held["provenance"]),
        )

    def __repr__(self) -> str:
        start, teacher = self.start, self.teacher
        rows = {
            "flow": repr(self.flow),
            "problem": f"{teacher.width} directions, {start.student_width} neurons, {teacher.link!r}",
        }
        if eqx.is_array(self.times) and self.times.ndim == 1:
            rows["times"] = f"{len(self.times)} from {self.times[0]:.4g} to {self.times[-1]:.4g} (canonical)"
            rows["risk"] = f"{self.risk[0]:.4g} to {self.risk[-1]:.4g}"
        return "Trajectory\n" + "\n".join(f"  {name:<8} {value}" for name, value in rows.items())


def provenance_of(flow: Flow, teacher: Teacher, start: AnyStart) -> str:
    """The JSON text that a trajectory carries about how it came to be."""
    return json.dumps(
        {
            "format": _FORMAT,
            "flow": type(flow).__name__,
            "settings": flow.settings(),
            "link": teacher.link.label,
            "link_error": teacher.link.error,
            "closed_form": teacher.link.closed_form is not None,
            "teacher_width": teacher.width,
            "start": type(start).__name__,
            "start_settings": {k: v for k, v in vars(start).items() if not eqx.is_array(v)},
            "clock": "canonical: gradient-flow time of L = E(f* - f)²/2",
            "versions": package_versions(),
        }
    )


def _link(provenance: dict[str, Any], held: dict[str, np.ndarray]) -> Link:
    if provenance["closed_form"]:
        return Link.named(provenance["link"])
    return Link(held["link_coefficients"], label=provenance["link"], error=provenance["link_error"])


def _start(provenance: dict[str, Any], held: dict[str, np.ndarray]) -> AnyStart:
    kind = {"Start": Start, "TypicalStart": TypicalStart}[provenance["start"]]
    prefix = "start_"
    arrays = {k.removeprefix(prefix): jnp.asarray(v) for k, v in held.items() if k.startswith(prefix)}
    return restored(kind, **arrays, **provenance["start_settings"])
