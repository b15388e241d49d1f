"""The clock of a run against draws: its factor and its error."""

from dataclasses import replace

import numpy as np
import pytest
from comparison_draws import TIMES, drawn, observed_with, risk_at

from riccati.comparison.clock import Clock, clock_from_draws


@pytest.mark.parametrize("emerged", [True, False])
def test_the_error_of_a_clock_is_the_scatter_of_the_draws_own(emerged):
    """By emergence times and by the risk; the rows of one run would say 1 % where runs differ by 20 %."""
    run = observed_with(risk_at(TIMES, 2.0), 2.0 if emerged else None)
    factor, error = clock_from_draws(run, drawn(0))
    assert factor == pytest.approx(2.0, rel=0.1)
    assert error == pytest.approx(0.2, rel=0.3)
    tight = clock_from_draws(run, drawn(0, spread=0.02))
    assert tight.error == pytest.approx(0.02, rel=0.3)


def test_a_clock_explains_nothing_where_its_interval_contains_1():
    assert not Clock(1.03, 0.099).is_off
    assert Clock(1.03, 0.01).is_off


def test_no_factor_is_found_where_none_puts_the_run_on_theory():
    """A risk that does not fall, one that stays at a plateau, and one that is far outside of what is looked for."""
    draws = drawn(0)
    for risk in (np.ones(60), risk_at(TIMES, 1.0, floor=0.3)):
        assert clock_from_draws(observed_with(risk, None), draws) is None
    assert clock_from_draws(observed_with(risk_at(TIMES, 1.0), None), draws) is not None


def test_a_direction_that_many_draws_do_not_learn_tells_no_clock_by_its_time():
    draws = drawn(0)
    never = np.arange(128) % 3 == 0
    unlearned = replace(draws, emerged=np.where(never[:, None], np.inf, draws.emerged))
    run = observed_with(risk_at(TIMES, 1.0), 5.0)
    assert clock_from_draws(run, draws).factor == pytest.approx(5.0, rel=0.1)
    assert clock_from_draws(run, unlearned).factor == pytest.approx(1.0, rel=0.1)
