"""Files as the tools write them: each is read as it is, or refused with the reason."""

import json

import numpy as np
import pandas as pd
import pytest

import riccati as rc

TENSORBOARD = "Wall time,Step,Value\n1654943296.2150984,0,0.5\n1654943313.7791796,100,0.25\n"
LIGHTNING = """epoch,step,train_loss_step,train_loss_epoch,val_loss,cos2_1
0,49,0.9,,,
0,99,,,0.45,0.02
0,99,,0.8,,
1,149,0.7,,,
1,199,,,0.3,0.4
"""
KERAS = "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.0,0.91,0.0,0.45\n1,0.0,0.7,0.0,0.3\n"
CHART = """"Step","fancy-sun-1 - test_loss","fancy-sun-1 - test_loss__MIN","fancy-sun-1 - test_loss__MAX"
"0","0.5","0.5","0.5"
"100","0.25","0.25","0.25"
"""
HISTORY = ",loss,_runtime,_timestamp,_step,overlap_1\n0,0.5,1.5,1654943296.2,0,\n1,0.25,3.1,1654943299.1,100,0.3\n"
MLFLOW = "run_id,key,value,timestamp,step,is_nan\na,loss,0.5,1,0,0\na,overlap_1,0.1,1,0,0\na,loss,0.25,2,100,0\n"
TRAINER = {
    "best_metric": None,
    "global_step": 200,
    "log_history": [
        {"epoch": 0.5, "grad_norm": 1.2, "learning_rate": 5e-05, "loss": 0.9, "step": 50},
        {"epoch": 1.0, "eval_loss": 0.45, "eval_runtime": 1.0, "step": 100},
        {"epoch": 2.0, "eval_loss": 0.3, "eval_runtime": 1.0, "step": 200},
        {"epoch": 2.0, "step": 200, "total_flos": 0.0, "train_loss": 0.7, "train_runtime": 9.0},
    ],
}


@pytest.mark.parametrize(
    ("name", "text", "steps", "loss", "keys"),
    [
        ("tb.csv", TENSORBOARD, [0, 100], [0.5, 0.25], {}),
        ("metrics.csv", LIGHTNING, [99, 199], [0.45, 0.3], {}),
        ("keras.csv", KERAS, [50, 100], [0.45, 0.3], {"steps_per_epoch": 50}),
        ("wandb_export.csv", CHART, [0, 100], [0.5, 0.25], {}),
        ("history.csv", HISTORY, [0, 100], [0.5, 0.25], {}),
        ("trainer_state.json", json.dumps(TRAINER, indent=2), [100, 200], [0.45, 0.3], {}),
    ],
)
def test_exports_are_read_as_they_are(tmp_path, name, text, steps, loss, keys):
    (tmp_path / name).write_text(text)
    run = rc.Run.load(tmp_path / name, **keys)
    np.testing.assert_array_equal(run.steps, steps)
    np.testing.assert_array_equal(run.loss, loss)


def test_what_is_taken_for_granted_of_an_export_is_said(tmp_path):
    (tmp_path / "tb.csv").write_text(TENSORBOARD)
    assert "is taken for the loss" in repr(rc.Run.load(tmp_path / "tb.csv"))
    (tmp_path / "keras.csv").write_text(KERAS)
    with pytest.raises(rc.ArgumentError, match="`steps_per_epoch` must be given, as the log counts epochs"):
        rc.Run.load(tmp_path / "keras.csv")
    assert "taken as step (e + 1) x 50" in repr(rc.Run.load(tmp_path / "keras.csv", steps_per_epoch=50))
    (tmp_path / "metrics.csv").write_text(LIGHTNING)
    np.testing.assert_array_equal(rc.Run.load(tmp_path / "metrics.csv").overlaps, [[0.02], [0.4]])


def test_a_long_table_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "mlflow.csv").write_text(MLFLOW)
    with pytest.raises(rc.ArgumentError, match=r"`key` must be a column for each .*pivot_table.* as MLflow exports it"):
        rc.Run.load(tmp_path / "mlflow.csv")
    wide = pd.read_csv(tmp_path / "mlflow.csv").pivot_table(index="step", columns="key", values="value")
    np.testing.assert_array_equal(rc.Run.from_frame(wide).loss, [0.5, 0.25])


def test_a_chart_of_two_runs_and_a_json_file_that_is_no_log_are_refused(tmp_path):
    (tmp_path / "two.csv").write_text('"Step","a - loss","b - loss"\n"0","1","2"\n')
    with pytest.raises(rc.ArgumentError, match="`loss` must be the name of one column, but is that of 2"):
        rc.Run.load(tmp_path / "two.csv")
    for held in ({"dim": 3}, [1], {"log_history": {}}, {"log_history": [1]}):
        (tmp_path / "run.json").write_text(json.dumps(held))
        with pytest.raises(rc.ArgumentError, match=r"`path` must be a trainer_state\.json"):
            rc.Run.load(tmp_path / "run.json")


@pytest.mark.parametrize("name", ["standard", "NTK", "mean_field"])
def test_other_students_are_refused_by_name(name):
    for key in ("parametrisation", "kind"):
        with pytest.raises(
            rc.ArgumentError, match=f"`{key}` must be two_homogeneous, f = .* but is '{name}', f = Σ b_i"
        ):
            rc.Run.from_arrays([0], [1.0], **{key: name})
    unsaid = rc.Run.from_arrays([0], [1.0])
    assert "kind is not given: two_homogeneous, f = Σ |w_i|² σ(<x, w_i>/|w_i|)" in unsaid.assumed
    assert rc.Run.from_arrays([0], [1.0], parametrisation="two_homogeneous").config["parametrisation"]
