"""The verdict: how unusual a run is among draws, what would explain it, and what a report then says."""

from dataclasses import replace

import numpy as np
import pytest

import riccati as rc
from riccati.comparison import Draws, Readings
from riccati.comparison.causes import Cause
from riccati.comparison.explanations import Alternative
from riccati.comparison.rank_test import probability_of
from riccati.comparison.signs import anomalies_of
from riccati.comparison.verdict import verdict_of

TIMES = np.geomspace(0.1, 10, 30)


def drawn(seed, shift=0.0, n=400, slack=0.0):
    """Curves that fall at a random time each, and that time."""
    times = np.exp(np.random.default_rng(seed).normal(shift, 0.2, n))
    risk = 1e-3 + 1 / (1 + (TIMES / times[:, None]) ** 8)
    return Draws(TIMES, risk, times[:, None], slack, f"{n} draws")


def verdict_on(readings, draws, alternatives=()):
    verdict, _ = verdict_of(readings, draws, alternatives)
    return verdict


def readings_of(draws, i=0, emerged=True):
    return Readings(TIMES, draws.risk[i], draws.emerged[i] if emerged else None)


@pytest.mark.parametrize("emerged", [True, False])
def test_draws_of_the_law_are_consistent_as_often_as_said(emerged):
    law, others = drawn(0), drawn(1, n=400)
    probabilities = np.array([probability_of(readings_of(others, i, emerged), law) for i in range(400)])
    assert 0.02 < np.mean(probabilities < 0.05) < 0.09
    assert 0.42 < np.mean(probabilities < 0.5) < 0.58


def test_a_shifted_clock_is_found_and_explained():
    law, late = drawn(0), drawn(2, shift=1.0)
    run = readings_of(late)
    others = [Alternative("nothing", drawn(3), run), Alternative("late", drawn(4, 1.0), run)]
    verdict = verdict_on(run, law, others)
    assert verdict.consistent is False
    assert verdict.reasons[0].startswith("late")
    assert "explained best by late" in verdict.sentence
    assert "its risk leaves the band" in verdict.sentence
    assert "among 400 draws" in verdict.sentence


def test_errors_of_the_law_and_of_the_loss_are_allowed_for():
    """A risk that is off by a few per cent as a whole, and one that is rough by as much, as estimated on samples."""
    law, other = drawn(0), readings_of(drawn(1))
    off = replace(other, risk=1.03 * other.risk)
    rough = replace(other, risk=other.risk * np.exp(0.03 * np.random.default_rng(0).standard_normal(len(TIMES))))
    for run in (off, rough):
        assert probability_of(run, law) < 0.05
        assert probability_of(run, replace(law, slack=0.05)) > 0.05
        assert probability_of(replace(run, noise=0.03), law) > 0.05


def test_alternatives_are_not_drawn_for_a_consistent_run():
    def never():
        raise AssertionError
        yield

    law = drawn(0)
    assert verdict_on(readings_of(drawn(5)), law, never()).consistent is True


def test_an_explanation_that_the_run_refutes_is_none():
    """Draws that are nearer to the run than theory's, and still not its own."""
    law, late = drawn(0), drawn(2, shift=1.5)
    verdict = verdict_on(readings_of(late), law, [Alternative("nearer", drawn(3, 0.4), readings_of(late))])
    assert verdict.consistent is False
    assert verdict.reasons == ()
    assert verdict.sentence.endswith("no known convention explains it")


def test_every_known_cause_that_passes_is_named_and_no_problem_that_happens_to_fit():
    law, late = drawn(0), drawn(2, shift=1.0)
    run = readings_of(late)
    causes = [Cause("momentum", clock=2.7), Cause("batch", clock=2.7), Cause("wrong", clock=2.7)]
    others = [Alternative(str(c), drawn(4 + i, 3.0 if c.key == "wrong" else 1.0), run, c) for i, c in enumerate(causes)]
    verdict = verdict_on(run, law, [*others, Alternative("another β", drawn(9, 1.0), run)])
    assert sorted(reason.split()[0] for reason in verdict.reasons) == ["batch", "momentum"]
    assert "momentum" in verdict.sentence
    assert " or " in verdict.sentence
    assert "batch" in verdict.sentence


