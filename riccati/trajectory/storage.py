"""A trajectory on disk: one NPZ file with its arrays, its provenance, and its outcome."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..flows import FLOWS, Flow, Solution
from ..numerics import name_of, outcome_named
from ..problem import (
    Covariance,
    Link,
    Observables,
    Problem,
    Start,
    Teacher,
    TypicalStart,
    coefficient_rows,
)
from ..support import (
    ArgumentError,
    package_versions,
    require,
    require_integer,
    require_real,
    require_times,
    restored,
    whole_file,
)

_FORMAT = "riccati trajectory 2"
_STARTS = {"Start": Start, "TypicalStart": TypicalStart}
_PREFIX = "start_"  # of the start's arrays in the file
_OPTIONAL = ("second_layer", "teacher_part", "residual_eigenvalues")  # arrays that a start may be without


class Stored(NamedTuple):
    """The contents of a trajectory's file: the fields of a `Trajectory` in order, without the solution's record."""

    times: Float[Array, " T"]
    solution: Solution
    flow: Flow
    problem: Problem
    provenance_json: str


def provenance_of(flow: Flow, problem: Problem) -> str:
    """The provenance of a trajectory as JSON text: flow, problem, seed, clock and package versions."""
    teacher, start = problem.teacher, problem.start
    return json.dumps(
        {
            "format": _FORMAT,
            "flow": type(flow).__name__,
            "settings": flow.settings(),
            "link": teacher.link.label,
            "link_error": teacher.link.error,
            "link_missing": teacher.link.missing,
            "closed_form": teacher.link.closed_form is not None,
            "link_function": teacher.link.function is not None,
            "teacher_width": teacher.width,
            **_teacher_settings(teacher),
            "start": type(start).__name__,
            "start_settings": {k: v for k, v in vars(start).items() if not eqx.is_array(v) and k not in _OPTIONAL},
            "clock": "canonical: gradient-flow time of L = E(f* - f)²/2",
            "versions": package_versions(),
        }
    )


def write_trajectory(
    path: str | os.PathLike, times: Float[Array, " T"], solution: Solution, problem: Problem, provenance_json: str
) -> None:
    """Write the file, whole or not at all; observables that are None are left out, as is the solution's record."""
    teacher, start = problem.teacher, problem.start
    ended = {"outcome": name_of(solution.outcome), "reached": int(solution.reached)}  # type: ignore[arg-type]
    if solution.steps is not None:
        ended["solver_steps"] = int(solution.steps)
    held = {"times": times, **solution.observables._asdict(), **_teacher_arrays(teacher)}
    held |= {f"{_PREFIX}{name}": value for name, value in vars(start).items() if eqx.is_array(value)}
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            provenance=provenance_json,
            ended=json.dumps(ended),
            **{name: np.asarray(value) for name, value in held.items() if value is not None},  # type: ignore[arg-type]
        )


def read_trajectory(path: str | os.PathLike) -> Stored:
    """The contents of a file that `write_trajectory` wrote.

    Raises:
        ArgumentError: if the file cannot be read or is not a trajectory, and why.
    """
    try:
        require(Path(path).is_file(), "path", "be a file", path)  # and no pipe, on which reading would wait
        # numpy leaves a path that it opened itself open where it fails
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            held = {name: archive[name] for name in archive.files}
        return _stored(held)
    except Exception as error:  # on a damaged archive zipfile, zlib, numpy and json raise some fifteen kinds
        why = str(error) if isinstance(error, ArgumentError) else f"{type(error).__name__}: {error}"
        raise ArgumentError("path", "be a trajectory written by Trajectory.save", f"{path} ({why})") from None


def _stored(held: dict[str, np.ndarray]) -> Stored:
    provenance, ended = json.loads(str(held["provenance"])), json.loads(str(held["ended"]))
    for name, said in (("provenance", provenance), ("ended", ended)):
        require(isinstance(said, dict), name, "be one JSON object", type(said).__name__)
    require(provenance["format"] == _FORMAT, "format", f"be {_FORMAT}", provenance["format"])
    problem = _problem(provenance, held)
    require_times(held["times"])
    rows, width = len(held["times"]), problem.teacher.width
    shapes = {"times": (rows,), "risk": (rows,), "alignment": (rows, width), "radius": (rows, width)}
    kept = {name: _doubles(held, name, shape) for name, shape in shapes.items() if name in held}
    for name in ("reached", "solver_steps"):
        if name in ended:
            require_integer(ended[name], name, 0)
    return Stored(
        times=kept["times"],
        solution=Solution(
            Observables(kept["risk"], kept.get("alignment"), kept.get("radius")),
            outcome_named(ended["outcome"]),
            ended.get("reached", rows),
            ended.get("solver_steps"),
        ),
        flow=FLOWS[provenance["flow"]](**_settings(provenance, problem.teacher)),
        problem=problem,
        provenance_json=str(held["provenance"]),
    )


