"""What each flow, law, limit and simulation covers: one table, from which refusals and documentation are made.

A row of `Feature` is a property that a teacher, a start or an algorithm may have; an entry of `COVERS` says, for one
consumer (a flow, law or simulation) and information exponent, which of these properties it handles. `require_covered`
refuses what is not covered, and `uncovered` says in words what is not. A new feature is one row of `Feature`, a new
consumer one entry of `COVERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Array

from ..support import ArgumentError, is_traced

if TYPE_CHECKING:  # which refuse problems by this table themselves
    from .sgd import SGD
    from .teacher import Teacher


class AStart(Protocol):
    """What is asked of a start, one with all overlaps or a typical one."""

    @property
    def is_typical(self) -> bool:
        """Whether it has typical overlaps alone."""

    @property
    def dim(self) -> int | None:
        """d, None where it is not known."""

    @property
    def second_layer(self) -> Array | None:
        """b of a two-layer student."""


GivenStart = AStart | None


class Feature(Enum):
    """A property of a problem that some consumers do not cover; the members are in the order in which they are refused.

    A row is (words, argument, must, has), and `of` where the property is one of some teachers alone.

    Attributes:
        words: what it is called.
        argument: the argument that has it, `teacher`, `start` or `sgd`.
        must: what that argument has to do or be instead.
        has: whether such an argument has it.
        of: whether it is a property of problems with such a teacher.
    """

    SIGNED = (
        "negative a", "teacher", "have a > 0 in every entry",
        lambda teacher: not is_traced(teacher.a) and bool((np.asarray(teacher.a) < 0).any()),
    )  # fmt: skip
    CORRELATED = (
        "correlated directions", "teacher", "have orthonormal directions",
        lambda teacher: teacher.frame is not None,
    )  # fmt: skip
    MIXED = (
        "a link for each direction", "teacher", "have one link for all directions",
        lambda teacher: teacher.links is not None,
    )  # fmt: skip
    ANISOTROPIC = (
        "anisotropic input", "teacher", "live on isotropic input",
        lambda teacher: teacher.covariance is not None,
    )  # fmt: skip
    OBLIQUE = (
        "directions that are no eigenvectors of the covariance", "teacher",
        "have directions along eigenvectors of the covariance",
        lambda teacher: teacher.covariance is not None and teacher.frame is not None,
    )  # fmt: skip
    TWO_LAYER = (
        "a two-layer student", "start", "be of a 2-homogeneous student, without `second_layer`,",
        lambda start: start.second_layer is not None,
    )  # fmt: skip
    COMMITTEE = (
        "a second layer on a link without σ(λz) = λσ(z)", "start",
        "have no `second_layer`, unless the link has σ(λz) = λσ(z) as relu,",
        lambda start: start.second_layer is not None, lambda teacher: not teacher.link.is_homogeneous,
    )  # fmt: skip
    SEVERAL_DEGREES = (
        "a link of several Hermite degrees", "teacher", "have a pure link h_k",
        lambda teacher: teacher.link.only_degree is None,
    )  # fmt: skip
    UNCENTRED = (
        "a link with c_0 ≠ 0", "teacher", "have a link with c_0 = 0",
        lambda teacher: not teacher.link.is_centred,
    )  # fmt: skip
    STEEP = (
        "a link with infinite g'(1)", "teacher", "have a link with finite g'(1), a smooth one such as erf for sign,",
        lambda teacher: not teacher.link.has_finite_slope,
    )  # fmt: skip
    TYPICAL = (
        "typical overlaps alone", "start", "hold all overlaps, as Start.random does,",
        lambda start: start.is_typical,
    )  # fmt: skip
    DIMENSIONLESS = (
        "no dimension", "start", "have a dimension, as in Start(…, dim=d),",
        lambda start: start.dim is None,
    )  # fmt: skip
    NOISY = (
        "label noise", "teacher", "have labels without noise",
        lambda teacher: teacher.noise is not None,
    )  # fmt: skip
    MOMENTUM = (
        "momentum", "sgd", "have no momentum",
        lambda sgd: sgd.momentum > 0,
    )  # fmt: skip
    WEIGHT_DECAY = (
        "weight decay", "sgd", "have no weight decay",
        lambda sgd: sgd.weight_decay > 0,
    )  # fmt: skip
    CORRELATION_LOSS = (
        "the correlation loss", "sgd", "be of the squared loss",
        lambda sgd: sgd.loss == "correlation",
    )  # fmt: skip
    SPHERE = (
        "neurons on the sphere", "sgd", 'be without constraint="sphere"',
        lambda sgd: sgd.constraint == "sphere",
    )  # fmt: skip

    def __init__(
        self, words: str, argument: str, must: str, has: Callable[[Any], bool],
        of: Callable[[Teacher], bool] = lambda teacher: True,
    ):  # fmt: skip
        self.words, self.argument, self.must, self.has, self.of = words, argument, must, has, of

    def holds(self, teacher: Teacher, start: GivenStart, sgd: SGD | None) -> bool:
        """Whether the argument that may have it has it; False where that is not given."""
        given = {"teacher": teacher, "start": start, "sgd": sgd}[self.argument]
        return given is not None and self.of(teacher) and self.has(given)

    def __repr__(self) -> str:
        return f"Feature.{self.name}"


F = Feature
_LINKS = {F.SEVERAL_DEGREES, F.UNCENTRED}
_TEACHERS = {F.SIGNED, F.CORRELATED, F.MIXED, F.ANISOTROPIC}
_TWO_LAYERS = {F.TWO_LAYER, F.COMMITTEE}
_LIMIT = {F.NOISY, F.MOMENTUM}  # the gradient flow does not see noise, and momentum changes its clock alone
_TRAINING = {F.NOISY, F.MOMENTUM, F.WEIGHT_DECAY, F.CORRELATION_LOSS, F.SPHERE}
_BY_REPLICAS = {*_LINKS, *_TEACHERS, *_TWO_LAYERS, *_TRAINING}


def _every(covered: set[Feature]) -> dict[int, set[Feature]]:
    return {order: covered for order in (1, 2, 3)}


# what each consumer covers, by information exponent k of the student's link: 1, 2, and 3 for all k > 2
COVERS: dict[str, dict[int, set[Feature]]] = {
    "Riccati": {2: {F.SIGNED, F.CORRELATED, F.DIMENSIONLESS, *_LIMIT}},
    'Riccati(method="ode")': {2: {F.SIGNED, F.DIMENSIONLESS, *_LIMIT}},
    "Quadratic": {2: {F.SIGNED, F.CORRELATED, F.UNCENTRED, F.DIMENSIONLESS, F.WEIGHT_DECAY, *_LIMIT}},
    "Decoupled": {3: {F.SEVERAL_DEGREES, F.SIGNED, F.ANISOTROPIC, F.TYPICAL, F.DIMENSIONLESS, *_LIMIT}},
    "Coupled": _every({*_LINKS, *_TEACHERS, F.OBLIQUE, *_TWO_LAYERS, F.DIMENSIONLESS, *_TRAINING}),
    "Correlation": _every({*_LINKS, F.DIMENSIONLESS, *_LIMIT, F.CORRELATION_LOSS, F.SPHERE}),
    "FiniteStep": _every({*_LINKS, *_TEACHERS, *_TWO_LAYERS, F.DIMENSIONLESS, *_TRAINING}),
    'FiniteStep(pairs="own")': {3: {F.TYPICAL, F.DIMENSIONLESS, *_LIMIT}},
    'FiniteStep(constraint="stiefel")': {2: {F.SIGNED, F.NOISY}},
    "emergence_law": {1: _BY_REPLICAS, 2: _BY_REPLICAS, 3: {F.TYPICAL, *_BY_REPLICAS}},
    "risk_law": {1: _BY_REPLICAS, 2: _BY_REPLICAS, 3: {F.TYPICAL, *_BY_REPLICAS}},
    "largest_step": {2: {F.TYPICAL, F.DIMENSIONLESS, F.NOISY}, 3: {F.TYPICAL, F.DIMENSIONLESS, F.NOISY}},
    "largest_step of Stiefel SGD": {2: {F.TYPICAL, F.NOISY}},
    "recommended_step": {2: set(), 3: {F.TYPICAL}},
    "optimal_schedule": {2: set(), 3: {F.TYPICAL}},
    "sharp_limit": {2: {F.SEVERAL_DEGREES, F.ANISOTROPIC, F.NOISY}, 3: {F.SEVERAL_DEGREES, F.ANISOTROPIC, F.NOISY}},
    "frontier": {2: {F.NOISY}, 3: {F.SEVERAL_DEGREES, F.NOISY}},
    "samples_to_learn": {2: set(), 3: set()},
    "infer_beta": {2: {F.MOMENTUM}, 3: {F.MOMENTUM}},
    "infer_second_layer": {2: {F.MOMENTUM}, 3: {F.MOMENTUM}},
    "coverage of the correlation loss": {3: {*_LINKS, F.NOISY}},
    "Start.typical": _every({*_LINKS, F.STEEP, F.SIGNED, F.ANISOTROPIC, F.NOISY}),
    "SGD": _every({*_LINKS, F.STEEP, *_TEACHERS, F.OBLIQUE, *_TWO_LAYERS, *_TRAINING - {F.SPHERE}}),
    "SGD at a rate that follows the direction": _every({*_LINKS, F.STEEP, *_TRAINING}),
    "SGD on the sphere": _every(
        {*_LINKS, F.STEEP, F.SIGNED, F.CORRELATED, F.MIXED, *_TWO_LAYERS, *_TRAINING - {F.WEIGHT_DECAY}}
    ),
    "Stiefel SGD": {2: {F.SIGNED, F.NOISY}},
    "second_phase": _every({*_LINKS, F.STEEP, *_TEACHERS, F.OBLIQUE, *_TWO_LAYERS, F.DIMENSIONLESS, F.NOISY}),
}
WITHOUT_START = (
    "sharp_limit", "frontier", "samples_to_learn", "coverage of the correlation loss", "Start.typical",
)  # fmt: skip
# those that are of no algorithm, or have one of their own
WITHOUT_SGD = (
    *WITHOUT_START, "largest_step", "largest_step of Stiefel SGD", "recommended_step", "optimal_schedule",
    'FiniteStep(constraint="stiefel")', "Stiefel SGD", "second_phase",
)  # fmt: skip
_OTHERS = "Coupled"  # the flow that takes most, and is recommended where another refuses
_MOST = 3  # stands for all larger information exponents


class _Gap(NamedTuple):
    """A property of a problem that a consumer does not cover: in words, its argument, and what that must be instead."""

    words: str
    argument: str
    must: str
    elsewhere: bool


def features(teacher: Teacher, start: GivenStart = None, sgd: SGD | None = None) -> list[Feature]:
    """The features of a problem, and of an algorithm, in the order of `Feature`.

    Amplitudes that are traced count as positive, as nothing can read their signs; so does a second layer.
    """
    return [feature for feature in Feature if feature.holds(teacher, start, sgd)]


def uncovered(consumer: str, teacher: Teacher, start: GivenStart = None, sgd: SGD | None = None) -> list[str]:
    """What of a problem and an algorithm `consumer`, a key of `COVERS`, does not cover, in words; empty for nothing."""
    return [gap.words for gap in _gaps(consumer, teacher, start, sgd)]


def require_covered(consumer: str, teacher: Teacher, start: GivenStart = None, sgd: SGD | None = None) -> None:
    """Refuse a problem or an algorithm that `consumer`, a key of `COVERS`, does not cover.

    Raises:
        ArgumentError: on the teacher, the start or `sgd`, with what it must have and the feature that it has.
    """
    for gap in _gaps(consumer, teacher, start, sgd):
        remedy = f" ({_OTHERS}() takes others)" if gap.elsewhere and consumer != _OTHERS else ""
        raise ArgumentError(gap.argument, f"{gap.must} for {consumer}{remedy}", f"one with {gap.words}")


def require_algorithm(consumer: str, sgd: SGD) -> None:
    """Refuse an algorithm that `consumer` does not cover of any teacher.

    Raises:
        ArgumentError: on `sgd`, with what it must have and the feature that it has.
    """
    covered = set().union(*COVERS[consumer].values())
    for feature in Feature:
        if feature.argument == "sgd" and feature not in covered and feature.has(sgd):
            raise ArgumentError("sgd", f"{feature.must} for {consumer}", f"one with {feature.words}")


def _gaps(consumer: str, teacher: Teacher, start: GivenStart, sgd: SGD | None) -> Iterator[_Gap]:
    rows, k = COVERS[consumer], teacher.link.information_exponent
    order = min(k, _MOST)
    covered = rows.get(order, set().union(*rows.values()))
    for feature in Feature:
        if feature is F.SEVERAL_DEGREES and order not in rows:  # before what else the link may have
            yield _Gap(f"information exponent {k}, {teacher.link!r}", "teacher", _link_of(consumer), True)
        if feature in covered or not feature.holds(teacher, start, sgd):
            continue
        pure = feature in _LINKS and F.SEVERAL_DEGREES not in covered
        must = _link_of(consumer) if pure else feature.must
        words = f"{feature.words}, {teacher.link!r}" if feature in _LINKS else feature.words
        taken = COVERS[_OTHERS][order] - {F.DIMENSIONLESS, *_TRAINING}
        yield _Gap(words, feature.argument, must, feature in taken)


def _link_of(consumer: str) -> str:
    """What link the teacher must have for a consumer."""
    rows = COVERS[consumer]
    pure = {order for order, covered in rows.items() if F.SEVERAL_DEGREES not in covered}
    only_two = "a link c_0 + c_2 h_2" if F.UNCENTRED in rows.get(2, ()) else "the pure link h_2"
    names = {(2,): only_two, (3,): "a pure link h_k, k > 2", (2, 3): "a pure link h_k, k ≥ 2"}
    others = {(3,): "information exponent > 2", (2, 3): "information exponent ≥ 2"}
    parts = [names.get(tuple(sorted(pure))), others.get(tuple(sorted(set(rows) - pure)))]
    return f"have {', or '.join(part for part in parts if part)}"


def table() -> str:
    """The table as Markdown: a row for each consumer, a column for each feature, and which k they are covered for."""
    orders = {1: "k = 1", 2: "k = 2", _MOST: "k > 2"}
    lines = [["", "link", *(feature.words for feature in Feature)]]
    for consumer, rows in COVERS.items():
        link = "any k" if len(rows) == len(orders) else ", ".join(orders[order] for order in sorted(rows))
        cells = []
        for feature in Feature:
            having = [order for order in sorted(rows) if feature in rows[order]]
            without = {"start": WITHOUT_START, "sgd": WITHOUT_SGD}.get(feature.argument, ())
            if consumer in without:
                cells.append("–")
            else:
                cells.append("yes" if len(having) == len(rows) else ", ".join(orders[order] for order in having))
        lines.append([f"`{consumer}`" if " " not in consumer else consumer, link, *cells])
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
