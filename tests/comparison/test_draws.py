"""What is drawn for a run, where replicas of SGD are affordable, and when they end."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest

import riccati as rc
from riccati.comparison import DrawSetting
from riccati.sgd import Logged
from riccati.support import Stopped, duration

TEACHER = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(3))


def setting(rate=1e-4, logged=(1, 10, 100), replicas=128):
    start = rc.Start.random(TEACHER, 3, 100, norm=0.2, seed=0)
    return DrawSetting(TEACHER, start, rc.SGD(rate), 100, np.array(logged), replicas=replicas)


@pytest.mark.parametrize("equal", [True, False])
def test_replicas_under_a_covariance_cost_what_its_groups_do(equal):
    """Five coordinates where all eigenvalues past the teacher's are equal, 5000 where none are."""
    dim = 5000
    rest = np.ones(dim - 2) if equal else np.linspace(1, 2, dim - 2)
    spiked = rc.Covariance(np.r_[4.0, 3.0, rest])
    teacher = rc.Teacher([1.0, 0.6], rc.Link.hermite(2), covariance=spiked)
    start = rc.Start.from_weights(np.eye(3, dim, k=1), np.eye(2, dim), spiked)
    assert DrawSetting(teacher, start, rc.SGD(1e-5), dim, np.array([1, 2000])).affordable == equal


def test_draws_know_which_of_them_diverged():
    """All of them at γ = ηd/B = 3, none at 0.01."""
    wild = setting(0.03, (1, 10, 400), 16).of_sgd()
    tame = setting(1e-4, (1, 10, 400), 16).of_sgd()
    assert wild.diverged.all()
    assert not tame.diverged.any()


def test_replicas_end_once_they_are_enough_and_those_drawn_are_the_first_of_all():
    asked = []

    def enough(draws):
        asked.append(len(draws.risk))
        return True

    every = setting().of_sgd()
    some = setting().of_sgd(enough)
    assert asked == [64]
    assert (len(every.risk), len(some.risk)) == (128, 64)
    assert np.array_equal(every.risk[:64], some.risk)
    assert every.source.startswith("128 replicas of SGD")
    assert some.source.startswith("64 of 128 replicas of SGD")
    assert not some.stopped


def test_as_many_are_drawn_as_were_asked_for_even_where_blocks_are_not_full():
    assert len(setting(replicas=130).of_sgd().risk) == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_the_finished_blocks_and_a_termination_nothing(number):
    def interrupt(_):
        os.kill(os.getpid(), number)
        return False

    if number == signal.SIGTERM:
        with pytest.raises(Stopped):
            setting().of_sgd(interrupt)
        return
    draws = setting().of_sgd(interrupt)
    assert draws.stopped
    assert draws.source.startswith("64 of 128")


def test_an_interrupted_comparison_is_by_what_is_finished(monkeypatch):
    def interrupt(*_):
        os.kill(os.getpid(), signal.SIGINT)
        return False

    monkeypatch.setattr("riccati.comparison.assessment._clearly_consistent", interrupt)
    report = rc.compare(run_of(*beyond("signed")), replicas=128)
    assert report.verdict.consistent is True
    assert "64 of 128 replicas of SGD" in report.verdict.sentence
    assert any("stopped by an interrupt: the verdict is by the 64 replicas" in note for note in report.notes)


def test_replicas_follow_a_schedule_on_the_clock_of_the_run():
    """Two hundred times faster in the second half: nothing moves in the first."""
    steps, times = (0, 200, 400), (0.0, 0.002, 0.402)
    draws = setting(Logged(steps, times), logged=(1, 200, 300, 400)).of_sgd()
    assert np.allclose(draws.times, (1e-5, 0.002, 0.202, 0.402))
    moved = np.abs(np.log(draws.risk / draws.risk[:, :1])).mean(axis=0)
    assert moved[1] < 0.1 * moved[3]
    with pytest.raises(rc.ArgumentError, match="`run` must have a constant learning rate for the law"):
        setting(Logged(steps, times)).of_law()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.3, "less than 1 s"),
        (7.4, "7 s"),
        (42.3, "42 s"),
        (99.9, "100 s"),
        (200, "3 min"),
        (5000, "83 min"),
        (1e4, "3 h"),
    ],
)
def test_a_duration_is_said_in_a_unit_that_fits(seconds, said):
    assert duration(seconds) == said