def _settings(provenance: dict[str, Any], teacher: Teacher) -> dict[str, Any]:
    """The arguments of the flow's constructor; those in files of former versions under today's names.

    FiniteStep had an `algorithm` up to 0.5.0, whose γ of Stiefel SGD was εd/B = 2ηd/B. Up to 0.4.0 it could be left
    out, which meant Stiefel SGD for h_2.
    """
    settings = dict(provenance["settings"])
    if provenance["flow"] != "FiniteStep" or "algorithm" not in settings:
        return settings
    algorithm = settings.pop("algorithm") or ("stiefel" if teacher.link.degree == 2 else "homogeneous")
    if algorithm == "homogeneous":
        return settings
    require(algorithm == "stiefel", "algorithm", "be homogeneous or stiefel", repr(algorithm))
    return settings | {"constraint": "stiefel", "gamma": settings["gamma"] / 2}


def _doubles(held: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> Array:
    values = held[name]
    require(values.dtype == np.float64, name, "hold doubles", values.dtype)
    require(values.shape == shape, name, f"be of shape {shape}", values.shape)
    return jnp.asarray(values)


def _teacher_settings(teacher: Teacher) -> dict[str, object]:
    """The provenance of a teacher's own links and covariance; empty for the standard teacher."""
    said: dict[str, object] = {}
    if teacher.links is not None:
        said["links"] = [link.label for link in teacher.links]
    if teacher.covariance is not None:
        said["preconditioned"] = teacher.covariance.preconditioned
    return said


def _teacher_arrays(teacher: Teacher) -> dict[str, Array | None]:
    return {
        "a": teacher.a,
        "link_coefficients": teacher.link.coefficients,
        "teacher_frame": teacher.frame,
        "teacher_links": None if teacher.links is None else coefficient_rows(teacher.links),
        "teacher_eigenvalues": None if teacher.covariance is None else teacher.covariance.eigenvalues,
        "teacher_noise": teacher.noise,
    }


def _teacher(provenance: dict[str, Any], held: dict[str, np.ndarray]) -> Teacher:
    if provenance["closed_form"]:
        link = Link.named(provenance["link"])
    else:
        left_out = {name: provenance[f"link_{name}"] for name in ("error", "missing")}
        made = Link.of_file if provenance.get("link_function") else Link
        link = made(held["link_coefficients"], label=provenance["link"], **left_out)
    width = _only_axis(held["a"], "a")
    frame, links, covariance = None, None, None
    if "teacher_frame" in held:
        axes = held["teacher_frame"].shape[-1] if held["teacher_frame"].ndim else 0
        frame = _doubles(held, "teacher_frame", (width, axes))
    if "links" in provenance:
        rows = zip(held["teacher_links"], provenance["links"], strict=True)
        links = tuple(Link(row, label=label) for row, label in rows)
        require(len(links) == width, "links", f"have {width} entries", len(links))
    if "teacher_eigenvalues" in held:
        covariance = Covariance(held["teacher_eigenvalues"], preconditioned=provenance["preconditioned"])
    a = _doubles(held, "a", (width,))
    noise = _doubles(held, "teacher_noise", ()) if "teacher_noise" in held else None
    return restored(Teacher, a=a, link=link, frame=frame, lengths=None, links=links, covariance=covariance, noise=noise)


def _problem(provenance: dict[str, Any], held: dict[str, np.ndarray]) -> Problem:
    teacher, settings = _teacher(provenance, held), provenance["start_settings"]
    require(isinstance(settings, dict), "start_settings", "be one JSON object", type(settings).__name__)
    arrays = {name.removeprefix(_PREFIX): held[name] for name in held if name.startswith(_PREFIX)}
    neurons, width = _only_axis(arrays["norms"], "norms"), teacher.width
    left = len(arrays["residual_eigenvalues"]) if "residual_eigenvalues" in arrays else neurons
    shapes = {
        "teacher_overlaps": (neurons, width), "residual_factor": (neurons, left), "norms": (neurons,),
        "overlaps": (width,), "second_layer": (neurons,), "teacher_part": (neurons, teacher.frame_dim),
        "residual_eigenvalues": (left,),
    }  # fmt: skip
    kind = _STARTS[provenance["start"]]
    if kind is Start:
        settings = {"output_scale": 1.0} | settings  # files of up to 0.6 have none
        require_real(settings["output_scale"], "output_scale", above=0)
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    fields: dict[str, Array | None] = {name: None for name in _OPTIONAL if name in names}
    fields |= {name: _doubles(arrays, name, shapes[name]) for name in arrays}
    complete = fields.keys() | settings.keys() == names
    require(complete, "start", f"have the fields of a {kind.__name__}", ", ".join([*fields, *settings]))
    return Problem(teacher, restored(kind, **fields, **settings))


def _only_axis(values: np.ndarray, name: str) -> int:
    require(
        values.ndim == 1 and values.size > 0, name, "be a vector with one entry or more", f"of shape {values.shape}"
    )
    return len(values)
