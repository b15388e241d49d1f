"""Checks of a run's keys and arrays, each by itself and against each other; invalid ones are refused by name.

A missing key is refused only when something needs it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from ..problem import largest_norm
from ..support import require, require_times
from .config import WHERE, Key, RunConfig
from .conventions import PARAMETRISATIONS, algorithm_of, directions_of, kind_of, missing_keys
from .problem_keys import columns_of, covariance_of, is_exponent
from .rates import schedule_of
from .refusals import refuse_not_covered, refuse_reused_samples
from .tables import TOLERANCE
from .values import CONVENTIONS, KINDS, RISK, STIEFEL, TWO_LAYER, is_recorded, settings_in, word_of

_OTHER_STUDENTS = {
    "standard": "f = Σ b_i σ(<x, w_i>), called two_layer",
    "mean_field": "f = Σ b_i σ(<x, w_i>)/N, which is two_layer with output_scale 1/N",
    "ntk": "f = Σ b_i σ(<x, w_i>)/√N, which is two_layer with output_scale 1/√N",
    "mup": "f = Σ b_i σ(<x, w_i>), with widths in its rates",
}  # fmt: skip
_ONLY_UNDER_COVARIANCE = ("preconditioned", "teacher_directions", "initial_weights", "initial_weights_at")
_REPLACED = {"teacher_gram": "teacher_directions", "initial_overlaps": "initial_weights"}  # under a covariance
_BEYOND = ("covariance", "teacher_gram", "teacher_links", "initial_second_layer", *_ONLY_UNDER_COVARIANCE)
_NOT_ON_STIEFEL = ("constraint", "training_loss", "momentum", "dampening", "nesterov", "weight_decay", *_BEYOND)


def check_config(config: RunConfig) -> None:
    """Refuse invalid values of keys, and keys that do not go together.

    Raises:
        ArgumentError: under the key's name.
    """
    refuse_not_covered(config)
    _check_kind(config)
    kind = kind_of(config)
    for key in [key for key in vars(RunConfig).values() if isinstance(key, Key)]:
        key.__get__(config, RunConfig)
    for name in [name for name in _NOT_ON_STIEFEL if name in config]:
        require(kind != STIEFEL, name, "be left out for a Stiefel run", "given")
    require(kind != STIEFEL or schedule_of(config) is None, "schedule", "be left out for a Stiefel run", "given")
    for name in [name for name in ("second_layer_rate", "output_scale") if name in config]:
        require(kind == TWO_LAYER, name, f"be left out unless kind is {TWO_LAYER}", "given")
    _ = algorithm_of(config)  # refuses what excludes each other
    for name in ("optimizer", "optimiser"):
        for setting in settings_in(str(config.get(name, ""))):
            require(setting in config, setting, f"be given as a key beside {name}, which sets it", "missing")
    if kind != STIEFEL and "loss" in config:
        word_of(*CONVENTIONS)(config.loss, "loss")
    if config.loss_has_noise:
        noisy = "label_noise" in config and config.get("loss") != RISK
        require(noisy, "loss_has_noise", "be given with label_noise, and a loss that is not the risk", True)
    _check_teacher(config, kind)
    _check_start(config, kind)
    _check_covariance(config)


def check_rows(
    config: RunConfig,
    steps: Int[np.ndarray, " T"],
    loss: Float[np.ndarray, " T"] | None,
    overlaps: Float[np.ndarray, "T M"] | None,
    clock: Float[np.ndarray, " T"] | None,
) -> None:
    """Refuse the arrays of a run where they disagree with each other or with its keys.

    Raises:
        ArgumentError: under the array's name, or that of a column that is missing.
    """
    rows = np.shape(steps)
    require(len(rows) == 1 and rows[0] > 0, "steps", "be a vector with one entry or more", f"of shape {rows}")
    require(bool(np.all(np.diff(steps) > 0)), "steps", "increase strictly", "not sorted or repeats")
    for name, values in (("loss", loss), ("clock", clock)):
        agree = values is None or np.shape(values) == rows
        require(agree, name, f"be of shape {rows}, as steps is", None if values is None else np.shape(values))
    require(loss is not None or overlaps is not None, "loss", "be given, or overlaps", "missing, as they")
    if clock is not None:
        require_times(clock)
    refuse_reused_samples(int(steps[-1]), config.batch_size or 1, config.dataset_size)
    timed = clock is not None or not is_recorded(config.schedule)
    must = "be a list of pairs [step, η], a name with its numbers, or come with a column canonical_time"
    require(timed, "schedule", must, f"{config.schedule} without one")
    if overlaps is not None:
        shape, width = np.shape(overlaps), directions_of(config)
        require(len(shape) == 2 and shape[:1] == rows, "overlaps", f"be of shape ({rows[0]}, M)", shape)
        last = f"be the last overlap column, as the teacher has {width} directions"
        require(width in (None, shape[1]), f"overlap_{width}", last, f"not: that is overlap_{shape[1]}")


def require_keys(config: RunConfig, has_clock: bool, others: Sequence[str]) -> None:
    """Refuse a run that lacks keys which the theory needs, or keys of `others`, and name all that are missing.

    Raises:
        ArgumentError: if keys of the theory are missing.
    """
    missing = missing_keys(config, has_clock)
    if missing:
        missing += [key for key in others if key not in config]
    if len(missing) == 1 and "or " not in missing[0]:
        config.needed(vars(RunConfig)[missing[0].split()[0]])
    require(not missing, "run", f"give {', '.join(missing)}, {WHERE}", "without")


def is_beyond(config: RunConfig) -> bool:
    """Whether the keys describe a problem beyond the standard one, such as a covariance or signed amplitudes."""
    return any(key in config for key in _BEYOND)


def _check_kind(config: RunConfig) -> None:
    kind = kind_of(config)
    for key, said in (("parametrisation", config.get("parametrisation")), ("kind", kind)):
        if isinstance(said, str) and said.lower() in _OTHER_STUDENTS:
            known = " or ".join(f"{name}, {form}" for name, form in PARAMETRISATIONS.items())
            other = _OTHER_STUDENTS[said.lower()]
            require(False, key, f"be {known}, as the theory covers no other", f"{said!r}, {other}")
    own = config.parametrisation
    require(kind in KINDS, "kind", f"be one of {', '.join(KINDS)}", repr(kind))
    require(own in (None, kind), "parametrisation", f"agree with kind, {kind}", own)


def _check_teacher(config: RunConfig, kind: str) -> None:
    link, exponent, directions = config.link, config.information_exponent, directions_of(config)
    if kind == STIEFEL:
        require(exponent in (None, 2), "information_exponent", "be 2 for a Stiefel run", exponent)
        require(link is None or link.degree == 2, "link", "be a multiple of h_2 for a Stiefel run", link)
    elif link is not None and exponent is not None:
        agree = f"be that of link, {link.information_exponent}"
        require(exponent == link.information_exponent, "information_exponent", agree, exponent)
    if kind == TWO_LAYER and link is not None:
        require(largest_norm(link) > 0, "link", "be known at arguments of any size", repr(link))
    if (a := config.second_layer) is not None:
        require(bool((a != 0).all()), "second_layer", "have no entry that is 0", "0 in one")
        require(directions in (None, len(a)), "second_layer", f"have teacher_width = {directions} entries", len(a))


def _check_start(config: RunConfig, kind: str) -> None:
    directions, neurons = directions_of(config), config.student_width
    if config.dim is not None:
        widest = max(directions or 1, neurons or 1)
        require(config.dim >= widest, "dim", f"be ≥ the widths, so ≥ {widest}", config.dim)
    if (overlaps := config.initial_overlaps) is not None:
        wanted, layout = (neurons, directions), "(student_width, teacher_width)"
        if kind == STIEFEL:
            wanted, layout = (directions, neurons), "(teacher_width, student_width)"
            largest = float(np.linalg.norm(overlaps, 2))
            subspaces = "have no singular value over 1, as Θ and U_0 have orthonormal columns"
            require(largest <= 1 + TOLERANCE, "initial_overlaps", subspaces, f"one of {largest:.6g}")
        agree = all(w in (None, length) for w, length in zip(wanted, overlaps.shape, strict=True))
        shape = tuple("any" if w is None else w for w in wanted)
        require(agree, "initial_overlaps", f"be of shape {layout} = {shape}".replace("'", ""), overlaps.shape)
        neurons = neurons if kind == STIEFEL else overlaps.shape[0]
    if config.initial_student_gram is not None:
        gram = config.initial_student_gram.shape
        square = gram[0] == gram[1] and neurons in (None, gram[0])
        require(square, "initial_student_gram", f"be square, of side {neurons or 'student_width'}", gram)
    if config.init_norm is not None:
        count = config.init_norm.size if config.init_norm.ndim else None
        require(count in (None, neurons) or neurons is None, "init_norm", f"be one number or {neurons}", count)
    must = "be left out, or kind be two_layer"
    require(kind == TWO_LAYER or "initial_second_layer" not in config, "initial_second_layer", must, "given")


def _check_covariance(config: RunConfig) -> None:
    under = "covariance" in config
    for key in [key for key in _ONLY_UNDER_COVARIANCE if key in config]:
        require(under, key, "be left out without a covariance", "given")
    for key in [key for key in _REPLACED if key in config]:
        require(not under, key, f"be left out under a covariance, where {_REPLACED[key]} takes its place", "given")
    alone = "initial_weights_at" in config and "initial_weights" not in config
    require(not alone, "initial_weights_at", "be given with initial_weights", "given without")
    if not under or (is_exponent(config.covariance) and config.dim is None):
        return
    covariance = covariance_of(config)
    assert covariance is not None
    dim = covariance.dim if config.dim is None else config.dim
    require(dim == covariance.dim, "covariance", f"have dim = {dim} eigenvalues", covariance.dim)
    lengths = {"teacher_directions": covariance.dim, "initial_weights": len(columns_of(config, covariance.dim))}
    for name, values in (
        ("teacher_directions", config.teacher_directions),
        ("initial_weights", config.initial_weights),
    ):
        if values is not None:
            require(values.shape[1] == lengths[name], name, f"have rows of length {lengths[name]}", values.shape)
    if config.initial_weights is not None and config.student_width is not None:
        neurons, rows = config.student_width, len(config.initial_weights)
        require(rows == neurons, "initial_weights", f"have student_width = {neurons} rows", rows)
