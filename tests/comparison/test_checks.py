"""Checks of a run's conventions: each wrong one is named, with the key that mends it, and right ones hold."""

from dataclasses import replace

import numpy as np
import pytest

import riccati as rc
from riccati.comparison import Observation
from riccati.comparison.assessment import Assessment
from riccati.comparison.causes import Cause
from riccati.comparison.checks import checks_of
from riccati.comparison.clock import Clock
from riccati.comparison.theory import Theory, theory_of
from riccati.comparison.verdict import Verdict

DIM, RATE = 400, 1e-4


@pytest.fixture(scope="module")
def followed():
    """A run that is the finite-step limit itself, so that only conventions can be wrong."""
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, DIM, 0.5, seed=0)
    steps = np.unique(np.r_[0, np.geomspace(10, 2e5, 60)].astype(int))
    flow = rc.FiniteStep(RATE * DIM)
    solved = rc.solve(flow, teacher, start, steps * RATE)
    config = {
        "kind": "two_homogeneous",
        "information_exponent": 2,
        "dim": DIM,
        "teacher_width": 2,
        "student_width": 3,
        "beta": 1.0,
        "learning_rate": RATE,
        "batch_size": 1,
        "training_loss": "0.5*(f*-f)^2",
        "loss": "risk",
        "overlap": "subspace",
        "init_norm": 0.5,
        "initial_overlaps": np.asarray(start.teacher_overlaps).tolist(),
        "initial_student_gram": np.asarray(start.student_gram).tolist(),
    }
    return rc.Run(steps, np.array(solved.risk), np.array(solved.alignment), config)


def changed(run, **keys):
    return replace(run, config=run.config | keys)


def check(run, name):
    return next(check for check in rc.compare(run).checks if check.name == name)


def test_a_run_that_says_what_it_is_passes(followed):
    report = rc.compare(followed)
    assert [check.name for check in report.checks] == ["loss", "overlap", "clock"]
    assert all(check.holds for check in report.checks)
    assert report.checks[2].factor == pytest.approx(1, abs=0.01)
    assert report.verdict.consistent is True
    assert "128 draws of the law" in str(report.verdict)
    assert any("a verdict by replicas of SGD takes replicas=128, about" in note for note in report.notes)


@pytest.mark.parametrize(
    ("name", "keys", "scale", "said"),
    [
        # the column holds (f* - f)² of E f*² = 1, and says that it is half of it: twice too large, and so on
        ("loss", {"loss": "0.5*(f*-f)^2"}, 1.0, 'loss = "(f*-f)^2"'),
        ("loss", {"loss": "(f*-f)^2"}, 0.5, 'loss = "0.5*(f*-f)^2"'),
        # SGD on (f* - f)² at half the rate is this run; the keys then say that it took half of the loss
        (
            "clock",
            {"learning_rate": RATE / 2},
            1.0,
            'training_loss = "(f*-f)^2" or momentum = 0.5 (Nesterov\'s or not)',
        ),
        ("clock", {"training_loss": "(f*-f)^2"}, 1.0, 'training_loss = "0.5*(f*-f)^2"'),
        ("overlap", {"overlap": "neuron"}, 1.0, 'overlap = "subspace"'),
    ],
)
def test_a_wrong_convention_is_named(followed, name, keys, scale, said):
    """As the key to set where no other gives the same factor."""
    run = changed(replace(followed, loss=scale * followed.loss), **keys)
    held = check(run, name)
    assert held.holds is False
    assert held.key == (None if " or momentum" in said else said)
    assert said in held.message
    report = rc.compare(run)
    assert f"CHECK: {held.message}" in report.table()
    assert held.message in [line["message"] for line in report.to_json()["checks"]]


def test_overlaps_that_contradict_the_start_are_noticed(followed):
    overlaps = followed.overlaps.copy()
    overlaps[0] *= 1.5
    held = check(replace(followed, overlaps=overlaps), "overlap")
    assert held.holds is False
    assert held.key == "initial_overlaps"


def test_a_clock_that_no_convention_explains(followed):
    held = check(changed(followed, learning_rate=1.3 * RATE), "clock")
    assert held.holds is False
    assert held.key is None
    assert held.factor == pytest.approx(1.3, rel=0.1)


def clock_check(run, clock, consistent, *causes):
    verdict = Verdict(consistent, 0.5, "")
    assessment = Assessment(verdict, clock=clock, causes=causes)
    observation = Observation(run)
    checks = checks_of(observation, theory_of(observation), (), assessment)
    return next(check for check in checks if check.name == "clock")


@pytest.mark.parametrize(
    ("clock", "consistent", "causes", "holds", "said"),
    [
        (Clock(1.02, 0.01), True, (), True, "1.02 (± 1.0%) times theory's"),
        (Clock(1.67, 0.003), True, (), None, "the run as a whole is consistent with theory"),
        (Clock(1.67, 0.4), True, (), True, "1.67 (± 40.0%)"),
        (Clock(1.67, 0.6), True, (), None, "too uncertain to tell"),
        (Clock(1.67, 0.003), False, (), False, "no known convention explains it"),
        (Clock(7.9, 0.1), False, (Cause("batch_size", clock=8),), False, "set batch_size"),
        (Clock(6.0, 0.02), False, (Cause("batch_size", clock=8),), False, "explain the run, not by this factor alone"),
        (Clock(7.9, 0.1), False, (Cause("one", clock=8), Cause("other", clock=8)), False, "does not tell which"),
        (Clock(1.1, 0.1), False, (), True, "1.1 (± 10.0%)"),
    ],
)
def test_the_check_of_the_clock_agrees_with_the_verdict(followed, clock, consistent, causes, holds, said):
    held = clock_check(followed, clock, consistent, *causes)
    assert held.holds is holds
    assert said in held.message
    assert (held.key is not None) == said.startswith("set ")


def test_a_cause_is_named_by_a_check_only_where_theory_with_it_comes_nearer(followed):
    """A clock of ½ by the emergence times, and a risk that no other clock brings nearer."""
    verdictless = rc.compare(changed(followed, learning_rate=RATE / 2))
    assert "momentum = 0.5" in verdictless.checks[2].message
    risk = np.where(followed.steps > 1000, 30.0, 1.0) * followed.loss
    strange = changed(replace(followed, loss=risk), learning_rate=RATE / 2)
    held = check(strange, "clock")
    assert held.key is None
    assert "no known convention explains it" in held.message


def test_an_exact_risk_has_no_wrong_convention(followed):
    """What computed it is the link and the second layer that the run names."""
    scaled = changed(followed, loss="0.5*(f*-f)^2")
    assert check(scaled, "loss").key == 'loss = "(f*-f)^2"'
    exact = changed(replace(followed, loss=2 * followed.loss), recorder="riccati.Recorder")
    assert check(exact, "loss").key is None


def test_causes_that_make_the_same_step_are_followed_once(followed, monkeypatch):
    """A loss without its half and momentum ½ are one and the same theory, and both are named."""
    once, again = [], Theory.followed_again

    def counted(theory, observation):
        once.append(observation)
        return again(theory, observation)

    monkeypatch.setattr(Theory, "followed_again", counted)
    run = changed(followed, learning_rate=RATE / 2)
    causes = Assessment(Verdict(None, None, ""), clock=Clock(0.5, 0.01))
    observation = Observation(run)
    clock = next(c for c in checks_of(observation, theory_of(observation), (), causes) if c.name == "clock")
    assert "training_loss" in clock.message
    assert "momentum = 0.5" in clock.message
    assert len(once) == 1
