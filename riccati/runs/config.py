"""The keys of a run's JSON file: what each may hold, refused where it cannot be meant."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..problem import Link
from ..support import ArgumentError, require, require_finite, require_integer, require_real
from .rates import check_schedule, listed, refuse_adaptive
from .tables import TOLERANCE

TWO_HOMOGENEOUS, TWO_LAYER, STIEFEL = KINDS = ("two_homogeneous", "two_layer", "stiefel_quadratic")
HALF, SQUARE, RISK = CONVENTIONS = ("0.5*(f*-f)^2", "(f*-f)^2", "risk")
SUBSPACE, NEURON = OVERLAPS = ("subspace", "neuron")
SPHERE = "sphere"  # of `constraint`: each neuron is put back to its norm after every step
# of the student; what is not here is refused by name, and another one is let in here
PARAMETRISATIONS = {TWO_HOMOGENEOUS: "f = Σ |w_i|² σ(<x, w_i>/|w_i|)", TWO_LAYER: "f = Σ b_i σ(<x, w_i>)"}
_OTHER_STUDENTS = {
    "standard": "f = Σ b_i σ(<x, w_i>), called two_layer", "mean_field": "f = Σ b_i σ(<x, w_i>)/N",
    "ntk": "f = Σ b_i σ(<x, w_i>)/√N", "mup": "f = Σ b_i σ(<x, w_i>), with widths in its rates",
}  # fmt: skip
# words for the two losses, without the library's name, spaces, underscores and the word loss
_SQUARES = ("mse", "meansquarederror", "meansquare", "squared", "square", "squarederror", "l2", "(f*-f)^2", "(y-f)^2")
_HALVES = ("half-", "half", "0.5*", "0.5", "1/2*", "1/2", "½*", "½")
_LIBRARIES = re.compile(r"(torch|nn|functional|f|keras|tf|tensorflow|losses|metrics|jnp|flax)\.")
WHERE = "in the run's JSON file, on the command line or as keywords"
_MEANINGS = {  # of keys that are asked for, so short that all of them fit a line
    "information_exponent": " (k of a link h_k, or link)", "beta": " (or second_layer, the list of a_m)",
    "teacher_width": " (M)", "student_width": " (N)", "dim": " (d)", "initial_second_layer": " (b)",
}  # fmt: skip
_WHOLE = ("information_exponent", "dim", "teacher_width", "student_width", "batch_size", "steps_per_epoch")
_POSITIVE = ("learning_rate", "riccati_step", "student_scale")


def convention_of(loss: Any) -> Any:
    """The convention that a loss means in the words people use, as mse or nn.MSELoss; what is none of these as it is.

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


def with_conventions(config: dict[str, Any]) -> dict[str, Any]:
    """The keys, with `loss` and `training_loss` as one of the conventions where their words mean one."""
    return config | {key: convention_of(config[key]) for key in ("loss", "training_loss") if key in config}


def array_of(config: dict[str, Any], key: str, axes: int) -> np.ndarray:
    """A list, or a list of lists, of finite numbers as an array with `axes` axes."""
    try:
        values = np.asarray(config[key], float)
    except (TypeError, ValueError):
        values = np.asarray(None, float)
    rows = "a list of lists of numbers, all of one length" if axes == 2 else "a list of numbers"
    require(values.ndim == axes and values.size > 0, key, f"be {rows}", "not")
    require_finite(values, key)
    return values


def link_of(config: dict[str, Any]) -> Link | None:
    """The link that `link` names or lists the coefficients of; None without the key."""
    if "link" not in config:
        return None
    if isinstance(config["link"], str):
        return Link.named(config["link"])
    try:
        return Link.from_coefficients(array_of(config, "link", 1))
    except ArgumentError as error:
        raise error.renamed({"coefficients": "link"}) from None


def given(config: dict[str, Any], key: str) -> Any:
    """The value of a key that the theory needs.

    Raises:
        ArgumentError: if it is missing.
    """
    require(key in config, key, f"be given, {WHERE}", "missing")
    return config[key]


def kind_of(config: dict[str, Any]) -> str:
    """One of KINDS; where the config does not say, a Riccati step or its parametrisation tells."""
    fallback = STIEFEL if "riccati_step" in config else config.get("parametrisation", TWO_HOMOGENEOUS)
    return config.get("kind", fallback)


def directions_of(config: dict[str, Any]) -> int | None:
    """M, where the config tells it."""
    if "teacher_width" in config or "second_layer" not in config:
        return config.get("teacher_width")
    return len(array_of(config, "second_layer", 1))


