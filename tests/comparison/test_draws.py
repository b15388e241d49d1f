"""What is drawn for a run, and where replicas of SGD are affordable."""

import numpy as np
import pytest

import riccati as rc
from riccati.comparison import RunStep, Setting


@pytest.mark.parametrize("equal", [True, False])
def test_replicas_under_a_covariance_cost_what_its_groups_do(equal):
    """Five coordinates where all eigenvalues past the teacher's are equal, 5000 where none are."""
    dim = 5000
    rest = np.ones(dim - 2) if equal else np.linspace(1, 2, dim - 2)
    spiked = rc.Covariance(np.r_[4.0, 3.0, rest])
    teacher = rc.Teacher([1.0, 0.6], rc.Link.hermite(2), covariance=spiked)
    start = rc.Start.from_weights(np.eye(3, dim, k=1), np.eye(2, dim), spiked)
    step = RunStep(learning_rate=1e-5, batch_size=1, dim=dim, on_stiefel=False, student_scale=None)
    assert Setting(teacher, start, step, np.array([1, 2000])).affordable == equal


def test_draws_know_which_of_them_diverged():
    """All of them at γ = ηd/B = 3, none at 0.01."""
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(3))
    start = rc.Start.random(teacher, 3, 100, norm=0.2, seed=0)

    def drawn(rate):
        step = RunStep(learning_rate=rate, batch_size=1, dim=100, on_stiefel=False, student_scale=None)
        return Setting(teacher, start, step, np.array([1, 10, 400]), replicas=16).of_sgd()

    wild, tame = drawn(0.03), drawn(1e-4)
    assert wild.exploded == wild.diverged.mean() == 1.0
    assert tame.exploded == 0.0
    assert not tame.diverged.any()