def test_what_is_said_of_a_run_is_what_is_unusual_of_it():
    law = drawn(0)
    right, off = readings_of(drawn(1)), readings_of(drawn(2, shift=1.0))
    assert not [line for line in anomalies_of(right, law) if "leaves" in line]
    first, *_ = anomalies_of(off, law)
    assert "its risk leaves the band" in first
    assert "1 times" not in " ".join(anomalies_of(off, law))
    barely = replace(right, risk=np.r_[right.risk[:1] * 1.02, right.risk[1:]], emerged=None)
    assert "2 % above the median" in anomalies_of(barely, law)[0]
    high = replace(right, risk=np.r_[right.risk[:-6], 5 * right.risk[-6:]], emerged=np.array([30.0]))
    assert any("it ends at" in line and "5" in line for line in anomalies_of(high, law))
    assert any("later than 100% of theory's" in line for line in anomalies_of(high, law))
    early = replace(right, emerged=np.array([0.01]))
    assert any("earlier than 100% of theory's" in line for line in anomalies_of(early, law))


def test_what_cannot_be_compared_has_no_verdict():
    assert verdict_on(Readings(TIMES, None, None), drawn(0), []).consistent is None


def test_directions_that_never_emerge_agree_with_never():
    draws = replace(drawn(0, n=100), emerged=np.full((100, 1), np.inf))
    assert probability_of(Readings(TIMES, None, np.array([np.inf])), draws) == 1.0
    assert probability_of(Readings(TIMES, None, np.array([1.0])), draws) < 0.05


@pytest.fixture(scope="module")
def run():
    """SGD on the Stiefel manifold, whose alternatives are other clocks only."""
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 2, 200, seed=0)
    step = {"learning_rate": 2e-3, "batch_size": 8, "steps": 1500}
    return rc.sgd.simulate(teacher, start, **step, rows=30, constraint="stiefel", seed=2)


def test_a_run_that_obeys_is_consistent_and_a_wrong_clock_is_not(run, tmp_path):
    report = rc.compare(run, replicas=64)
    assert report.verdict.consistent is True
    assert report.table().startswith("verdict: consistent with theory")
    assert "128 replicas of SGD at the run's own start, d, step and batch" in report.verdict.sentence
    assert report.to_json()["verdict"]["consistent"] is True
    report.save(tmp_path)
    slow = replace(run, config=run.config | {"riccati_step": 3 * run.config["riccati_step"]})
    verdict = rc.compare(slow, replicas=64).verdict
    assert verdict.consistent is False
    assert "clock" in verdict.reasons[0]


def test_a_verdict_that_cannot_be_is_refused(run):
    with pytest.raises(rc.ArgumentError, match="`replicas` must be a whole number ≥ 1"):
        rc.compare(run, replicas=0)
    without = replace(run, config={k: v for k, v in run.config.items() if k != "batch_size"})
    with pytest.raises(rc.ArgumentError, match="`run` must give its step size for a verdict"):
        rc.compare(without, replicas=20)


@pytest.fixture(scope="module")
def replicas():
    """64 draws and 64 runs of SGD each: of what is said, of another β, and at 1.3 times the rate."""
    teacher = rc.Teacher.power_law(4, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 4, 80, 0.3, seed=0)

    def half(seed, beta=1.0, faster=1.0):
        of = rc.Teacher.power_law(4, beta, rc.Link.hermite(2))
        experiment = rc.sgd.Experiment(
            teacher=of, start=start, learning_rate=0.02 * faster, batch_size=64, steps=400, rows=40
        )
        runs = experiment.ensemble(range(seed, seed + 128))
        times, risk, emerged = runs.times[0, 1:] / faster, runs.risk[:, 1:], runs.emergence_times() / faster
        readings = [Readings(times, risk[i], emerged[i]) for i in range(64, 128)]
        return Draws(times, risk[:64], emerged[:64], 0.0, "64 replicas"), readings

    return {"right": half(0), "beta": half(1000, beta=1.2), "clock": half(2000, faster=1.3)}


