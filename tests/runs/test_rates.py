"""Learning rates: a column that changes is the schedule of the run, a constant one is held against the key."""

import numpy as np
import pandas as pd
import pytest
from logs import CONFIG, log

import riccati as rc

KEYS = {key: value for key, value in CONFIG.items() if key != "learning_rate"} | {"training_loss": "(f*-f)^2"}


def run_of(columns, **keys):
    return rc.Run.from_frame(pd.DataFrame({"loss": np.geomspace(0.5, 0.1, len(columns["step"]))} | columns), **keys)


@pytest.mark.parametrize(
    "name", ["lr", "LR", "learning_rate", "train/learning_rate", "train/lr", "optim/lr", "lr-SGD", "lr-SGD/pg1",
             "learning rate", "current_lr"],
)  # fmt: skip
def test_a_rate_that_changes_is_the_schedule_of_the_run(name):
    run = run_of({"step": [0, 10, 20, 30], name: [0.04, 0.04, 0.02, 0.01]}, **KEYS, learning_rate=0.04)
    assert run.config["schedule"] == [[0, 0.04], [20, 0.02], [30, 0.01]]
    np.testing.assert_allclose(run.times, 2 * np.array([0, 0.4, 0.8, 1.0]), rtol=1e-14)
    np.testing.assert_array_equal(run.clock, run.times)
    np.testing.assert_array_equal(run.learning_rates([0, 19, 20, 29, 30, 10**6]), [0.04, 0.04, 0.02, 0.02, 0.01, 0.01])
    (line,) = run.assumed_of_log
    assert f"that of the column {name.lower()}, 3 values from 0.04 to 0.01, each taken as constant up to" in line
    assert run.assumed[-1] == line
    assert "schedule sets the clock: learning_rate, 0.04, is not used" in run.assumed


@pytest.mark.parametrize("name", ["lr-SGD-momentum", "lr_scheduler", "lr-SGD-weight_decay", "alr"])
def test_columns_that_are_no_learning_rates(name):
    run = run_of({"step": [0, 10], name: [0.04, 0.01]}, **KEYS, learning_rate=0.04)
    assert "schedule" not in run.config
    assert run.notes == ()


def test_a_constant_rate_is_held_against_the_key():
    columns = {"step": [0, 10, 20], "lr": [0.01, 0.01, np.float32(0.01)]}
    assert run_of(columns, **KEYS, learning_rate=0.01).notes == ()
    other = run_of(columns, **KEYS, learning_rate=0.04)
    assert other.notes == ("the column lr says 0.01 where the key learning_rate is 0.04: the key is taken",)
    np.testing.assert_allclose(other.times, 2 * 0.04 * np.array([0, 10, 20]))
    missing = run_of(columns, **KEYS)
    assert missing.config["learning_rate"] == 0.01
    assert "learning_rate is not given: 0.01, as the column lr has it" in missing.assumed
    np.testing.assert_array_equal(missing.learning_rates([0, 5]), [0.01, 0.01])


def test_rates_in_rows_of_their_own_as_hugging_face_logs_them(tmp_path):
    rows = [
        '{"step": 50, "loss": 0.9, "learning_rate": 0.02}',
        '{"step": 100, "loss": 0.8, "learning_rate": 0.01}',
        '{"step": 100, "eval_loss": 0.45}',
        '{"step": 150, "loss": 0.7, "learning_rate": 0.0}',
        '{"step": 150, "eval_loss": 0.4}',
    ]
    run = rc.Run.load(log(tmp_path, rows, KEYS, "run.jsonl"))
    np.testing.assert_array_equal(run.steps, [100, 150])
    np.testing.assert_array_equal(run.loss, [0.45, 0.4])
    np.testing.assert_allclose(run.times, 2 * np.array([2.0, 2.5]))  # 0.02 from the beginning on


def test_the_rate_of_an_epoch_is_that_of_the_row_at_its_end():
    columns = {"epoch": [0, 1, 2], "val_loss": [0.5, 0.4, 0.3], "learning_rate": [0.04, 0.02, 0.01]}
    run = rc.Run.from_frame(columns, **KEYS, steps_per_epoch=100)
    assert run.config["schedule"] == [[0, 0.04], [100, 0.02], [200, 0.01]]
    np.testing.assert_allclose(run.times, 2 * np.array([4.0, 6.0, 7.0]))


