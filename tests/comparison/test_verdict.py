"""The verdict: how unusual a run is among draws, what would explain it, and what a report then says."""

from dataclasses import replace

import numpy as np
import pytest

import riccati as rc
from riccati.comparison import Alternative, Draws, Observed, probability_of, verdict_of

TIMES = np.geomspace(0.1, 10, 30)


def drawn(seed, shift=0.0, n=400):
    """Curves that fall at a random time each, and that time."""
    times = np.exp(np.random.default_rng(seed).normal(shift, 0.2, n))
    return Draws(1e-3 + 1 / (1 + (TIMES / times[:, None]) ** 8), times[:, None], 10**6)


def observed(draws, i=0):
    return Observed(TIMES, draws.risk[i], draws.emerged[i])


def test_draws_of_the_law_are_consistent_as_often_as_said():
    law, others = drawn(0), drawn(1, n=200)
    found = [probability_of(law, others.risk[i], others.emerged[i]) for i in range(200)]
    assert 0.005 < np.mean(np.array(found) < 0.05) < 0.09
    assert np.mean(np.array(found) < 0.5) > 0.12  # and not merely always 1


def test_a_shifted_clock_is_found_and_explained():
    law, late = drawn(0), drawn(2, shift=1.0)
    run = observed(late)
    verdict = verdict_of(run, law, [Alternative("nothing", drawn(3), run), Alternative("late", drawn(4, 1.0), run)])
    assert verdict.consistent is False
    assert verdict.reasons[0].startswith("late")
    assert "explained best by late" in verdict.sentence
    assert "its risk leaves the band" in verdict.sentence


def test_alternatives_are_not_drawn_for_a_consistent_run():
    def never():
        raise AssertionError
        yield

    law = drawn(0)
    assert verdict_of(observed(drawn(5)), law, never()).consistent is True


def test_what_cannot_be_compared_has_no_verdict():
    assert verdict_of(Observed(TIMES, None, None), drawn(0), []).consistent is None


def test_directions_that_never_emerge_agree_with_never():
    emerged = np.full((100, 1), np.inf)
    draws = Draws(drawn(0).risk, emerged, 100)
    assert probability_of(draws, None, np.array([np.inf])) == 1.0
    assert probability_of(draws, None, np.array([1.0])) < 0.05


@pytest.fixture(scope="module")
def run():
    """SGD on the Stiefel manifold, whose alternatives are other clocks only."""
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 2, 200, seed=0)
    return rc.sgd.simulate(teacher, start, learning_rate=2.5e-4, steps=12000, rows=30, engine="stiefel", seed=1)


def test_a_run_that_obeys_is_consistent_and_a_wrong_clock_is_not(run, tmp_path):
    report = rc.compare(run, replicas=64)
    assert report.verdict.consistent is True
    assert report.table().startswith("verdict: consistent with theory")
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
    with pytest.raises(rc.ArgumentError, match="`run` must tell its step for a verdict"):
        rc.compare(without, replicas=20)
