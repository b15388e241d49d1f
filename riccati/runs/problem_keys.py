"""Teacher and start by the keys of a run's JSON file, written and read.

Directions that are orthonormal need no key, correlated ones `teacher_gram`. Under a covariance Gram matrices do not
determine a problem: directions that lie on no eigenvectors have `teacher_directions`, the student `initial_weights`,
both with rows in the eigenbasis. Where many eigenvalues agree these are pairs of one and how many follow, and of the
student's rows only the columns `initial_weights_at` are held, others being zero. A two-layer student has
`initial_second_layer`, b_i.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ..problem import Covariance, Link, Start, Teacher, in_eigenbasis
from ..support import ArgumentError, require, require_memory
from .config import STIEFEL, TWO_HOMOGENEOUS, TWO_LAYER, array_of, given, link_of


def teacher_keys(teacher: Teacher) -> dict[str, Any]:
    """The teacher by the keys of a run's JSON file."""
    keys = {"second_layer": np.asarray(teacher.a).tolist(), "teacher_width": teacher.width, **_link_keys(teacher.link)}
    if teacher.links is not None:
        keys["teacher_links"] = [_coefficients(link) for link in teacher.links]
    if (covariance := teacher.covariance) is not None:
        keys["covariance"] = _eigenvalues_key(covariance)
        if covariance.preconditioned:
            keys["preconditioned"] = True
        if teacher.frame is not None:
            whitened = np.asarray(teacher.frame) / np.sqrt(np.asarray(covariance.eigenvalues))
            keys["teacher_directions"] = whitened.tolist()
    elif teacher.frame is not None:
        keys["teacher_gram"] = np.asarray(teacher.gram).tolist()
    return keys


def _link_keys(link: Link) -> dict[str, Any]:
    if link.closed_form is not None:
        return {"link": link.label}
    if link.degree is not None and float(link.coefficients[link.degree]) == 1.0:
        return {"information_exponent": link.degree}
    return {"link": _coefficients(link)}


def _coefficients(link: Link) -> list[float]:
    return np.asarray(link.coefficients).tolist()


def start_keys(teacher: Teacher, start: Start) -> dict[str, Any]:
    """The start of an unconstrained student by the keys of a run's JSON file."""
    keys: dict[str, Any] = {"kind": TWO_HOMOGENEOUS}
    if start.second_layer is not None:
        b = np.asarray(start.second_layer).tolist()
        keys = {"kind": TWO_LAYER, "initial_second_layer": b}
    if (covariance := teacher.covariance) is not None:
        whitened = np.asarray(in_eigenbasis(start.weights, teacher.frame_dim, covariance))
        return keys | _weights_keys(whitened / np.sqrt(np.asarray(covariance.eigenvalues)))
    return keys | {
        "init_norm": np.asarray(start.norms).tolist(),
        "initial_overlaps": np.asarray(start.teacher_overlaps).tolist(),
        "initial_student_gram": np.asarray(start.student_gram).tolist(),
    }


def _eigenvalues_key(covariance: Covariance) -> list:
    """λ_1 … λ_d, or shorter the pairs of each and how often it is repeated."""
    values = np.asarray(covariance.eigenvalues)
    begins = np.r_[0, 1 + np.flatnonzero(np.diff(values))]
    if 2 * len(begins) >= len(values):
        return values.tolist()
    counts = np.diff(np.r_[begins, len(values)])
    return [[float(value), int(count)] for value, count in zip(values[begins], counts, strict=True)]


def _weights_keys(W: Float[np.ndarray, "N d"]) -> dict[str, Any]:
    """All columns, or those that are not zero and which they are, where that is shorter."""
    at = np.flatnonzero(W.any(axis=0))
    if 2 * len(at) >= W.shape[1]:
        return {"initial_weights": W.tolist()}
    return {"initial_weights": W[:, at].tolist(), "initial_weights_at": at.tolist()}


_ONLY_UNDER_COVARIANCE = ("preconditioned", "teacher_directions", "initial_weights", "initial_weights_at")
_REPLACED = {"teacher_gram": "teacher_directions", "initial_overlaps": "initial_weights"}  # under a covariance
_BEYOND = ("covariance", "teacher_gram", "teacher_links", "initial_second_layer", *_ONLY_UNDER_COVARIANCE)