def test_a_rate_of_0_is_the_foot_of_a_ramp_or_the_end():
    ramp = run_of({"step": [0, 10, 20, 30], "lr": [0.0, 0.02, 0.04, 0.04]}, **KEYS)
    assert ramp.config["schedule"] == [[0, 0.01], [10, 0.02], [20, 0.04]]
    end = run_of({"step": [0, 10, 20, 30], "lr": [0.04, 0.02, 0.0, 0.0]}, **KEYS)
    np.testing.assert_array_equal(end.steps, [0, 10, 20])
    assert end.notes == ("the learning rate is 0 from step 20 on: dropped 1 row",)
    nothing = run_of({"step": [0, 10], "lr": [0.0, 0.0]}, **KEYS, learning_rate=0.01)
    assert nothing.notes == ("lr is 0 in every row: not read",)


def test_groups_of_parameters_that_disagree_are_said():
    run = run_of({"step": [0, 10], "lr-SGD/pg1": [0.04, 0.02], "lr-SGD/pg2": [0.04, 0.01]}, **KEYS)
    assert run.config["schedule"] == [[0, 0.04], [10, 0.02]]
    assert run.notes == ("lr-sgd/pg2 disagrees with lr-sgd/pg1, from which the learning rate is taken",)


@pytest.mark.parametrize(
    "schedule", [[[0, 0.04], [15, 0.01]], np.array([[0, 0.04], [15, 0.01]]), [(5, 0.04), (15, 0.01)]]
)
def test_a_schedule_as_a_key(tmp_path, schedule):
    run = rc.Run.from_arrays([0, 10, 20], [1.0, 0.5, 0.25], **KEYS | {"loss": None}, schedule=schedule)
    np.testing.assert_allclose(run.times, 2 * np.array([0, 0.4, 0.65]), rtol=1e-14)
    np.testing.assert_array_equal(run.learning_rates(np.array([0, 14, 15])), [0.04, 0.04, 0.01])
    run.require_keys()
    run.save(tmp_path / "run.csv")
    again = rc.Run.load(tmp_path / "run.csv")
    np.testing.assert_array_equal(again.times, run.times)
    np.testing.assert_array_equal(again.config["schedule"], run.config["schedule"])
    np.testing.assert_array_equal(again.learning_rates([0, 15]), [0.04, 0.01])


def test_what_was_assumed_of_a_log_is_saved_with_it(tmp_path):
    run = run_of({"step": [0, 10, 20], "lr": [0.04, 0.02, 0.01]}, **KEYS)
    run.save(tmp_path / "run.csv")
    again = rc.Run.load(tmp_path / "run.csv")
    assert again.assumed == run.assumed
    assert again.notes == run.notes
    np.testing.assert_array_equal(again.times, run.times)


def test_a_key_schedule_goes_before_the_column_and_a_disagreement_is_said():
    columns = {"step": [0, 10, 20], "lr": [0.04, 0.02, 0.01]}
    right = run_of(columns, **KEYS, schedule=[[0, 0.04], [10, 0.02], [20, 0.01]])
    assert right.notes == ()
    wrong = run_of(columns, **KEYS, schedule=[[0, 0.04], [20, 0.01]])
    assert wrong.notes == ("the column lr disagrees with the key schedule: the key is taken",)
    np.testing.assert_allclose(wrong.times, 2 * np.array([0, 0.4, 0.8]))


@pytest.mark.parametrize(
    "schedule",
    [0.1, [], "cosine", {"name": "plateau"}, {"T_max": 10}, [[0]], [[0, 0.0]], [[0, -1.0]], [[0, float("nan")]],
     [[0.5, 1.0]], [[-1, 1.0]], [[5, 0.1], [5, 0.2]], [[5, 0.1], [0, 0.2]], [[0, "x"]], [["x", 1.0]], [0, 1]],
)  # fmt: skip
def test_schedules_refused(schedule):
    with pytest.raises(rc.ArgumentError, match=r"^Argument `schedule` must "):
        rc.Run.from_arrays([0, 10], [1.0, 0.5], schedule=schedule)


@pytest.mark.parametrize("steps", [[-1], [0.5], ["a"], np.ma.masked_array([1, 2], [0, 1])])
def test_rates_are_asked_for_at_steps(steps):
    with pytest.raises(rc.ArgumentError, match=r"^Argument `steps` must "):
        rc.Run.from_arrays([0, 10], [1.0, 0.5], learning_rate=0.1).learning_rates(steps)


def test_the_rates_of_a_run_with_a_clock_are_the_mean_ones_between_its_rows():
    clock = np.array([0.0, 1.0, 1.5])
    run = rc.Run(np.array([0, 10, 20]), np.ones(3), None, {"training_loss": "(f*-f)^2"}, clock=clock)
    np.testing.assert_allclose(run.learning_rates([0, 9, 10, 100]), [0.05, 0.05, 0.025, 0.025])
    with pytest.raises(rc.ArgumentError, match="`learning_rate` must be given"):
        rc.Run(np.array([0, 10]), np.ones(2), None, {}).learning_rates([0])


