"""The algorithm as an object: its clocks and γ, and how it is given."""

import copy
import pickle

import jax.numpy as jnp
import numpy as np
import pytest

import riccati as rc
from riccati.problem import sgd_of
from riccati.sgd import PerDirection, PowerLaw


def test_gamma_and_clocks_are_those_of_the_formulas():
    sgd = rc.SGD(learning_rate=3e-4, batch_size=4)
    assert sgd.gamma(200) == pytest.approx(3e-4 * 200 / 4, rel=1e-15)
    assert sgd.rate_per_sample == 7.5e-5
    assert sgd.riccati_step == 6e-4
    assert np.array_equal(sgd.times([0, 1, 10]), np.array([0, 1, 10]) * 3e-4)


def test_inverses():
    for gamma, dim, batch in ((0.1, 1000, 1), (0.03, 37, 8)):
        assert rc.SGD.from_gamma(gamma, dim, batch).gamma(dim) == pytest.approx(gamma, rel=1e-15)
    stiefel = rc.SGD.from_riccati_step(1e-3, batch_size=2)
    assert stiefel.riccati_step == 1e-3
    assert stiefel.on_stiefel


def test_a_schedule_sums_its_rates():
    schedule = PowerLaw(1e-3, 0.5, 10.0)
    sgd = rc.SGD(schedule)
    each = 1e-3 * (1 + np.arange(50) / 10) ** -0.5
    assert np.allclose(sgd.times([0, 1, 50]), [0, each[0], each.sum()], rtol=1e-14)
    assert rc.SGD(1e-3, 4).faster(2) == rc.SGD(2e-3, 4)
    assert np.allclose(sgd.faster(3).times([50]), 3 * each.sum(), rtol=1e-14)
    with pytest.raises(rc.ArgumentError, match="`learning_rate` must be one number here"):
        sgd.gamma(100)
    with pytest.raises(rc.ArgumentError, match="not depend on what is learned"):
        rc.SGD(PerDirection(1e-3)).times([1])


def test_a_function_is_called_for_each_step():
    sgd = rc.SGD(lambda n: 1e-3 if n < 2 else 1e-4).faster(2)
    assert np.allclose(sgd.times([1, 2, 4]), [2e-3, 4e-3, 4.4e-3])


@pytest.mark.parametrize(
    ("fields", "argument"),
    [
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"learning_rate": 1e-3, "batch_size": 1.5}, "batch_size"),
        ({"learning_rate": 1e-3, "constraint": "ball"}, "constraint"),
        ({"learning_rate": 1e-3, "second_layer_rate": -1}, "second_layer_rate"),
    ],
)
def test_fields_refused_by_name(fields, argument):
    with pytest.raises(rc.ArgumentError) as error:
        rc.SGD(**fields)
    assert error.value.argument == argument


def test_the_object_or_its_shorthand():
    sgd = rc.SGD(1e-3, 2)
    assert sgd_of(sgd, learning_rate=None, batch_size=None) is sgd
    assert sgd_of(learning_rate=1e-3, batch_size=2) == sgd
    assert sgd_of(learning_rate=1e-3, batch_size=None) == rc.SGD(1e-3)
    with pytest.raises(rc.ArgumentError, match="`batch_size` must be left out beside `sgd`"):
        sgd_of(sgd, batch_size=2)
    with pytest.raises(rc.ArgumentError, match="`sgd` must be given"):
        sgd_of()
    with pytest.raises(rc.ArgumentError, match=r"`sgd` must be a riccati\.SGD"):
        sgd_of(1e-3)


def test_numbers_of_any_library_are_kept_as_plain_ones():
    sgd = rc.SGD(jnp.asarray(1e-3), np.int64(4), second_layer_rate=np.asarray(0.5))
    assert repr(sgd) == "SGD(learning_rate=0.001, batch_size=4, constraint=None, second_layer_rate=0.5)"
    assert hash(sgd) == hash(rc.SGD(1e-3, 4, second_layer_rate=0.5))
    assert pickle.loads(pickle.dumps(sgd)) == copy.deepcopy(sgd) == sgd
    assert rc.SGD(np.float32(1e-3)).faster(jnp.asarray(2.0)) == rc.SGD(2 * float(np.float32(1e-3)))


@pytest.mark.parametrize("schedule", [1e-3, PowerLaw(1e-3, 1.0, 10.0)])
def test_the_clock_has_whole_steps_from_zero(schedule):
    sgd = rc.SGD(schedule)
    assert sgd.times([]).shape == (0,)
    assert sgd.times([0.0, 3.0]).tolist() == sgd.times([0, 3]).tolist()
    for steps in ([-1], [0.5], [np.nan]):
        with pytest.raises(rc.ArgumentError, match="`steps` must be whole numbers ≥ 0"):
            sgd.times(steps)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda sgd: sgd.gamma(None), "dim"),
        (lambda sgd: sgd.faster("a"), "factor"),
        (lambda sgd: rc.SGD.from_gamma(0.1, 100, "2"), "batch_size"),
        (lambda sgd: rc.FiniteStep.of(1e-3, 100), "sgd"),
        (lambda sgd: rc.SGD(10**400), "learning_rate"),
        (lambda sgd: rc.SGD(True), "learning_rate"),
        (lambda sgd: rc.sgd.engine_words(["in_law"]), "engine"),
    ],
)
def test_wrong_types_are_refused_by_name(call, argument):
    with pytest.raises(rc.ArgumentError, match=f"`{argument}`"):
        call(rc.SGD(1e-3))


def test_momentum_makes_steps_longer_and_changes_nothing_else_of_the_limit():
    sgd = rc.SGD(1e-3, 4, momentum=0.9, dampening=0.5)
    assert sgd.rate == pytest.approx(5e-3)
    assert sgd.gamma(100) == pytest.approx(0.125)
    assert sgd.times(10) == pytest.approx(0.05)
    assert sgd.faster(2.0) == rc.SGD(2e-3, 4, momentum=0.9, dampening=0.5)
    assert rc.SGD(1e-3, momentum="0.9") == rc.SGD(1e-3, momentum=np.float64(0.9))
    assert repr(sgd).endswith("second_layer_rate=1.0, momentum=0.9, dampening=0.5)")
    power = PowerLaw(1e-3, 1.0, 10.0)
    assert rc.SGD(power, momentum=0.5).times([3]) == 2 * rc.SGD(power).times([3])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"momentum": 1.0}, "`momentum` must be below 1"),
        ({"momentum": -0.1}, "`momentum` must be ≥ 0"),
        ({"dampening": 0.5}, "`dampening` must be left out without momentum"),
        ({"nesterov": True}, "`nesterov` must be left out without momentum"),
        ({"momentum": 0.5, "nesterov": True, "dampening": 0.1}, "`dampening` must be 0 with nesterov=True"),
        ({"nesterov": 1}, "`nesterov` must be True or False"),
        ({"weight_decay": -1.0}, "`weight_decay` must be ≥ 0"),
        ({"weight_decay": 0.1, "constraint": "sphere"}, "`weight_decay` must be left out on the sphere"),
        ({"momentum": 0.5, "constraint": "stiefel"}, "`momentum` must be left out with constraint=.stiefel."),
        ({"loss": "hinge"}, "`loss` must be one of squared, correlation"),
    ],
)
def test_fields_that_exclude_each_other_are_refused(fields, message):
    with pytest.raises(rc.ArgumentError, match=message):
        rc.SGD(1e-3, **fields)