def is_beyond(config: dict[str, Any]) -> bool:
    """Whether a key says more of the problem than a standard one needs."""
    return any(key in config for key in _BEYOND)


def check_problem(config: dict[str, Any], kind: str) -> None:
    """Refuse keys of problems beyond the standard one that do not go together, or cannot be meant.

    Raises:
        ArgumentError: under the key's name.
    """
    for key in [key for key in _BEYOND if key in config]:
        require(kind != STIEFEL, key, "be left out for a Stiefel run", "given")
    under = "covariance" in config
    for key in [key for key in _ONLY_UNDER_COVARIANCE if key in config]:
        require(under, key, "be left out without a covariance", "given")
    for key in [key for key in _REPLACED if key in config]:
        require(not under, key, f"be left out under a covariance, where {_REPLACED[key]} takes its place", "given")
    alone = "initial_weights_at" in config and "initial_weights" not in config
    require(not alone, "initial_weights_at", "be given with initial_weights", "given without")
    if "teacher_links" in config:
        _links_of(config)
    must = "be left out, or kind be two_layer"
    require(kind == TWO_LAYER or "initial_second_layer" not in config, "initial_second_layer", must, "given")
    link = link_of(config)
    if kind == TWO_LAYER and link is not None:
        must = "have σ(λz) = λσ(z), λ > 0 (relu, abs or he1), for a two-layer student"
        require(link.is_homogeneous, "link", must, repr(link))
    if under and (not _is_exponent(config["covariance"]) or "dim" in config):
        _check_covariance(config)


def _check_covariance(config: dict[str, Any]) -> None:
    covariance = covariance_of(config)
    assert covariance is not None
    dim = config.get("dim", covariance.dim)
    require(dim == covariance.dim, "covariance", f"have dim = {dim} eigenvalues", covariance.dim)
    lengths = {"teacher_directions": covariance.dim, "initial_weights": len(_columns_of(config, covariance.dim))}
    for key in [key for key in lengths if key in config]:
        shape = array_of(config, key, 2).shape
        require(shape[1] == lengths[key], key, f"have rows of length {lengths[key]}", shape)
    neurons = config.get("student_width")
    if "initial_weights" in config and neurons is not None:
        found = len(config["initial_weights"])
        require(found == neurons, "initial_weights", f"have student_width = {neurons} rows", found)


def _columns_of(config: dict[str, Any], dim: int) -> Int[np.ndarray, " n"]:
    """Which of d columns `initial_weights` are: all where `initial_weights_at` does not say."""
    if "initial_weights_at" not in config:
        return np.arange(dim)
    at = array_of(config, "initial_weights_at", 1)
    sound = np.all(at == np.floor(at)) and np.all(np.diff(at) > 0) and at[0] >= 0 and at[-1] < dim
    require(bool(sound), "initial_weights_at", f"be whole numbers increasing from 0 or more to below {dim}", "not")
    return at.astype(int)


_OF_TEACHER = {"a": "second_layer", "gram": "teacher_gram", "links": "teacher_links", "Theta": "teacher_directions"}
_OF_OVERLAPS = {"teacher_overlaps": "initial_overlaps", "student_gram": "initial_student_gram", "norms": "init_norm"}
_OF_START = {"W": "initial_weights", "Theta": "teacher_directions", "second_layer": "initial_second_layer"}


def _by_key(error: ArgumentError, names: dict[str, str]) -> ArgumentError:
    """The same refusal of the key of a run; its words stay, as these names are parts of words."""
    return ArgumentError(names.get(error.argument, error.argument), error.must, error.value)


def covariance_of(config: dict[str, Any]) -> Covariance | None:
    """The input's covariance: its eigenvalues, pairs of each and how many, or γ of λ_i = i^-γ. None without the key."""
    if "covariance" not in config:
        return None
    preconditioned = config.get("preconditioned", False)
    try:
        if _is_exponent(config["covariance"]):
            return Covariance.power_law(given(config, "dim"), config["covariance"], preconditioned=preconditioned)
        return Covariance(_eigenvalues_of(config), preconditioned=preconditioned)
    except ArgumentError as error:
        raise error.renamed({"eigenvalues": "covariance", "exponent": "covariance"}) from None


def _is_exponent(covariance: Any) -> bool:
    return isinstance(covariance, str) or not hasattr(covariance, "__len__")