@pytest.mark.parametrize(
    "optimiser", ["adam", "AdamW", "torch.optim.Adam", "RMSprop", "rms_prop", "Adagrad", "nadam", "lion", "adam8bit",
                  {"name": "adamw", "lr": 0.1}],
)  # fmt: skip
@pytest.mark.parametrize("key", ["optimizer", "optimiser"])
def test_adaptive_optimisers_are_refused_by_name(optimiser, key):
    message = f"^Argument `{key}` must be SGD, as the theory covers no other optimiser"
    with pytest.raises(rc.ArgumentError, match=message):
        rc.Run.from_arrays([0, 10], [1.0, 0.5], **{key: optimiser})


@pytest.mark.parametrize(
    "optimiser", ["sgd", "SGD", "torch.optim.SGD", "nesterov", "SGD (adapted from the tutorial)",
                  "SGD(momentum=0.0, nesterov=False)", "SGD (lr: 0.1 momentum: 0 weight_decay: 0)",
                  {"name": "sgd", "momentum": 0, "nesterov": None}],
)  # fmt: skip
def test_sgd_is_none_of_them(optimiser):
    assert rc.Run.from_arrays([0, 10], [1.0, 0.5], optimizer=optimiser).notes == ()


@pytest.mark.parametrize(
    ("optimiser", "keys"), [
        ("SGD(momentum=0.9)", {"momentum": 0.9}), ({"name": "sgd", "momentum": 0.9}, {"momentum": 0.9}),
        ("SGD (lr: 0.1 momentum: 0 weight_decay: 1e-4)", {"weight_decay": 1e-4}),
        ("sgd, nesterov=True", {"nesterov": True, "momentum": 0.5}),
    ],
)  # fmt: skip
def test_momentum_and_decay_in_the_name_of_sgd_are_to_be_given_as_keys(optimiser, keys):
    missing = next(iter(keys))
    with pytest.raises(rc.ArgumentError, match=f"^Argument `{missing}` must be given as a key beside optimizer"):
        rc.Run.from_arrays([0, 10], [1.0, 0.5], optimizer=optimiser)
    run = rc.Run.from_arrays([0, 10], [1.0, 0.5], optimizer=optimiser, learning_rate=0.1, batch_size=2, **keys)
    assert {name: getattr(run.sgd, name) for name in keys} == keys


def test_the_clock_of_a_run_has_its_momentum_and_its_decay_is_that_of_half_the_loss():
    """η(2∇L + λw) = 2η(∇L + ½λw), and steps are 1/(1 - μ) longer, under a schedule too."""
    keys = {"learning_rate": 0.1, "batch_size": 2, "momentum": 0.75, "weight_decay": 0.2, "training_loss": "(f*-f)^2"}
    run = rc.Run.from_arrays([0, 10], [1.0, 0.5], **keys)
    assert run.sgd == rc.SGD(0.2, 2, momentum=0.75, weight_decay=0.1)
    assert run.times[-1] == pytest.approx(8.0)
    scheduled = rc.Run.from_arrays([0, 10], [1.0, 0.5], **keys, schedule=[[0, 0.1], [5, 0.3]])
    assert scheduled.times[-1] == pytest.approx(16.0)
    np.testing.assert_allclose(scheduled.learning_rates([0, 7]), [0.1, 0.3])
    for name in ("dampening", "nesterov"):
        with pytest.raises(rc.ArgumentError, match=f"`{name}` must be left out without momentum"):
            rc.Run.from_arrays([0], [1.0], **{name: 0.5 if name == "dampening" else True})


@pytest.mark.parametrize(
    ("words", "rates"),
    [
        ({"name": "cosine", "T_max": 4, "eta_min": 0.02}, 0.02 + 0.04 * (1 + np.cos(np.pi * np.arange(6) / 4))),
        ({"name": "step", "step_size": 2, "gamma": 0.5}, 0.1 * np.array([1, 1, 0.5, 0.5, 0.25, 0.25])),
        ({"name": "constant", "warmup": 2}, 0.1 * np.array([0.5, 0.75, 1, 1, 1, 1])),
        ({"name": "power_law", "exponent": 1.0, "scale": 2}, 0.1 / (1 + np.arange(6) / 2)),
        ({"name": "cosine", "T_max": 9, "learning_rate": 0.2}, 0.1 * (1 + np.cos(np.pi * np.arange(6) / 9))),
    ],
)
def test_a_schedule_by_its_name_is_the_clock_and_the_algorithm(tmp_path, words, rates):
    """A step of SGD on (f* - f)² at η, momentum ½, is 4η of canonical time."""
    keys = KEYS | {"learning_rate": 0.1, "momentum": 0.5, "schedule": words}
    run = rc.Run.from_arrays([0, 2, 6], [1.0, 0.5, 0.25], **keys)
    np.testing.assert_allclose(run.times, 4 * np.array([0, rates[:2].sum(), rates.sum()]), rtol=1e-12)
    np.testing.assert_allclose(run.learning_rates(np.arange(6)), rates, rtol=1e-12)
    np.testing.assert_allclose(run.sgd.schedule.rates(0, 6), 2 * rates, rtol=1e-12)  # of every step, not of rows
    np.testing.assert_array_equal(run.sgd.times([0, 2, 6]), run.times)
    run.save(tmp_path / "run.csv")
    np.testing.assert_array_equal(rc.Run.load(tmp_path / "run.csv").times, run.times)


