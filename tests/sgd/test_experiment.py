"""Experiments as a user meets them: schedules, divergence, files, refusals."""

import dataclasses

import numpy as np
import pytest
from sgd_runs import problem, same

import riccati as rc
from riccati import sgd
from riccati.support import RenamedArgument


def test_the_same_seed_gives_the_same_run_and_another_another():
    settings = {**problem(), "learning_rate": 1e-3, "steps": 40, "rows": 5}
    same(sgd.simulate(**settings, seed=3), sgd.simulate(**settings, seed=3))
    assert np.any(sgd.simulate(**settings, seed=4).loss != sgd.simulate(**settings, seed=3).loss)


def test_an_ensemble_holds_the_runs_of_its_seeds():
    experiment = sgd.Experiment(**problem(), learning_rate=1e-3, steps=40, rows=5)
    several = experiment.ensemble([5, 3])
    for n, seed in enumerate([5, 3]):
        one, run = several.run(n), experiment.simulate(seed)
        np.testing.assert_allclose(one.loss, run.loss, rtol=1e-12)
        assert one.config["seed"] == seed
    assert several.emergence_times().shape == (2, 2)
    assert "2, 0 of them diverged" in repr(several)


def test_single_precision_follows_double_precision():
    # the draws differ in their bits, so means over many small steps are compared
    settings = {**problem(), "learning_rate": 2e-5, "steps": 60_000, "rows": 4}
    experiment = sgd.Experiment(**settings, coordinates="direct", dtype="float32")
    assert experiment.simulation.initial_states(1).W.dtype == np.float32
    single, double = experiment.simulate(), sgd.simulate(**settings)
    assert double.risk[-1] < 0.8 * double.risk[0]
    np.testing.assert_allclose(single.risk, double.risk, rtol=0.05)


def test_a_run_carries_both_seeds():
    settings = {**problem(), "learning_rate": 1e-3, "steps": 2, "rows": 2}
    run = sgd.simulate(**settings, seed=5)
    assert (run.config["seed"], run.config["start_seed"]) == (5, 1)
    given = rc.Start(settings["start"].teacher_overlaps, dim=50)
    assert "start_seed" not in sgd.Experiment(**{**settings, "start": given}).config()


def test_large_seeds_are_told_apart():
    settings = {**problem(), "learning_rate": 1e-2, "steps": 2, "rows": 2}
    ends = {sgd.simulate(**settings, seed=seed).loss[-1] for seed in (7, 7 + 2**32, 7 + 2**40)}
    assert len(ends) == 3


def test_divergence_is_reported_with_its_step_and_keeps_what_was_logged(tmp_path):
    experiment = sgd.Experiment(**problem(), learning_rate=0.3, steps=1000, rows=40)
    several = experiment.ensemble(range(2))
    assert (several.diverged > 0).all()
    for n, step in enumerate(several.diverged):
        run = several.run(n)
        assert run.steps[-1] < step
        assert np.isfinite(run.loss).all()
        assert f"diverged at step {step}" in run.notes[0]
        assert run.config["diverged_at_step"] == step
    # the step that is named is the first whose weights are beyond bounds
    assert dataclasses.replace(experiment, steps=int(several.diverged[0]) - 1).ensemble(range(2)).diverged[0] == -1
    run = several.run(0)
    run.save(tmp_path / "run.csv")
    assert f"diverged at step {several.diverged[0]}" in rc.Run.load(tmp_path / "run.csv").notes[0]


def test_schedules_set_the_clock():
    settings = {**problem(), "steps": 200, "rows": 8}
    power = sgd.simulate(**settings, learning_rate=sgd.PowerLaw(1e-3, exponent=0.5, scale=20.0))
    rates = 1e-3 * (1 + np.arange(200) / 20.0) ** -0.5
    np.testing.assert_allclose(power.times, np.r_[0, np.cumsum(rates)][power.steps], rtol=1e-13)
    function = sgd.simulate(**settings, learning_rate=lambda step: 1e-3 * (1 + step / 20.0) ** -0.5)
    np.testing.assert_allclose(function.loss, power.loss, rtol=1e-12)  # the rates agree to rounding
    constant = sgd.simulate(**settings, learning_rate=1e-3)
    np.testing.assert_array_equal(constant.times, constant.steps * 1e-3)
    assert constant.clock is None


def test_the_rate_follows_the_direction_being_learned():
    teacher = rc.Teacher([0.8, 0.5, 0.3], rc.Link.hermite(3))
    # two neurons, the first of them aligned already: the second direction sets the rate, and the third cannot
    for second, norms in ((0.1, [0.9, 0.5]), (0.9, 0.5)):
        start = rc.Start(np.array([[0.99, 0.0, 0.0], [0.0, second, 0.0]]), norms=norms, dim=500)
        run = sgd.simulate(teacher, start, learning_rate=sgd.PerDirection(1e-4), steps=10, rows=3)
        np.testing.assert_allclose(run.times, run.steps * 1e-4 * float(teacher.a[1]), rtol=1e-12)


@pytest.mark.parametrize(
    ("constraint", "rate"), [(None, 1e-3), ("stiefel", 1e-3), (None, sgd.PowerLaw(1e-3, 0.3, 10.0))]
)
def test_runs_are_written_and_read_back_to_the_bit(tmp_path, constraint, rate):
    run = sgd.simulate(**problem(), learning_rate=rate, steps=50, rows=6, constraint=constraint)
    run.save(tmp_path / "run.csv")
    back = rc.Run.load(tmp_path / "run.csv")
    same(back, run)
    assert back.kind == ("stiefel_quadratic" if constraint == "stiefel" else "two_homogeneous")
    np.testing.assert_array_equal(back.start.teacher_overlaps, run.start.teacher_overlaps)
    np.testing.assert_array_equal(back.risk, run.risk)


