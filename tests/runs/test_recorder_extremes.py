"""The recorder beside weights that grow without bound, and with the counters of other libraries."""

import jax.numpy as jnp
import numpy as np
import pytest

import riccati as rc

W = 0.3 * np.random.default_rng(0).standard_normal((3, 8))


def recorder():
    teacher = rc.Teacher([1.0, 1.0], rc.Link.hermite(2))
    return rc.Recorder(teacher, np.eye(2, 8), learning_rate=0.1, batch_size=1, training_loss="mse")


@pytest.mark.parametrize(("size", "what"), [(1e100, "risk is"), (1e160, "weights are"), (1e300, "weights are")])
def test_weights_beyond_what_a_float_squares_end_the_log_without_a_warning(size, what):
    log = recorder()
    for step, scale in enumerate((1.0, 1.1, size, 1.0)):
        log(step, scale * W)
    assert log.steps.tolist() == [0, 1]
    assert log.notes == (f"the {what} not finite from step 2 on: nothing is logged from there",)
    with pytest.raises(rc.ArgumentError, match="`W` must be finite"):
        recorder()(0, size * W)


def test_counters_of_other_libraries_are_steps():
    log = recorder()
    for step in (jnp.asarray(0), np.asarray(5), np.int64(7), jnp.asarray(9)):
        log(step, W)
    log(jnp.asarray(9.5), W)
    assert log.steps.tolist() == [0, 5, 7, 9]
    assert log.notes[0].startswith("1 step was not logged, the first at step 9.5")
