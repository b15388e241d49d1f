"""The meaning of a run's keys for the weights, the clock, the loss and the overlaps, and what is assumed without them.

SGD on (f* - f)² is SGD on ½(f* - f)² at twice the rate. Derived in derivations/clocks.py.
"""

from __future__ import annotations

import numpy as np

from ..problem import SGD, Link
from ..support import TrainedLoss
from .config import Key, RunConfig
from .values import (
    CORRELATION,
    HALF,
    NEURON,
    OVERLAPS,
    SQUARE,
    STIEFEL,
    SUBSPACE,
    TWO_HOMOGENEOUS,
    TWO_LAYER,
)  # fmt: skip

# of the student; what is not here is refused by name, and another one is let in here
PARAMETRISATIONS = {TWO_HOMOGENEOUS: "f = Σ |w_i|² σ(<x, w_i>/|w_i|)", TWO_LAYER: "f = c Σ b_i σ(<x, w_i>)"}
# what an SGD object and a run's keys have by the same name
OF_ALGORITHM = ("constraint", "second_layer_rate", "momentum", "dampening", "nesterov", "weight_decay")
# other programs' words for the two definitions
_SUBSPACE_WORDS, _NEURON_WORDS = ("g_mm", "diag", "projector", "span", "subspace"), ("max", "neuron")


def kind_of(config: RunConfig) -> str:
    """Return the kind that the config gives, or that its Riccati step or parametrisation implies."""
    fallback = STIEFEL if "riccati_step" in config else config.get("parametrisation", TWO_HOMOGENEOUS)
    return config.get("kind", fallback)


def directions_of(config: RunConfig) -> int | None:
    """Return M, or None where the config does not give it."""
    if "teacher_width" in config or config.second_layer is None:
        return config.teacher_width
    return len(config.second_layer)


def rate_key(config: RunConfig) -> Key[float]:
    """Return the key of the learning rate: ε for Stiefel SGD, else η."""
    return RunConfig.riccati_step if kind_of(config) == STIEFEL else RunConfig.learning_rate


def sgd_of_keys(config: RunConfig) -> SGD:
    """Return the algorithm on ½(f* - f)² with the rate that the keys give; its batch size is 1 where they give none.

    A rate η of SGD on (f* - f)² is 2η here, and a Riccati step ε is SGD under the constraint "stiefel" at ε/2.

    Raises:
        ArgumentError: if the rate is missing.
    """
    batch = config.batch_size or 1
    if kind_of(config) == STIEFEL:
        return SGD.from_riccati_step(config.needed(RunConfig.riccati_step), batch)
    factor = clock_factor(config)
    given = {name: getattr(config, name) for name in OF_ALGORITHM if name in config}
    if "weight_decay" in given:  # η(2∇L + λw) = 2η(∇L + λw/2)
        given["weight_decay"] /= factor
    loss: TrainedLoss = "correlation" if config.training_loss == CORRELATION else "squared"
    return SGD(factor * config.needed(RunConfig.learning_rate), batch, loss=loss, **given)


def algorithm_of(config: RunConfig) -> SGD:
    """Return the algorithm at the rate 1, whatever rate the keys give."""
    return sgd_of_keys(config | {rate_key(config).name: 1.0})


def algorithm_keys(sgd: SGD) -> RunConfig:
    """Return what an algorithm has beside its learning rate, batch size and loss, as keys of a run's JSON file.

    Of Stiefel SGD nothing, which the key `kind` names.
    """
    plain = SGD(1.0)
    held = {} if sgd.on_stiefel else {name: getattr(sgd, name) for name in OF_ALGORITHM}
    return RunConfig({name: value for name, value in held.items() if value != getattr(plain, name)})


def time_factor(config: RunConfig) -> float:
    """Return canonical time per step over the learning rate: the clock's factor, and that of the momentum."""
    return clock_factor(config) * algorithm_of(config).momentum_factor


def clock_factor(config: RunConfig) -> int:
    """Return canonical time per step over the learning rate: 2 for SGD on (f* - f)², 1 for that on half of it."""
    return 2 if config.get("training_loss", config.loss) == SQUARE else 1


def overlap_of(link: Link) -> str:
    """Return the definition of `alignment` for a link: `subspace` for h_2 and z², else `neuron`."""
    return SUBSPACE if link.is_quadratic else NEURON


def overlap_said(config: RunConfig) -> str | None:
    """Return the definition that `overlap` names, in these or another program's words; None if neither or both."""
    said = (config.overlap or "").lower()
    if said in OVERLAPS:
        return said
    meant = {
        name
        for name, words in ((SUBSPACE, _SUBSPACE_WORDS), (NEURON, _NEURON_WORDS))
        if any(word in said for word in words)
    }
    return meant.pop() if len(meant) == 1 else None


def missing_keys(config: RunConfig, has_clock: bool) -> list[str]:
    """Return the keys that theory needs and the config lacks, in words."""
    kind = kind_of(config)
    needed: list[Key] = []
    if not has_clock:
        needed.append(rate_key(config))
    if kind != STIEFEL and "link" not in config:
        needed.append(RunConfig.information_exponent)
    if "second_layer" not in config:
        needed += [RunConfig.teacher_width, RunConfig.beta]
    if "initial_overlaps" not in config:
        needed += [] if "initial_weights" in config else [RunConfig.student_width, RunConfig.dim]
    elif kind != STIEFEL:
        needed.append(RunConfig.init_norm)
    if kind == TWO_LAYER:
        needed.append(RunConfig.initial_second_layer)
    return [key.name + key.asked_as for key in needed if key.name not in config]


def assumed(config: RunConfig, has_loss: bool, has_overlaps: bool) -> tuple[str, ...]:
    """Return what is assumed where the keys say nothing, a line each."""
    lines, kind = [], kind_of(config)
    if "kind" not in config and "parametrisation" not in config:
        student = f", {PARAMETRISATIONS[kind]}" if kind in PARAMETRISATIONS else ""
        lines.append(f"kind is not given: {kind}{student}")
    if kind != STIEFEL:
        lines += _on_losses(config, has_loss)
        if "initial_overlaps" in config and "initial_student_gram" not in config:
            lines.append("no initial_student_gram: neurons taken as orthogonal outside the teacher's span")
    if has_overlaps:
        said, taken = overlap_said(config), "as theory has them (subspace for h_2, else neuron)"
        if said is None:
            lines.append(f"overlap does not say what the overlaps are: {taken}")
        elif config.overlap not in OVERLAPS:
            lines.append(f"overlap is {config.overlap!r}: taken as {said}")
    return tuple(lines)


def _on_losses(config: RunConfig, has_loss: bool) -> list[str]:
    lines = []
    if "learning_rate" in config and isinstance(config.schedule, (list, tuple, np.ndarray)):
        lines.append(f"schedule sets the clock: learning_rate, {config['learning_rate']}, is not used")
    if has_loss and "loss" not in config:
        lines.append(f"loss is not given: the loss column is taken as {HALF}")
    if "training_loss" not in config and ("learning_rate" in config or "schedule" in config):
        descended = config.loss if config.loss in (HALF, SQUARE) else HALF
        lines.append(f"training_loss is not given: SGD on {descended}, which sets the clock")
    return lines
