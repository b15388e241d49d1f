"""The table of problem/scope.py, cell by cell: what it says is covered computes, the rest is refused by name."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import riccati as rc
from riccati.laws import destination_probabilities, simulated_coverage
from riccati.laws.replicas import dynamics_of
from riccati.problem import COVERS, Feature, features, uncovered
from riccati.problem.scope import WITHOUT_SGD, WITHOUT_START, table
from riccati.scaling import (
    infer_beta,
    infer_second_layer,
    optimal_schedule,
    recommended_step,
    samples_to_learn,
    sharp_limit,
)
from riccati.scaling.students import students_of

D, NORM = 20, 0.3  # with one neuron a typical start has the shapes of a full one, and its programs
A = np.array([1.0])
SPIKED = rc.Covariance(np.repeat([2.0, 1.0], [1, D - 1]))
ORDERS = {1: 1, 2: 2, 3: 4}  # the degree of the pure link of each row, where neither sign of an overlap is refused


def link_of(order, feature):
    """A link of this information exponent with the feature, None where there is none."""
    k = ORDERS[order]
    pure = np.eye(k + 3)[k]
    if feature == Feature.STEEP:
        return rc.Link.named("sign") if order == 1 else None
    if feature == Feature.TWO_LAYER:  # without being a committee machine
        return {1: rc.Link.hermite(1), 2: rc.Link.named("abs")}.get(order)
    if feature == Feature.COMMITTEE and order == 1:
        return None
    if feature == Feature.SEVERAL_DEGREES:
        return rc.Link.from_coefficients(pure + 0.3 * np.eye(k + 3)[k + 2])
    return (
        rc.Link.from_coefficients(pure + 0.3 * np.eye(k + 3)[0])
        if feature == Feature.UNCENTRED
        else (rc.Link.hermite(k))
    )


@cache
def problem_of(order, feature):
    """A teacher and a start with the feature, and, but for what that needs, no other; None where there is none."""
    link = link_of(order, feature)
    if link is None:
        return None
    two = np.eye(2, D) + 0.1 * np.eye(2, D)[::-1]
    kinds = {
        Feature.CORRELATED: lambda: rc.Teacher.from_directions(two, [1.0, 0.6], link, lengths="divided"),
        Feature.SIGNED: lambda: rc.Teacher([1.0, -0.6], link),
        Feature.MIXED: lambda: rc.Teacher(A, link, links=[link]),
        Feature.NOISY: lambda: rc.Teacher(A, link, noise=0.5),
        Feature.ANISOTROPIC: lambda: rc.Teacher(A, link, covariance=SPIKED),
        Feature.OBLIQUE: lambda: rc.Teacher.from_directions(two[:1], A, link, covariance=SPIKED),
    }
    teacher = kinds.get(feature, lambda: rc.Teacher(A, link))()
    start = rc.Start.random(teacher, 1, D, norm=NORM, seed=1)
    if feature in (Feature.TWO_LAYER, Feature.COMMITTEE):
        start = start.with_second_layer(0.1)
    if feature == Feature.TYPICAL:
        start = rc.Start.typical(teacher, 1, D, norm=NORM)
    if feature == Feature.DIMENSIONLESS:
        start = rc.Start(start.teacher_overlaps, start.student_gram, NORM)
    return teacher, start


# the fields of an algorithm with the feature, as SGD and as a run's keys have them
FIELDS = {
    Feature.MOMENTUM: {"momentum": 0.5},
    Feature.WEIGHT_DECAY: {"weight_decay": 0.1},
    Feature.CORRELATION_LOSS: {"loss": "correlation"},
    Feature.SPHERE: {"constraint": "sphere"},
}
KEYS = {**FIELDS, Feature.CORRELATION_LOSS: {"training_loss": "correlation"}}
# flows that are chosen for an algorithm by the table alone (compare), and have no argument for it
BY_THE_TABLE = ("Riccati", 'Riccati(method="ode")', "Decoupled", "Correlation", 'FiniteStep(pairs="own")')


def checked(flow):
    return lambda teacher, start, feature: flow.check(rc.Problem(teacher, start))


def of_algorithm(flow):
    """A flow that is made of an algorithm; the problem is looked at first."""

    def call(teacher, start, feature):
        for fields in ({}, FIELDS.get(feature, {})):
            flow.of(rc.SGD(1e-4, **fields)).check(rc.Problem(teacher, start))

    return call


def finite_step(teacher, start, feature):
    of_all = rc.FiniteStep.of(rc.SGD(1e-4, **FIELDS.get(feature, {})), D).settings()
    of_all["pairs"] = None if teacher.link.degree == 2 else "all"
    rc.FiniteStep(**of_all).check(rc.Problem(teacher, start))


def law(function, **settings):
    """A law of SGD; where replicas give it, no more than their dynamics is made, once the problem is accepted."""
    consumer = function.__name__

    def call(teacher, start, feature):
        sgd = rc.SGD(1e-7, **FIELDS.get(feature, {}))
        problem, diffuses = rc.Problem(teacher, start), set(features(teacher, start, sgd)) <= BY_DIFFUSION
        covered = not uncovered(consumer, teacher, start, sgd)
        if covered and not (teacher.link.information_exponent > 2 and diffuses):
            dynamics_of(problem, sgd, 0.5, None)
            return
        few = {"replicas": 2} if function is rc.risk_law else {}
        function(teacher, start, sgd, **few, **settings)

    return call


def inferred(infer):
    """Inference of a run with this problem, which is too short for more than to be looked at."""

    def call(teacher, start, feature):
        config = {"dim": D, "learning_rate": 1e-4, "batch_size": 1, "kind": "two_homogeneous", **KEYS.get(feature, {})}
        kind = type("RunOf", (rc.Run,), {"teacher": teacher, "start": start})
        with pytest.raises(rc.ArgumentError) as short:
            infer(kind(np.arange(3), np.array([1.0, 0.9, 0.8]), None, config))
        if "rows or more" not in str(short.value):
            raise short.value

    return call


def alone(function):
    """What takes the problem alone."""
    return lambda teacher, start, feature: function(teacher, start)


def samples_for(teacher):
    """So many that a step brings the risk down."""
    return 10**4 if teacher.link.information_exponent == 2 else 10**5


def simulated(coordinates="reduced", rate=1e-4, **settings):
    """An experiment, which refuses when it is made."""

    def call(teacher, start, feature):
        sgd = rc.SGD(rate, **{**settings, **FIELDS.get(feature, {})})
        rc.sgd.Experiment(teacher, start, sgd, steps=3, coordinates=coordinates)

    return call


BY_DIFFUSION = {Feature.TYPICAL, Feature.NOISY, Feature.MOMENTUM}  # and several degrees, emergence times alone
CALLS = {
    "Riccati": [checked(rc.Riccati())],
    'Riccati(method="ode")': [checked(rc.Riccati(method="ode"))],
    "Quadratic": [of_algorithm(rc.Quadratic)],
    "Decoupled": [checked(rc.Decoupled())],
    "Coupled": [of_algorithm(rc.Coupled)],
    "Correlation": [checked(rc.Correlation())],
    "FiniteStep": [finite_step],
    'FiniteStep(pairs="own")': [checked(rc.FiniteStep(0.01, pairs="own"))],
    'FiniteStep(constraint="stiefel")': [checked(rc.FiniteStep(0.01, constraint="stiefel"))],
    "emergence_law": [law(rc.emergence_law)],
    "risk_law": [law(rc.risk_law, times=[1.0])],
    "largest_step": [alone(rc.largest_step)],
    "largest_step of Stiefel SGD": [
        alone(lambda teacher, start: rc.largest_step(teacher, start, constraint="stiefel"))
    ],
    "recommended_step": [alone(lambda teacher, start: recommended_step(teacher, start, samples=samples_for(teacher)))],
    "optimal_schedule": [alone(lambda teacher, start: optimal_schedule(teacher, start, samples=samples_for(teacher)))],
    "sharp_limit": [alone(lambda teacher, start: sharp_limit(teacher))],
    "frontier": [alone(lambda teacher, start: students_of(teacher, D, 1e-2, "typical")[0](1, np.ones(1)))],
    "samples_to_learn": [alone(lambda teacher, start: samples_to_learn(teacher, 1, dim=D, student_width=1))],
    "infer_beta": [inferred(infer_beta)],
    "infer_second_layer": [inferred(infer_second_layer)],
    "coverage of the correlation loss": [
        alone(lambda teacher, start: destination_probabilities(teacher)),
        alone(lambda teacher, start: simulated_coverage(teacher, 1, D, draws=2)),
    ],
    "Start.typical": [alone(lambda teacher, start: rc.Start.typical(teacher, 1, D))],
    "SGD": [simulated(), simulated("direct")],
    "SGD at a rate that follows the direction": [simulated(rate=rc.sgd.PerDirection(1e-4))],
    "SGD on the sphere": [simulated(constraint="sphere"), simulated("direct", constraint="sphere")],
    "Stiefel SGD": [simulated(constraint="stiefel"), simulated("direct", constraint="stiefel")],
    "second_phase": [alone(lambda teacher, start: rc.sgd.second_phase(rc.Problem(teacher, start), 4))],
}
OWN = {"SGD on the sphere": {"constraint": "sphere"}}  # what an algorithm of this consumer always has


def is_empty(consumer, feature):
    """Whether the cell says nothing that could be tried: for want of an argument, or as it is another row's."""
    if feature is None or feature.argument == "teacher":
        return False
    if feature.argument == "start":
        return consumer in WITHOUT_START
    others = consumer in (*WITHOUT_SGD, *BY_THE_TABLE)
    # the sphere is a row of its own, and an SGD on it refuses weight decay itself
    return others or (consumer, feature) in (("SGD", Feature.SPHERE), ("SGD on the sphere", Feature.WEIGHT_DECAY))


