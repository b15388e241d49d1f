"""Teacher and start, written as keys of a run's JSON file and read from them.

Directions that are orthonormal need no key, correlated ones `teacher_gram`. Under a covariance Gram matrices do not
determine a problem: directions that lie on no eigenvectors have `teacher_directions`, the student `initial_weights`,
both with rows in the eigenbasis. Where many eigenvalues agree these are pairs of one and how many follow, and of the
student's rows only the columns `initial_weights_at` are held, others being zero. A two-layer student has
`initial_second_layer`, b_i, and where f = c Σ b_i σ(<x, w_i>) the `output_scale` c.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from ..problem import Covariance, Link, Start, Teacher, in_eigenbasis
from ..support import ArgumentError, require, require_memory
from .config import RunConfig
from .conventions import kind_of
from .values import STIEFEL, TWO_HOMOGENEOUS, TWO_LAYER, matrix, vector


def teacher_keys(teacher: Teacher) -> RunConfig:
    """Return the teacher as keys of a run's JSON file."""
    keys = RunConfig(second_layer=np.asarray(teacher.a).tolist(), teacher_width=teacher.width) | _link_keys(
        teacher.link
    )
    if teacher.noise is not None:
        keys |= {"label_noise": float(teacher.noise)}
    if teacher.links is not None:
        keys |= {"teacher_links": [_coefficients(link) for link in teacher.links]}
    if (covariance := teacher.covariance) is not None:
        keys |= {"covariance": _eigenvalues_key(covariance)}
        if covariance.preconditioned:
            keys |= {"preconditioned": True}
        if teacher.frame is not None:
            whitened = np.asarray(teacher.frame) / np.sqrt(np.asarray(covariance.eigenvalues))
            keys |= {"teacher_directions": whitened.tolist()}
    elif teacher.frame is not None:
        keys |= {"teacher_gram": np.asarray(teacher.gram).tolist()}
    return keys


def _link_keys(link: Link) -> RunConfig:
    if link.closed_form is not None:
        return RunConfig(link=link.label)
    if link.degree is not None and float(np.asarray(link.coefficients)[link.degree]) == 1.0:
        return RunConfig(information_exponent=link.degree)
    keys = RunConfig(link=_coefficients(link))
    return keys if link.function is None else keys | {"link_function": link.label}


def _coefficients(link: Link) -> list[float]:
    return np.asarray(link.coefficients).tolist()


def start_keys(teacher: Teacher, start: Start) -> RunConfig:
    """Return the start of an unconstrained student as keys of a run's JSON file."""
    keys = RunConfig(kind=TWO_HOMOGENEOUS)
    if start.second_layer is not None:
        b = np.asarray(start.second_layer) / start.output_scale
        keys = RunConfig(kind=TWO_LAYER, initial_second_layer=b.tolist())
        if start.output_scale != 1:
            keys |= {"output_scale": start.output_scale}
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


def _weights_keys(W: Float[np.ndarray, "N d"]) -> RunConfig:
    """All columns, or those that are not zero and which they are, where that is shorter."""
    at = np.flatnonzero(W.any(axis=0))
    if 2 * len(at) >= W.shape[1]:
        return RunConfig(initial_weights=W.tolist())
    return RunConfig(initial_weights=W[:, at].tolist(), initial_weights_at=at.tolist())


def columns_of(config: RunConfig, dim: int) -> Int[np.ndarray, " n"]:
    """Which of d columns `initial_weights` are: all where `initial_weights_at` does not say.

    Raises:
        ArgumentError: numbers that are not increasing whole numbers from 0 to d - 1.
    """
    at = config.initial_weights_at
    if at is None:
        return np.arange(dim)
    sound = np.all(at == np.floor(at)) and np.all(np.diff(at) > 0) and at[0] >= 0 and at[-1] < dim
    require(bool(sound), "initial_weights_at", f"be increasing whole numbers from 0 to {dim - 1}", "not")
    return at.astype(int)


_OF_TEACHER = {"a": "second_layer", "gram": "teacher_gram", "links": "teacher_links", "Theta": "teacher_directions",
               "noise": "label_noise"}  # fmt: skip
_OF_OVERLAPS = {"teacher_overlaps": "initial_overlaps", "student_gram": "initial_student_gram", "norms": "init_norm"}
_OF_START = {"W": "initial_weights", "Theta": "teacher_directions", "second_layer": "initial_second_layer"}


def _by_key(error: ArgumentError, names: dict[str, str]) -> ArgumentError:
    """The same error for keys of a run in place of arguments."""
    return ArgumentError(names.get(error.argument, error.argument), error.must, error.value)


