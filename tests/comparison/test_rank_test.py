"""The test of a run among draws: its level, and what every row of an exact risk adds to its power."""

from dataclasses import replace

import numpy as np
from comparison_draws import TIMES, drawn, observed_with

from riccati.comparison.rank_test import noise_of, power_against_slower, probability_of
from riccati.comparison.verdict import verdict_of


def test_draws_that_are_held_out_are_consistent_as_often_as_said():
    draws = drawn(0, n=200, spread=0.4)
    probabilities = []
    for i in range(0, 200, 4):
        others = np.arange(200) != i
        rest = replace(draws, risk=draws.risk[others], emerged=draws.emerged[others])
        probabilities.append(probability_of(observed_with(draws.risk[i], draws.emerged[i, 0]), rest))
    assert np.mean(np.array(probabilities) < 0.05) <= 0.1
    assert 0.3 < np.mean(np.array(probabilities) < 0.5) < 0.7


def test_every_row_of_an_exact_risk_counts():
    """A bump of one row between those of the features, which a risk without an error cannot have."""
    draws = drawn(0)
    risk = drawn(1).risk[0].copy()
    risk[3] *= 1.003
    assert probability_of(observed_with(risk, None, exact=True), draws) < 0.05
    assert probability_of(observed_with(risk, None, exact=False), draws) > 0.05


def test_an_exact_risk_is_not_rough():
    rough = drawn(1).risk[0] * np.exp(0.08 * np.random.default_rng(0).standard_normal(len(TIMES)))
    assert noise_of(observed_with(rough, exact=False), drawn(0)) > 0.03
    assert noise_of(observed_with(rough, exact=True), drawn(0)) == 0.0


def test_a_verdict_on_a_run_that_is_too_short_says_so():
    """Where draws differ among themselves by more than a factor of 2, and where they do not."""
    for spread, short in ((1.5, True), (0.05, False)):
        draws = drawn(0, spread=spread)
        run = observed_with(draws.risk[0], draws.emerged[0, 0])
        assert (power_against_slower(run, draws) < 0.5) == short
        verdict, _ = verdict_of(run, draws, [])
        assert ("too short to tell" in verdict.sentence) == short