def test_a_schedule_of_a_log_has_the_mean_rate_between_its_rows():
    schedule = Logged((10, 20, 40), (1.0, 3.0, 4.0))
    assert np.allclose(schedule.rates(0, 12), [0.1] * 10 + [0.2] * 2)
    assert np.allclose(schedule.rates(19, 3), [0.2, 0.05, 0.05])
    assert np.allclose(schedule.rates(100, 2), 0.05)
    assert np.allclose(schedule.scaled(2.0).rates(19, 3), [0.4, 0.1, 0.1])
    assert schedule.rates(0, 40).sum() == pytest.approx(4.0)
    steps = np.array([0, 5, 10, 15, 20, 40, 60])
    np.testing.assert_allclose(schedule.times_at(steps), [0, 0.5, 1, 2, 3, 4, 5])
    np.testing.assert_allclose(schedule.times_at(steps), np.r_[0, np.cumsum(schedule.rates(0, 60))][steps])


def test_what_a_verdict_takes_is_offered_where_there_can_be_one():
    assert setting().offer == "a verdict by replicas of SGD takes replicas=128, less than 1 s"
    assert setting(logged=(1, 10**7)).offer.endswith("replicas=128, about 11 min")
    typical = replace(setting(), start=rc.Start.typical(TEACHER, 3, 100, 0.2))
    assert typical.offer == ""
    assert not typical.affordable


LINK = rc.Link.hermite(2)


def beyond(name):
    """A problem beyond the standard one, and a start."""
    rng = np.random.default_rng(0)
    Theta, W = rng.standard_normal((2, 40)), 0.3 * rng.standard_normal((3, 40)) / 40**0.5
    if name == "two-layer":
        teacher = rc.Teacher([0.8, 0.6], rc.Link.named("relu"))
        return teacher, rc.Start.from_weights(W, np.eye(2, 40)).with_second_layer(np.array([0.4, -0.4, 0.4]))
    if name == "correlated":
        return rc.Teacher.from_directions(Theta, a=np.ones(2), link=LINK), rc.Start.from_weights(W, Theta)
    if name == "mixed":
        both = rc.Link.from_coefficients([0, 0, 0.8, 0.6])
        teacher = rc.Teacher([0.8, 0.6], both, links=[LINK, rc.Link.hermite(3)])
        return teacher, rc.Start.from_weights(W, np.eye(2, 40))
    if name == "signed":
        return rc.Teacher([0.8, -0.6], LINK), rc.Start.from_weights(W, np.eye(2, 40))
    covariance = rc.Covariance(np.r_[2.0, 1.5, np.ones(38)])
    teacher = rc.Teacher([0.8, 0.6], LINK, covariance=covariance)
    return teacher, rc.Start.from_weights(W, np.eye(2, 40), covariance)


def run_of(teacher, start):
    """A run that is no replica of a comparison's own, by the same compiled program."""
    experiment = rc.sgd.Experiment(
        teacher=teacher, start=start, learning_rate=2e-3, steps=150, batch_size=4, logged=(0, *range(7, 151, 13))
    )
    return next(experiment.replicas(64, seed=10)).run(0)


@pytest.mark.parametrize("name", ["two-layer", "correlated", "mixed", "signed", "anisotropic"])
def test_a_run_beyond_the_standard_problem_has_a_verdict(name):
    verdict = rc.compare(run_of(*beyond(name)), replicas=128).verdict
    assert verdict.consistent is True
    assert "replicas of SGD" in verdict.sentence


def test_a_run_under_a_schedule_has_a_verdict_and_one_that_hides_it_another():
    teacher = rc.Teacher([0.8, 0.6], LINK)
    start = rc.Start.random(teacher, 3, 40, norm=0.4, seed=0)
    warm = dict(steps=400, batch_size=8, rows=60, seed=5)
    run = rc.sgd.simulate(teacher, start, learning_rate=lambda n: 0.04 * min(1.0, (n + 1) / 300), **warm)
    report = rc.compare(run, replicas=128)
    assert report.verdict.consistent is True
    assert any("the learning rate is not constant" in note for note in report.notes)
    hidden = {key: value for key, value in run.config.items() if key != "schedule"} | {"learning_rate": 0.04}
    assert rc.compare(replace(run, clock=None, config=hidden)).verdict.consistent is False


def test_a_verdict_needs_no_asking_where_it_costs_seconds():
    teacher = rc.Teacher([0.8, 0.6], LINK)
    start = rc.Start.random(teacher, 3, 40, norm=0.4, seed=0)
    run = rc.sgd.simulate(teacher, start, learning_rate=0.02, steps=200, batch_size=8, rows=30, seed=5)
    verdict = rc.compare(run).verdict
    assert verdict.consistent is True
    assert "64 of 128 replicas of SGD" in verdict.sentence