@pytest.mark.large
def test_runs_of_sgd_are_consistent_and_others_are_explained(replicas):
    """Both laws as alternatives to each other's runs, times on the clock that is said."""
    law, right = replicas["right"]
    assert np.mean([probability_of(run, law) >= 0.05 for run in right]) >= 0.9
    for truth in ("beta", "clock"):
        said = []
        for run in replicas[truth][1][:24]:
            others = [Alternative(name, replicas[name][0], run) for name in ("clock", "beta")]
            said.append(verdict_on(run, law, others))
        assert np.mean([verdict.consistent is False for verdict in said]) >= 0.9
        first = [verdict.reasons[0].startswith(truth) for verdict in said if verdict.reasons]
        assert sum(first) >= 0.9 * len(said)


def test_a_wrong_beta_is_explained_in_a_report():
    teacher = rc.Teacher.power_law(3, 1.3, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 60, 0.5, seed=0)
    step = {"learning_rate": 0.04, "batch_size": 64, "steps": 200, "rows": 20}
    run = rc.sgd.simulate(teacher, start, **step, seed=1)
    config = {key: value for key, value in run.config.items() if key not in ("second_layer", "link")}
    said = replace(run, config=config | {"beta": 1.0, "information_exponent": 2})
    verdict = rc.compare(said, replicas=1).verdict
    assert verdict.consistent is False
    assert verdict.reasons[0].startswith("beta = 1.")


@pytest.fixture(scope="module")
def at():
    """A short run of k = 2 at a learning rate, with the rate that its keys say."""
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 2, 40, 0.4, seed=0)

    def made(rate, said):
        run = rc.sgd.simulate(teacher, start, learning_rate=rate, batch_size=4, steps=80, rows=20, seed=3)
        return replace(run, config=run.config | {"learning_rate": said})

    return made


@pytest.mark.parametrize(
    ("rate", "key", "consistent", "said"),
    [
        (0.01, 1.0, False, "SGD at the run's step explodes (128 of 128 replicas"),
        (1.0, 0.01, False, "this run diverged, SGD at its step seldom does (0 of 128"),
        (1.0, 1.0, True, "consistent with theory: this run diverged, as "),
    ],
)
def test_runs_and_replicas_that_diverge_have_their_own_verdict(at, rate, key, consistent, said):
    verdict = rc.compare(at(rate, key), replicas=128).verdict
    assert verdict.consistent is consistent
    assert said in verdict.sentence


@pytest.fixture(scope="module")
def fast():
    """A run of k = 2 at η = 0.06, and with keys that say otherwise."""
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 2, 40, 0.4, seed=0)
    run = rc.sgd.simulate(teacher, start, learning_rate=0.06, batch_size=32, steps=80, rows=40, seed=3)

    def saying(**keys):
        return replace(run, config=run.config | keys)

    return saying


def test_a_cause_is_proved_before_it_is_named_and_is_never_what_the_run_says_already(fast):
    """Twice as fast as it says: a loss without its half, or momentum ½.

    Where the keys say that there is no half it is momentum alone.
    """
    half = rc.compare(fast(learning_rate=0.03, training_loss="0.5*(f*-f)^2"), replicas=128)
    assert half.verdict.consistent is False
    assert 'training_loss = "(f*-f)^2"' in half.verdict.sentence
    assert "momentum = 0.5" in half.verdict.sentence
    (clock,) = [check for check in half.checks if check.name == "clock"]
    assert clock.holds is False
    assert clock.key is None  # two keys give this factor
    assert 'training_loss = "(f*-f)^2" or momentum = 0.5' in clock.message
    whole = rc.compare(fast(learning_rate=0.015, training_loss="(f*-f)^2"), replicas=128)
    assert "momentum = 0.5" in whole.verdict.sentence
    assert "training_loss" not in whole.verdict.sentence


def test_a_loss_that_is_estimated_is_rough_and_a_recorders_is_not(fast):
    run = fast()
    loss = run.loss * np.exp(0.1 * np.random.default_rng(0).standard_normal(len(run.loss)))
    config = {key: value for key, value in run.config.items() if key != "coordinates"}
    estimated = rc.compare(replace(run, loss=loss, config=config), replicas=128)
    assert any("the logged risk is rough by" in note for note in estimated.notes)
    assert estimated.verdict.consistent is True
    exact = rc.compare(replace(run, loss=loss), replicas=128)
    assert not any("rough" in note for note in exact.notes)
    assert exact.verdict.consistent is False