def covariance_of(config: RunConfig) -> Covariance | None:
    """The input's covariance: its eigenvalues, pairs of each and how many, or α of λ_i = i^-α. None without the key.

    Raises:
        ArgumentError: a value that is none of these, or has not d eigenvalues.
    """
    if "covariance" not in config:
        return None
    preconditioned = bool(config.preconditioned)
    try:
        if is_exponent(config.covariance):
            dim = config.needed(RunConfig.dim)
            return Covariance.power_law(dim, config["covariance"], preconditioned=preconditioned)
        return Covariance(_eigenvalues_of(config), preconditioned=preconditioned)
    except ArgumentError as error:
        raise error.renamed({"eigenvalues": "covariance", "exponent": "covariance"}) from None


def is_exponent(covariance: object) -> bool:
    """Whether a value of `covariance` is the exponent of a power law, not a list."""
    return isinstance(covariance, str) or not hasattr(covariance, "__len__")


def _eigenvalues_of(config: RunConfig) -> Float[np.ndarray, " d"]:
    if not any(isinstance(entry, (list, tuple, np.ndarray)) for entry in config["covariance"]):
        return vector(config.covariance, "covariance")
    pairs = matrix(config.covariance, "covariance")
    sound = pairs.shape[1] == 2 and np.all(pairs[:, 1] >= 1) and np.all(pairs[:, 1] == np.floor(pairs[:, 1]))
    require(bool(sound), "covariance", "be λ_1 … λ_d, or pairs of one and how many follow, 1 or more", "neither")
    require_memory(float(pairs[:, 1].sum()), "covariance", f"of {pairs[:, 1].sum():g} numbers")
    return np.repeat(pairs[:, 0], pairs[:, 1].astype(int))


def teacher_of(config: RunConfig) -> Teacher:
    """Return the teacher, with the `second_layer` as it is given, or a_m ∝ m^-β with Σ a_m² = 1.

    Raises:
        ArgumentError: under the key's name, for a key that is missing or invalid.
    """
    link = Link.hermite(2) if kind_of(config) == STIEFEL else config.link
    if link is None:
        link = Link.hermite(config.needed(RunConfig.information_exponent))
    if kind_of(config) == TWO_LAYER and "link_function" in config:
        link = Link.of_file(link.coefficients, str(config["link_function"]))
    covariance, directions = covariance_of(config), config.teacher_directions
    try:
        if directions is not None:
            return Teacher.from_directions(
                directions, _second_layer(config), link,
                covariance=covariance, links=config.teacher_links, noise=config.label_noise,
            )  # fmt: skip
        return Teacher(
            _second_layer(config), link,
            covariance=covariance, links=config.teacher_links, gram=config.teacher_gram, noise=config.label_noise,
        )  # fmt: skip
    except ArgumentError as error:
        raise _by_key(error, _OF_TEACHER) from None


def _second_layer(config: RunConfig) -> Float[np.ndarray, " M"]:
    if config.second_layer is not None:
        return config.second_layer
    width = config.needed(RunConfig.teacher_width)
    require_memory(width, "teacher_width", width)
    decay = np.arange(1.0, width + 1) ** -config.needed(RunConfig.beta)
    return decay / np.linalg.norm(decay)


def start_of(config: RunConfig) -> Start | None:
    """Return the start of the student, None where it is not given.

    Raises:
        ArgumentError: under the key's name, for a key that is missing or invalid.
    """
    try:
        start = _first_layer(config)
        return None if start is None else with_second_layer(start, config)
    except ArgumentError as error:
        raise _by_key(error.renamed(_OF_OVERLAPS), _OF_START) from None


def _first_layer(config: RunConfig) -> Start | None:
    if config.initial_weights is not None:
        covariance = covariance_of(config)
        assert covariance is not None  # checked as one of the keys that go with it
        W = np.zeros((len(config.initial_weights), covariance.dim))
        W[:, columns_of(config, covariance.dim)] = config.initial_weights
        Theta = config.teacher_directions
        return Start.from_weights(
            W, np.eye(len(_second_layer(config)), W.shape[1]) if Theta is None else Theta, covariance
        )
    if (overlaps := config.initial_overlaps) is None:
        return None
    if kind_of(config) == STIEFEL:
        return Start(overlaps.T, np.eye(overlaps.shape[1]), 1.0, config.dim)
    norms = config.needed(RunConfig.init_norm)
    return Start(overlaps, config.initial_student_gram, norms, config.dim, teacher_gram=config.teacher_gram)


def with_second_layer(start: Start, config: RunConfig) -> Start:
    """Return the start with the initial second layer and output scale that the config gives."""
    b, scale = config.initial_second_layer, config.output_scale
    return start if b is None else start.with_second_layer(b, 1.0 if scale is None else scale)