@pytest.mark.parametrize("consumer", COVERS)
def test_every_cell_of_the_table_is_true(consumer):
    for order in ORDERS:
        for feature in (None, *Feature):
            problem = problem_of(order, feature)
            if problem is not None and not is_empty(consumer, feature):
                agrees(consumer, *problem, order, feature)


def agrees(consumer, teacher, start, order, feature):
    given = teacher, None if consumer in WITHOUT_START else start
    fields = OWN.get(consumer, {}) | FIELDS.get(feature, {})
    sgd = rc.SGD(1e-4, **fields) if fields else None
    covered = order in COVERS[consumer] and set(features(*given, sgd)) <= COVERS[consumer][order]
    lacking = uncovered(consumer, *given, sgd)
    assert (not lacking) == covered
    for call in CALLS[consumer]:
        if covered:
            call(teacher, start, feature)
            continue
        with pytest.raises(rc.ArgumentError) as refused:
            call(teacher, start, feature)
        assert lacking[0] in str(refused.value), (consumer, teacher, start, feature)


def test_the_documentation_has_the_table_as_it_is():
    page = Path(__file__).resolve().parents[2] / "docs" / "scope.md"
    assert page.read_text(encoding="utf-8").endswith(f"\n\n{table()}")


def test_every_consumer_is_called_here():
    assert set(CALLS) == set(COVERS)