def _eigenvalues_of(config: dict[str, Any]) -> Float[np.ndarray, " d"]:
    if not any(isinstance(entry, (list, tuple, np.ndarray)) for entry in config["covariance"]):
        return array_of(config, "covariance", 1)
    pairs = array_of(config, "covariance", 2)
    sound = pairs.shape[1] == 2 and np.all(pairs[:, 1] >= 1) and np.all(pairs[:, 1] == np.floor(pairs[:, 1]))
    require(bool(sound), "covariance", "be λ_1 … λ_d, or pairs of one and how many follow, 1 or more", "neither")
    require_memory(float(pairs[:, 1].sum()), "covariance", f"of {pairs[:, 1].sum():g} numbers")
    return np.repeat(pairs[:, 0], pairs[:, 1].astype(int))


def teacher_of(config: dict[str, Any], kind: str) -> Teacher:
    """The teacher, with the `second_layer` as it is given, or a_m ∝ m^-β with Σ a_m² = 1.

    Raises:
        ArgumentError: under the key's name, for one that is missing or cannot be meant.
    """
    link = Link.hermite(2) if kind == STIEFEL else link_of(config)
    if link is None:
        link = Link.hermite(given(config, "information_exponent"))
    others: dict[str, Any] = {"covariance": covariance_of(config)}
    if "teacher_links" in config:
        others["links"] = _links_of(config)
    try:
        if "teacher_directions" in config:
            return Teacher.from_directions(
                array_of(config, "teacher_directions", 2), _second_layer(config), link, **others
            )
        if "teacher_gram" in config:
            others["gram"] = array_of(config, "teacher_gram", 2)
        return Teacher(_second_layer(config), link, **others)
    except ArgumentError as error:
        raise _by_key(error, _OF_TEACHER) from None


def _second_layer(config: dict[str, Any]) -> np.ndarray:
    if "second_layer" in config:
        return array_of(config, "second_layer", 1)
    width = given(config, "teacher_width")
    require_memory(width, "teacher_width", width)
    decay = np.arange(1.0, width + 1) ** -float(given(config, "beta"))
    return decay / np.linalg.norm(decay)


def _links_of(config: dict[str, Any]) -> list[Link]:
    links = config["teacher_links"]
    require(isinstance(links, list), "teacher_links", "be a list of links, one a direction", repr(links))
    found = [link_of({"link": link}) for link in links]
    return [link for link in found if link is not None]


def start_of(config: dict[str, Any], kind: str) -> Start | None:
    """The start of the student; None where it is not given.

    Raises:
        ArgumentError: under the key's name, for one that is missing or cannot be meant.
    """
    try:
        start = _first_layer(config, kind)
        return None if start is None else with_second_layer(start, config)
    except ArgumentError as error:
        raise _by_key(error.renamed(_OF_OVERLAPS), _OF_START) from None


def _first_layer(config: dict[str, Any], kind: str) -> Start | None:
    if "initial_weights" in config:
        covariance, given_columns = covariance_of(config), array_of(config, "initial_weights", 2)
        assert covariance is not None  # checked as one of the keys that go with it
        W = np.zeros((len(given_columns), covariance.dim))
        W[:, _columns_of(config, covariance.dim)] = given_columns
        if "teacher_directions" in config:
            Theta = array_of(config, "teacher_directions", 2)
        else:
            Theta = np.eye(len(_second_layer(config)), W.shape[1])
        return Start.from_weights(W, Theta, covariance)
    if "initial_overlaps" not in config:
        return None
    overlaps, dim = array_of(config, "initial_overlaps", 2), int(config["dim"]) if "dim" in config else None
    if kind == STIEFEL:
        return Start(overlaps.T, np.eye(overlaps.shape[1]), 1.0, dim)
    gram, teacher_gram = (
        array_of(config, key, 2) if key in config else None for key in ("initial_student_gram", "teacher_gram")
    )
    norms = np.asarray(given(config, "init_norm"), float)
    return Start(overlaps, gram, norms, dim, teacher_gram=teacher_gram)


def with_second_layer(start: Start, config: dict[str, Any]) -> Start:
    """The start with the initial second layer that the config gives."""
    if "initial_second_layer" not in config:
        return start
    return start.with_second_layer(array_of(config, "initial_second_layer", 1))
