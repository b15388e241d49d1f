"""The keys of a run's JSON file: one table of them, which is the class `RunConfig`.

A line of the table gives a key's name, the type of its value, its meaning, its unit, other words for it, and what reads
it. The checks of single values, the suggestions for misspelt names and the documentation are made from it (`keys.py`);
how keys go together is in `checks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, NoReturn, TypeVar, overload

from ..support import require
from .refusals import NOT_COVERED, sgd_by_name
from .values import (
    CONVENTIONS,
    CORRELATION,
    HALF,
    KINDS,
    OVERLAPS,
    SPHERE,
    SQUARE,
    TWO_HOMOGENEOUS,
    TWO_LAYER,
    anything,
    below_one,
    convention_of,
    link_of,
    links_of,
    matrix,
    nonnegative,
    norms,
    overlap_words,
    positive,
    schedule_words,
    vector,
    whole,
    word_of,
    yes_or_no,
)  # fmt: skip

T = TypeVar("T")
WHERE = "in the run's JSON file, on the command line or as keywords"
# what reads a key that theory does not read
RECORD = "nothing: how the run was made"
REFUSED = "nothing: refused, unless off"


class Key(Generic[T]):
    """A key of a run: its type, meaning and other names; on a `RunConfig` the attribute of its name is the value.

    Attributes:
        name: as files have it.
        read: from the value in a file and the key's name to the value in its type; refuses invalid values.
        holds: the type in words.
        help: the meaning in one line.
        unit: of the value; empty where it has none.
        synonyms: other words for it, all in lower case.
        reader: what uses it.
        asked_as: the words beside the name in the message that the key is missing.
    """

    name: str

    def __init__(
        self, read: Callable[[Any, str], T], holds: str, help: str, reader: str, *, unit: str = "",
        synonyms: tuple[str, ...] = (), asked_as: str = "",
    ):  # fmt: skip
        self.read, self.holds, self.help, self.reader = read, holds, help, reader
        self.unit, self.synonyms, self.asked_as = unit, synonyms, asked_as

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, config: None, owner: type) -> Key[T]: ...
    @overload
    def __get__(self, config: RunConfig, owner: type) -> T | None: ...
    def __get__(self, config: RunConfig | None, owner: type) -> Key[T] | T | None:
        if config is None:
            return self
        if self.name not in config:
            return None
        if self.name not in config.__dict__:  # a config does not change, so a value is converted once
            config.__dict__[self.name] = self.read(config[self.name], self.name)
        return config.__dict__[self.name]


def _record(help: str) -> Key[Any]:
    return Key(anything, "as it was written", help, RECORD)


def _refused(key: str) -> Key[Any]:
    (row,) = (row for row in NOT_COVERED if row.key == key)
    return Key(anything, "any", f"{row.what}: {row.why}", REFUSED)


class RunConfig(dict[str, Any]):
    """The keys of a run: a read-only dictionary as in the JSON file, with a typed attribute for each known key.

    `config["dim"]`, `"dim" in config`, `config.get("dim")`, `dict(config)` and JSON give what the file holds, with keys
    that are unknown here; `config.dim` is the checked number, or None where the file does not have the key.
    `config | {...}` is another RunConfig. Lists become arrays: `config.initial_overlaps` is (N, M).

    Raises:
        TypeError: when it is written to.
        ArgumentError: when an attribute is read whose value is invalid.

    Example:
        >>> from riccati.runs import RunConfig
        >>> config = RunConfig({"dim": 100, "second_layer": [1.0, 0.5], "mine": "kept"})
        >>> config.dim, config.second_layer.shape, config.beta, config["mine"]
        (100, (2,), None, 'kept')
    """

    # fmt: off
    kind = Key(word_of(*KINDS), " or ".join(KINDS), "how the weights move", "student")
    parametrisation = Key(word_of(TWO_HOMOGENEOUS, TWO_LAYER), f"{TWO_HOMOGENEOUS} or {TWO_LAYER}",
        "the student: Σ |w_i|² σ(<x, w_i>/|w_i|) or Σ b_i σ(<x, w_i>)", "student")
    information_exponent = Key(whole, "whole number", "k of a link h_k", "teacher",
        synonyms=("k",), asked_as=" (k of a link h_k, or link)")
    link = Key(link_of, "name, or list of numbers", "σ: its name, or its Hermite coefficients", "teacher",
        synonyms=("activation",))
    dim = Key(whole, "whole number", "d, dimension of the input", "start, step",
        synonyms=("d", "input_dim", "dimension"), asked_as=" (d)")
    teacher_width = Key(whole, "whole number", "M, directions of the teacher", "teacher",
        synonyms=("m",), asked_as=" (M)")
    student_width = Key(whole, "whole number", "N, neurons of the student", "start",
        synonyms=("n", "width"), asked_as=" (N)")
    beta = Key(nonnegative, "number ≥ 0", "β of a_m ∝ m^-β, of norm 1", "teacher",
        synonyms=("alpha",), asked_as=" (or second_layer, the list of a_m)")
    second_layer = Key(vector, "M numbers, none of them 0", "a_m, of any norm", "teacher", synonyms=("a",))
    learning_rate = Key(positive, "number > 0", "η of SGD", "clock, step",
        unit="canonical time per step", synonyms=("lr", "eta", "stepsize", "step_size"))
    batch_size = Key(whole, "whole number", "B, samples of a step", "step", unit="samples", synonyms=("batch", "bs"))
    riccati_step = Key(positive, "number > 0", "ε of Stiefel SGD", "clock, step",
        unit="Riccati time per step", synonyms=("epsilon",))
    student_scale = Key(positive, "number > 0", "c of a Stiefel student", "step", synonyms=("c",))
    init_norm = Key(norms, "number > 0, or N of them", "|w_i| at step 0", "start",
        unit="of the weights", synonyms=("norm",))
    initial_overlaps = Key(matrix, "N x M numbers (Stiefel: M x N)", "<w_i, θ_m>/|w_i| at step 0 (Stiefel: ΘᵀU_0)",
        "start")
    initial_student_gram = Key(matrix, "N x N numbers", "<w_i, w_j>/(|w_i||w_j|) at step 0", "start",
        synonyms=("gram", "q"))
    loss = Key(anything, " or ".join(CONVENTIONS), "what the loss column holds; for Stiefel SGD, the risk in any words",
        "loss column")
    training_loss = Key(word_of(HALF, SQUARE, CORRELATION), f"{HALF}, {SQUARE} or {CORRELATION}",
        "what SGD descends: a step is η of canonical time, for (f*-f)^2 2η", "clock, step")
    loss_has_noise = Key(yes_or_no, "true or false", "whether the loss is on noisy labels, with Δ E f*² on top of "
        "(f*-f)^2; without it, as the column shows", "loss column")
    overlap = Key(overlap_words, " or ".join(OVERLAPS), "what overlap columns hold: diag G, or max_i cos²",
        "overlap columns")
    steps_per_epoch = Key(whole, "whole number", "steps of an epoch, where a log counts epochs", "step column",
        unit="steps")
    schedule = Key(schedule_words, "pairs [step, η], or a name and its numbers", "η from each of these steps on, or "
        "cosine, linear, step, power_law or constant, with warmup", "clock", unit="canonical time per step")
    optimizer = Key(sgd_by_name, "text", "must name SGD", "check of the algorithm")
    optimiser = Key(sgd_by_name, "text", "the same", "check of the algorithm")
    dataset_size = Key(whole, "whole number", "samples that steps draw from, where they are not fresh",
        "check of the algorithm", unit="samples", synonyms=("train_size", "n_train", "num_train", "num_train_samples",
        "n_train_samples", "training_set_size", "train_set_size"))
    momentum = Key(below_one, "number ≥ 0, < 1", "μ, as torch.optim.SGD has it", "clock, step", synonyms=("mu",))
    dampening = Key(below_one, "number ≥ 0, < 1", "as torch.optim.SGD has it", "clock, step")
    nesterov = Key(yes_or_no, "true or false", "as torch.optim.SGD has it", "step")
    weight_decay = Key(nonnegative, "number ≥ 0", "λ, as torch.optim.SGD has it", "step", synonyms=("wd",))
    label_noise = Key(nonnegative, "number ≥ 0", "Δ, variance of y - f*(x) over E f*²", "teacher", synonyms=("noise",))
    covariance = Key(anything, "d numbers, or pairs, or a number",
        "of the input: its eigenvalues, pairs of one and how many follow, or the exponent of i^-exponent",
        "teacher, start", synonyms=("eigenvalues", "sigma"))
    preconditioned = Key[bool](anything, "true or false", "whether steps are whitened by Σ^-1", "teacher")
    teacher_gram = Key(matrix, "M x M numbers", "<θ_m, θ_n>", "teacher, start")
    teacher_directions = Key(matrix, "M x d numbers", "θ_m in the eigenbasis of the covariance", "teacher, start")
    teacher_links = Key(links_of, "M links", "a link for each direction", "teacher", synonyms=("links",))
    initial_weights = Key(matrix, "N x d numbers", "w_i at step 0 in the eigenbasis of the covariance", "start")
    initial_weights_at = Key(vector, "whole numbers", "which columns initial_weights are; others are 0", "start")
    initial_second_layer = Key(vector, "N numbers", "b of a two_layer student at step 0", "start",
        synonyms=("b",), asked_as=" (b)")
    output_scale = Key(positive, "number > 0", "c of a two_layer student f = c Σ b_i σ(<x, w_i>)", "start, step")
    link_function = Key(anything, "text", "the name of a function that link is a series of", "check of the link")
    second_layer_rate = Key(nonnegative, "number ≥ 0", "κ, the rate of b over η; 0 where b is frozen", "step")
    constraint = Key(word_of(SPHERE), SPHERE, "neurons are put back to their norm after each step", "step")

    note, notes = _record("words of whoever wrote the file"), _record("lines of Run.notes")
    assumed, recorder = _record("lines of Run.assumed"), _record("what logged the run")
    steps, rows = _record("how many were taken"), _record("how many were logged")
    seed, seeds, start_seed = _record("of the run"), _record("of the ensemble"), _record("of the start")
    coordinates, engine = _record("reduced or direct"), _record("rule and coordinates, up to 0.5")
    dtype, versions = _record("of the weights"), _record("of packages")
    final_overlaps, final_norms = _record("signed, at the last row"), _record("|w_i| at the last row")
    final_student_gram = _record("<w_i, w_j>/(|w_i||w_j|) at the last row")
    diverged_at_step = _record("the first step whose weights were not finite")

    epochs, gradient_clipping, dropout = _refused("epochs"), _refused("gradient_clipping"), _refused("dropout")
    batch_norm, layer_norm, bias = _refused("batch_norm"), _refused("layer_norm"), _refused("bias")
    # fmt: on

    def needed(self, key: Key[T]) -> T:
        """The value of a key that the theory needs.

        Raises:
            ArgumentError: if it is missing or invalid.
        """
        value = key.__get__(self, RunConfig)
        require(value is not None, key.name, f"be given, {WHERE}", "missing")
        assert value is not None
        return value

    def with_conventions(self) -> RunConfig:
        """The same keys with `loss` and `training_loss` written as conventions, where other words for one are given."""
        return self | {key: convention_of(self[key]) for key in ("loss", "training_loss") if key in self}

    def __or__(self, other: Mapping[str, Any]) -> RunConfig:  # type: ignore[override]
        return RunConfig({**self, **other})

    def __ior__(self, other: Mapping[str, Any]) -> RunConfig:  # type: ignore[override]
        return self | other

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            "the keys of a run are read only; another run has dataclasses.replace(run, config=run.config | {…})"
        )

    __setitem__ = __delitem__ = __setattr__ = __delattr__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple:
        return RunConfig, (dict(self),)
