"""Small experiments of online SGD, and what it means that two runs are the same."""

import jax
import numpy as np

import riccati as rc
from riccati.sgd import TwoHomogeneous, Update


# runs of one problem share a program whatever their steps, rates and rows, so tests ask for this one where it will do
def problem(degree=2, width=2, neurons=3, dim=50, norm=0.5):
    teacher = rc.Teacher.power_law(width, 1.0, rc.Link.hermite(degree))
    return {"teacher": teacher, "start": rc.Start.random(teacher, neurons, dim, norm=norm, seed=1)}


def same(left, right):
    np.testing.assert_array_equal(left.steps, right.steps)
    np.testing.assert_array_equal(left.loss, right.loss)
    np.testing.assert_array_equal(left.overlaps, right.overlaps)
    np.testing.assert_array_equal(left.times, right.times)


class ConstantPush(TwoHomogeneous):
    """A rule that pushes the same way whatever the sample, from weights that vanish: WWᵀ is then a Wishart matrix.

    Attributes:
        by: (B, N), the push.
    """

    by: jax.Array

    def update(self, teacher, weights, samples, rate):
        return Update(weights, self.by)
