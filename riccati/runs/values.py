"""The types of the values of a run's keys: one function for each type, which checks and converts a value.

Each of these functions takes the value as a file or a keyword gives it and the key's name, returns the converted value,
and raises an `ArgumentError` under that name for an invalid one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from ..problem import Link, as_schedule, schedule_of_words
from ..support import (
    LOSS_NAMES,
    OVERLAP_NAMES,
    RUN_KINDS,
    ArgumentError,
    require,
    require_finite,
    require_integer,
    require_real,
)

TWO_HOMOGENEOUS, TWO_LAYER, STIEFEL = KINDS = RUN_KINDS
HALF, SQUARE, RISK = CONVENTIONS = LOSS_NAMES
SUBSPACE, NEURON = OVERLAPS = OVERLAP_NAMES
SPHERE = "sphere"  # of `constraint`: each neuron is put back to its norm after every step
CORRELATION = "correlation"  # of `training_loss`: 1 - f*f, whose gradient does not know the student's output

# words for the two losses, without the library's name, spaces, underscores and the word loss
_SQUARES = ("mse", "meansquarederror", "meansquare", "squared", "square", "squarederror", "l2", "(f*-f)^2", "(y-f)^2")
_HALVES = ("half-", "half", "0.5*", "0.5", "1/2*", "1/2", "½*", "½")
_LIBRARIES = re.compile(r"(torch|nn|functional|f|keras|tf|tensorflow|losses|metrics|jnp|flax)\.")
# settings of SGD, with the value that follows as in SGD(momentum=0.9) or as torch prints its optimisers, momentum: 0.9
_BEYOND_PLAIN = re.compile(r"(momentum|nesterov|weight_?decay)['\"]?\s*[=:]\s*([\w.+-]+)")
_OFF = re.compile(r"false|none|[0.]+(e[+-]?\d+)?")


def anything(value: Any, _: str) -> Any:
    """The value unchanged; whether it is valid depends on other keys, or nothing reads it."""
    return value


def whole(value: Any, name: str) -> int:
    """A whole number from 1 on."""
    require_integer(value, name, 1)
    return int(value)


def positive(value: Any, name: str) -> float:
    """A finite number above 0."""
    require_real(value, name, above=0)
    return float(value)


def nonnegative(value: Any, name: str) -> float:
    """A finite number, 0 or above."""
    require_real(value, name, least=0)
    return float(value)


def below_one(value: Any, name: str) -> float:
    """A number from 0 on and below 1."""
    require_real(value, name, least=0)
    require(float(value) < 1, name, "be below 1", value)
    return float(value)


def yes_or_no(value: Any, name: str) -> bool:
    """True or false."""
    require(isinstance(value, (bool, np.bool_)), name, "be true or false", repr(value))
    return bool(value)


def word_of(*known: str) -> Callable[[Any, str], str]:
    """A function that takes one of the `known` words."""

    def word(value: Any, name: str) -> str:
        require(isinstance(value, str) and value in known, name, f"be one of {', '.join(known)}", repr(value))
        return value

    return word


def overlap_words(value: Any, name: str) -> str:
    """A word for what overlaps are: `subspace`, `neuron`, or another program's."""
    require(isinstance(value, str), name, f"be {SUBSPACE} or {NEURON}", repr(value))
    return value


def vector(value: Any, name: str) -> Float[np.ndarray, " n"]:
    """A list of finite numbers as an array."""
    return _array(value, name, 1, "a list of numbers")


def matrix(value: Any, name: str) -> Float[np.ndarray, "m n"]:
    """A list of lists of finite numbers, all of one length, as an array."""
    return _array(value, name, 2, "a list of lists of numbers, all of one length")


def _array(value: Any, name: str, axes: int, rows: str) -> np.ndarray:
    try:
        values = np.asarray(value, float)
    except (TypeError, ValueError):
        values = np.asarray(None, float)
    require(values.ndim == axes and values.size > 0, name, f"be {rows}", "not")
    require_finite(values, name)
    return values


def norms(value: Any, name: str) -> Float[np.ndarray, ...]:
    """A number above 0, or a list of them."""
    for norm in value if isinstance(value, (list, np.ndarray)) else [value]:
        require_real(norm, name, above=0)
    return np.asarray(value, float)


def link_of(value: Any, name: str) -> Link:
    """The link of that name, or of those Hermite coefficients."""
    if isinstance(value, str):
        return Link.named(value)
    try:
        return Link.from_coefficients(vector(value, name))
    except ArgumentError as error:
        raise error.renamed({"coefficients": name}) from None


def links_of(value: Any, name: str) -> list[Link]:
    """A list of links, one a direction."""
    require(isinstance(value, list), name, "be a list of links, one a direction", repr(value))
    return [link_of(each, "link") for each in value]


def is_recorded(schedule: Any) -> bool:
    """Whether it is the dictionary in which a simulation records a schedule that only its times tell."""
    return isinstance(schedule, dict) and "kind" in schedule


def schedule_words(value: Any, name: str) -> Any:
    """Pairs [step, η], a dictionary with a name and its numbers, or the record of a schedule."""
    if value is None or is_recorded(value):
        return value
    if isinstance(value, dict):
        schedule_of_words(value, 1.0)
        return value
    must = "be pairs [step, η], or a dictionary with a name and its numbers"
    require(not isinstance(value, str), name, f'{must}, such as {{"name": "cosine", "T_max": 10000}}', repr(value))
    try:
        as_schedule(value if np.ndim(value) else [value])
    except (ArgumentError, ValueError) as error:
        raise ArgumentError(name, must, "not" if isinstance(error, ValueError) else error.value) from None
    return value


def settings_in(optimiser: str) -> tuple[str, ...]:
    """The keys of settings that the name of an optimiser switches on, as in SGD(momentum=0.9)."""
    settings = _BEYOND_PLAIN.findall(optimiser.lower())
    return tuple(word.replace("weightdecay", "weight_decay") for word, value in settings if not _OFF.fullmatch(value))


def convention_of(loss: Any) -> Any:
    """The convention behind a common name of a loss, such as mse or nn.MSELoss; any other value unchanged.

    mse, mse_loss, mean squared error, squared, l2 and nn.MSELoss are (f* - f)², half_mse and 0.5*mse half of it.
    """
    if not isinstance(loss, str):
        return loss
    word = re.sub(r"[\s_]+|\(\)$|\(reduction=.mean.\)$", "", loss.lower()).replace("**", "^").replace("mean-", "mean")
    if word == RISK:
        return RISK
    half = next((mark for mark in _HALVES if word.startswith(mark)), "")
    rest = word.removeprefix(half).removesuffix("/2")
    while (library := _LIBRARIES.match(rest)) is not None:
        rest = rest[library.end() :]
    if rest == "l2loss" or rest.removesuffix("loss") not in _SQUARES:  # l2_loss is half of it in some libraries
        return loss
    return HALF if half or word.endswith("/2") else SQUARE