def test_a_run_of_a_planned_rate_has_it_as_a_key_and_is_compared_with_the_same_steps():
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 2, 30, 0.4, seed=0)
    sgd = rc.SGD(rc.sgd.WarmUp(rc.sgd.Cosine(0.04, 40, 0.004), 10), batch_size=8)
    run = rc.sgd.simulate(teacher, start, sgd, steps=50, rows=6, seed=1)
    assert run.config["schedule"] == {"name": "cosine", "T_max": 40, "eta_min": 0.004, "warmup": 10}
    assert run.sgd == sgd
    np.testing.assert_allclose(run.times, sgd.times(run.steps), rtol=1e-12)


def test_rows_without_a_step_between_them_are_refused():
    keys = {"learning_rate": 0.1, "schedule": {"name": "linear", "start_factor": 1, "end_factor": 0, "total_iters": 4}}
    assert rc.Run.from_arrays([0, 4], [1.0, 0.5], **keys).times[-1] == pytest.approx(0.25)
    with pytest.raises(rc.ArgumentError, match=r"`schedule` must have η > 0 between rows.* 0 from step 4 on"):
        rc.Run.from_arrays([0, 4, 8], [1.0, 0.5, 0.2], **keys)
    for words, missing in (({"name": "cosine"}, "T_max"), ({"name": "step"}, "step_size")):
        with pytest.raises(rc.ArgumentError, match=f"`{missing}` must be given for"):
            rc.Run.from_arrays([0, 4], [1.0, 0.5], learning_rate=0.1, schedule=words)
    with pytest.raises(rc.ArgumentError, match="`learning_rate` must be given"):
        rc.Run.from_arrays([0, 4], [1.0, 0.5], schedule={"name": "cosine", "T_max": 9})


def test_a_schedule_that_is_only_recorded_is_no_clock():
    named = {"learning_rate": 0.1, "schedule": {"kind": "cosine"}}
    with pytest.raises(rc.ArgumentError, match=r"`schedule` must be a list of pairs .* come with a column"):
        rc.Run.from_arrays([0, 10], [1.0, 0.5], **named)
    run = rc.Run(np.array([0, 10]), np.ones(2), None, named, clock=np.array([0.0, 0.5]))
    assert run.times[-1] == 0.5


def test_optimisers_in_files_and_columns(tmp_path):
    for key in ("optimizer", "optimiser"):
        with pytest.raises(rc.ArgumentError, match=f"`{key}` must be SGD, .* but is Adam"):
            rc.Run.load(log(tmp_path, config={key: "Adam"}))
    for name in ("lr-Adam", "lr-AdamW/pg1", "lr-RMSprop-1"):
        with pytest.raises(rc.ArgumentError, match=f"`{name.lower()}` must be SGD"):
            run_of({"step": [0, 10], name: [0.1, 0.1]})


def test_the_loss_that_a_schedule_is_of_is_said_where_it_is_assumed():
    run = rc.Run.from_arrays([0, 10], [1.0, 0.5], schedule=[[0, 0.1]])
    assert "training_loss is not given: SGD on 0.5*(f*-f)^2, which sets the clock" in run.assumed


def test_a_learning_rate_that_overrides_a_file_goes_before_its_schedule(tmp_path):
    path = log(tmp_path, config=KEYS | {"schedule": [[0, 0.04], [10, 0.01]]})
    np.testing.assert_allclose(rc.Run.load(path).times, 2 * np.array([0, 0.4, 0.5]))
    np.testing.assert_allclose(rc.Run.load(path, learning_rate=0.1).times, 2 * np.array([0, 1.0, 2.0]))


def test_rates_say_nothing_of_a_run_whose_clock_is_known():
    columns = {"step": [0, 10, 20], "lr": [0.04, 0.02, 0.01]}
    assert "schedule" not in run_of(columns, kind="stiefel_quadratic", riccati_step=0.1).config
    clocked = run_of(columns | {"canonical_time": [0.0, 0.5, 0.6]}, **KEYS)
    np.testing.assert_array_equal(clocked.times, [0, 0.5, 0.6])
    assert "schedule" not in clocked.config