@pytest.mark.parametrize("link", ["he3", "relu", "series"])
def test_a_run_knows_its_link(tmp_path, link):
    series = rc.Link.from_coefficients([0.0, 0.5, 0.3, 0.0, 0.2])
    teacher = rc.Teacher.power_law(2, 1.0, series if link == "series" else rc.Link.named(link))
    start = rc.Start.random(teacher, 2, 40, norm=0.3)
    config = sgd.Experiment(teacher=teacher, start=start, learning_rate=1e-3, steps=3, rows=2).config()
    rc.Run(np.arange(2), np.ones(2), None, config).save(tmp_path / "run.csv")
    q = np.linspace(-1, 1, 5)
    np.testing.assert_allclose(rc.Run.load(tmp_path / "run.csv").teacher.link.dual(q), teacher.link.dual(q), rtol=1e-15)


def test_steps_to_log_can_be_given():
    given = problem() | {"learning_rate": 1e-3, "batch_size": 2}
    some = rc.sgd.Experiment(**given, steps=20, logged=(3, 20)).simulate()
    every = rc.sgd.Experiment(**given, steps=20, logged=tuple(range(21))).simulate()
    np.testing.assert_array_equal(some.steps, [3, 20])
    np.testing.assert_array_equal(some.risk, every.risk[[3, 20]])
    for logged in ((), (3, 3), (21,), (1.5,)):
        with pytest.raises(rc.ArgumentError, match="`logged` must"):
            rc.sgd.Experiment(**given, steps=20, logged=logged)


def test_logged_steps_begin_with_zero_and_end_with_the_last():
    for last in (1, 2, 7, 10**6):
        steps = sgd.logged_steps(last, 50)
        assert steps[0] == 0
        assert steps[-1] == last
        assert np.all(np.diff(steps) > 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "`steps` must be a whole number ≥ 1, but is 0"),
        ({"batch_size": 1.5}, "`batch_size` must be a whole number ≥ 1"),
        ({"rows": 0}, "`rows` must be a whole number ≥ 1"),
        ({"rows": 2**52}, "`rows` must need no more memory than the .* GB there are"),
        ({"batch_size": 2**52}, "`batch_size` must need no more memory"),
        ({"start": rc.Start(np.zeros((3, 2)), dim=2**52), "coordinates": "direct"}, "`dim` must need no more memory"),
        ({"steps": 2**32}, "`steps` must be ≤ 2^32 - 1, as many as a seed has samples for"),
        ({"seed": 2**53 + 1}, "`seed` must be ≤ 2^53"),
        ({"seed": -1}, "`seed` must be a whole number ≥ 0"),
        ({"learning_rate": 0.0}, "`learning_rate` must be > 0, but is 0"),
        ({"learning_rate": "fast"}, "`learning_rate` must be a number > 0, a function of the step, or a schedule"),
        ({"learning_rate": lambda step: -step}, "`learning_rate` must be > 0 at every step, but is 0 at step 0"),
        ({"learning_rate": lambda step: 1.0 - step}, "`learning_rate` must be > 0 at every step, but is 0 at step 1"),
        ({"learning_rate": lambda step: None}, "`learning_rate` must be a function of the step, but is none at step 0"),
        ({"coordinates": "fast"}, '`coordinates` must be "reduced" or "direct"'),
        ({"sgd": rc.SGD(1e-3)}, "`learning_rate` must be left out beside `sgd`"),
        ({"learning_rate": None}, "`sgd` must be given"),
        ({"dtype": "float32"}, '`dtype` must be float64 for coordinates="reduced"'),
        ({"dtype": "float16"}, "`dtype` must be float64 or float32"),
        ({"student_scale": 1.0}, '`student_scale` must be left out unless constraint="stiefel"'),
        ({**problem(degree=3), "constraint": "stiefel"}, "`teacher` must have the pure link h_2 for Stiefel SGD"),
        ({"start": rc.Start(np.zeros((2, 2)))}, "`start` must have a dimension"),
        ({"start": rc.Start(np.zeros((2, 3)), dim=9)}, "`start` must overlap with 2 directions, but is 3"),
        ({"teacher": None}, "`teacher` must be a riccati.Teacher"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_line(change, message):
    settings = {**problem(), "learning_rate": 1e-3, "steps": 10, **change}
    with pytest.raises(rc.ArgumentError, match=message.replace("(", r"\(").replace("^", r"\^")) as caught:
        sgd.simulate(**settings)
    assert "\n" not in str(caught.value)


def test_a_typical_start_is_refused():
    settings = problem()
    typical = rc.Start.typical(settings["teacher"], 2, 50)
    with pytest.raises(rc.ArgumentError, match="`start` must hold all overlaps"):
        sgd.simulate(settings["teacher"], typical, learning_rate=1e-3, steps=5)


def test_names_of_up_to_050():
    with pytest.warns(RenamedArgument, match=r"riccati\.sgd\.ENGINES is now riccati\.sgd\.COORDINATES"):
        assert "stiefel_direct" in sgd.ENGINES
    with pytest.warns(RenamedArgument, match="ReducedEngine"):
        assert sgd.InLaw is sgd.ReducedEngine
    assert not hasattr(sgd, "Nothing")
    assert sgd.Experiment(**problem(), sgd=rc.SGD(1e-3), steps=2).second_layer_rate == 1