def check_config(config: dict[str, Any], kind: str) -> None:
    """Refuse what is there but cannot be meant; what is not there is refused when it is asked for."""
    for key, found in (("parametrisation", config.get("parametrisation")), ("kind", kind)):
        if isinstance(found, str) and found.lower() in _OTHER_STUDENTS:
            known = " or ".join(f"{name}, {form}" for name, form in PARAMETRISATIONS.items())
            other = _OTHER_STUDENTS[found.lower()]
            require(False, key, f"be {known}, of which there is a theory here", f"{found!r}, {other}")
    if "parametrisation" in config:
        _check_choice(config, "parametrisation", tuple(PARAMETRISATIONS))
    require(kind in KINDS, "kind", f"be one of {', '.join(KINDS)}", repr(kind))
    if "parametrisation" in config:
        require(
            config["parametrisation"] == kind, "parametrisation", f"agree with kind, {kind}", config["parametrisation"]
        )
    for key in [key for key in _WHOLE if key in config]:
        require_integer(config[key], key, 1)
    for key in [key for key in _POSITIVE if key in config]:
        require_real(config[key], key, above=0)
    if "beta" in config:
        require_real(config["beta"], "beta", least=0)
    if "second_layer_rate" in config:
        require_real(config["second_layer_rate"], "second_layer_rate", least=0)
        require(kind == TWO_LAYER, "second_layer_rate", f"be left out unless kind is {TWO_LAYER}", "given")
    if "constraint" in config:
        _check_choice(config, "constraint", (SPHERE,))
        require(kind != STIEFEL, "constraint", "be left out for a Stiefel run", "given")
    if kind != STIEFEL and "loss" in config:
        _check_choice(config, "loss", CONVENTIONS)
    if "training_loss" in config:
        require(kind != STIEFEL, "training_loss", "be left out for a Stiefel run", repr(config["training_loss"]))
        _check_choice(config, "training_loss", (HALF, SQUARE))
    if "overlap" in config:
        require(isinstance(config["overlap"], str), "overlap", f"be {SUBSPACE} or {NEURON}", repr(config["overlap"]))
    directions, neurons = directions_of(config), config.get("student_width")
    if "dim" in config:
        widest = max(directions or 1, neurons or 1)
        require(config["dim"] >= widest, "dim", f"be ≥ the widths, so ≥ {widest}", config["dim"])
    require(kind != STIEFEL or listed(config) is None, "schedule", "be left out for a Stiefel run", "given")
    check_schedule(config)
    refuse_adaptive(config)
    link, exponent = link_of(config), config.get("information_exponent")
    if kind == STIEFEL:
        require(exponent in (None, 2), "information_exponent", "be 2 for a Stiefel run", exponent)
        require(link is None or link.degree == 2, "link", "be a multiple of h_2 for a Stiefel run", link)
    elif link is not None and exponent is not None:
        agree = f"be that of link, {link.information_exponent}"
        require(exponent == link.information_exponent, "information_exponent", agree, exponent)
    if "second_layer" in config:
        a = array_of(config, "second_layer", 1)
        require(bool((a != 0).all()), "second_layer", "have no entry that is 0", "0 in one")
        require(directions in (None, len(a)), "second_layer", f"have teacher_width = {directions} entries", len(a))
    _check_start(config, kind, directions, neurons)


def _check_choice(config: dict[str, Any], key: str, known: tuple[str, ...]) -> None:
    require(
        isinstance(config[key], str) and config[key] in known, key, f"be one of {', '.join(known)}", repr(config[key])
    )


def _check_start(config: dict[str, Any], kind: str, directions: int | None, neurons: int | None) -> None:
    if "initial_overlaps" in config:
        overlaps = array_of(config, "initial_overlaps", 2)
        wanted, layout = (neurons, directions), "(student_width, teacher_width)"
        if kind == STIEFEL:
            wanted, layout = (directions, neurons), "(teacher_width, student_width)"
            largest = float(np.linalg.norm(overlaps, 2))
            subspaces = "have no singular value over 1, as Θ and U_0 have orthonormal columns"
            require(largest <= 1 + TOLERANCE, "initial_overlaps", subspaces, f"one of {largest:.6g}")
        agree = all(w in (None, found) for w, found in zip(wanted, overlaps.shape, strict=True))
        shape = tuple("any" if w is None else w for w in wanted)
        require(agree, "initial_overlaps", f"be of shape {layout} = {shape}".replace("'", ""), overlaps.shape)
        neurons = neurons if kind == STIEFEL else overlaps.shape[0]
    if "initial_student_gram" in config:
        gram = array_of(config, "initial_student_gram", 2).shape
        square = gram[0] == gram[1] and neurons in (None, gram[0])
        require(square, "initial_student_gram", f"be square, of side {neurons or 'student_width'}", gram)
    if "init_norm" in config:
        norms = config["init_norm"]
        for norm in norms if isinstance(norms, (list, np.ndarray)) else [norms]:
            require_real(norm, "init_norm", above=0)
        count = np.size(norms) if np.ndim(norms) else None
        require(count in (None, neurons) or neurons is None, "init_norm", f"be one number or {neurons}", count)


def overlap_of(link: Link) -> str:
    """What `alignment` is in theory: for h_2 and z² that with the student's span, else that of one neuron."""
    return SUBSPACE if link.is_quadratic else NEURON


def missing_keys(config: dict[str, Any], kind: str, has_clock: bool) -> list[str]:
    """What theory needs and the config lacks, in words."""
    rate = "riccati_step" if kind == STIEFEL else "learning_rate"
    needed = [] if has_clock else [rate]
    if kind != STIEFEL and "link" not in config:
        needed.append("information_exponent")
    if "second_layer" not in config:
        needed += ["teacher_width", "beta"]
    if "initial_overlaps" not in config:
        needed += [] if "initial_weights" in config else ["student_width", "dim"]
    elif kind != STIEFEL:
        needed.append("init_norm")
    if kind == TWO_LAYER:
        needed.append("initial_second_layer")
    return [key + _MEANINGS.get(key, "") for key in needed if key not in config]
