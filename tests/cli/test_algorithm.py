"""Options of the algorithm: the same words on every verb, and what a verb does not cover is refused by name."""

import json

import pytest
from terminal import PROBLEM, options_taken, run_cli

import riccati as rc
from riccati.cli.problem import ProblemOptions
from riccati.cli.simulate import ExperimentOptions
from riccati.cli.solve import FlowOptions

STEPS = ("--steps", 20, "--learning-rate", 1e-3)
ON = ProblemOptions(teacher_width=2, student_width=3, dim=64)


@pytest.mark.parametrize(
    ("options", "sgd"),
    [
        ({"momentum": 0.9, "nesterov": True}, rc.SGD(1e-3, momentum=0.9, nesterov=True)),
        ({"momentum": 0.9, "dampening": 0.5}, rc.SGD(1e-3, momentum=0.9, dampening=0.5)),
        ({"weight_decay": 0.2, "training_loss": "mse"}, rc.SGD(2e-3, weight_decay=0.1)),
        ({"training_loss": "correlation", "constraint": "sphere"}, rc.SGD(1e-3, 1, "sphere", loss="correlation")),
        ({"constraint": "stiefel"}, rc.SGD(1e-3, 1, "stiefel")),
        ({"schedule": "cosine", "t_max": 50, "warmup": 5}, rc.SGD(rc.sgd.WarmUp(rc.sgd.Cosine(1e-3, 50), 5))),
        ({"schedule": "step", "step_size": 7, "drop": 0.5}, rc.SGD(rc.sgd.StepDecay(1e-3, 7, 0.5))),
        ({"schedule": "linear", "start_factor": 1.0, "end_factor": 0.1, "total_iters": 9},
         rc.SGD(rc.sgd.Linear(1e-3, 1.0, 0.1, 9))),
        ({"schedule": "power", "exponent": 0.5, "scale": 9.0, "training_loss": "(f*-f)^2"},
         rc.SGD(rc.sgd.PowerLaw(2e-3, 0.5, 9.0))),
        ({"schedule": "direction"}, rc.SGD(rc.sgd.PerDirection(1e-3))),
    ],
)  # fmt: skip
def test_options_are_the_algorithm(options, sgd):
    assert ExperimentOptions(steps=5, learning_rate=1e-3, **options).experiment(ON).sgd == sgd


@pytest.mark.parametrize(
    ("options", "flow"),
    [
        ({}, rc.Quadratic()),
        ({"momentum": 0.9}, rc.Quadratic()),
        ({"weight_decay": 0.2}, rc.Quadratic(weight_decay=0.2)),
        ({"weight_decay": 0.2, "flow": "Coupled"}, rc.Coupled(weight_decay=0.2)),
        ({"constraint": "sphere", "flow": "Coupled"}, rc.Coupled(constraint="sphere")),
        ({"training_loss": "correlation"}, rc.Coupled(loss="correlation")),
        ({"training_loss": "correlation", "flow": "Correlation"}, rc.Correlation()),
        ({"flow": "FiniteStep", "gamma": 0.05, "momentum": 0.5}, rc.FiniteStep(0.1)),
        ({"flow": "FiniteStep", "gamma": 0.05, "training_loss": "mse", "weight_decay": 0.2},
         rc.FiniteStep(0.1, weight_decay=0.1)),
        ({"flow": "FiniteStep", "gamma": 0.0, "constraint": "stiefel"}, rc.FiniteStep(0.0, constraint="stiefel")),
    ],
)  # fmt: skip
def test_options_are_the_flow_of_that_algorithm(options, flow):
    made = FlowOptions(**options)._flow(ON, *ON.problem())
    assert type(made) is type(flow)
    for name in ("gamma", "weight_decay", "constraint", "loss"):
        assert getattr(made, name, None) == getattr(flow, name, None)


@pytest.mark.parametrize(
    ("verb", "options", "message"),
    [
        ("solve", ("--weight-decay", 0.1, "--flow", "Riccati"), "`flow` must cover weight decay, as Coupled does"),
        ("solve", ("--constraint", "sphere", "--flow", "Riccati"), "`flow` must cover neurons on the sphere, as"),
        ("solve", ("--dampening", 0.5), "`dampening` must be left out without momentum"),
        ("solve", ("--label-noise", -1), "`label_noise` must be ≥ 0"),
        ("solve", ("--second-layer-rate", 0), "`second_layer_rate` must be left out unless kind is two_layer"),
        ("simulate", (*STEPS, "--momentum", 1), "`momentum` must be below 1"),
        ("simulate", (*STEPS, "--nesterov"), "`nesterov` must be left out without momentum"),
        ("simulate", (*STEPS, "--constraint", "stiefel", "--momentum", 0.5), "`momentum` must be left out with constr"),
        ("simulate", (*STEPS, "--training-loss", "mae"), "`training_loss` must be one of"),
        ("simulate", (*STEPS, "--schedule", "cosine"), "`T_max` must be given for cosine"),
        ("simulate", (*STEPS, "--t-max", 5), "`T_max` must be left out for constant"),
        ("simulate", (*STEPS, "--schedule", "adam"), "'adam' is not one of 'constant'"),
        ("compare", ("--weight-decay", -0.1), "`weight_decay` must be ≥ 0"),
        ("compare", ("--loss-has-noise",), "`loss_has_noise` must be given with label_noise"),
    ],
)
def test_what_is_not_covered_is_refused_by_name(monkeypatch, capsys, tmp_path, verb, options, message):
    given = ("hermite4",) if verb == "compare" else PROBLEM
    code, _, err = run_cli(monkeypatch, capsys, verb, *given, *options, "--out", tmp_path / "o")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1


def test_a_simulation_has_its_algorithm_in_its_json_and_compare_reads_it(monkeypatch, capsys, tmp_path):
    options = ("--momentum", 0.5, "--weight-decay", 0.1, "--label-noise", 0.5, "--schedule", "cosine", "--t-max", 30)
    code, _, _ = run_cli(monkeypatch, capsys, "simulate", *PROBLEM, *STEPS, *options, "--rows", 4, "--out", tmp_path)
    assert code == 0
    keys = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    said = {"momentum": 0.5, "weight_decay": 0.1, "label_noise": 0.5, "training_loss": "0.5*(f*-f)^2"}
    assert said.items() <= keys.items()
    assert keys["schedule"] == {"name": "cosine", "T_max": 30, "eta_min": 0.0}
    assert rc.Run.load(tmp_path / "run.csv").notes == ()


def test_compare_takes_the_keys_as_options(monkeypatch, capsys, tmp_path):
    taken = []

    def load(path, **given):
        taken.append({name: value for name, value in given.items() if value is not None})
        raise rc.ArgumentError("path", "be read elsewhere", path)

    monkeypatch.setattr(rc.Run, "load", load)
    options = ("--momentum", 0.9, "--no-nesterov", "--weight-decay", 0.1, "--constraint", "sphere", "--label-noise", 1,
               "--loss-has-noise", "--training-loss", "correlation")  # fmt: skip
    run_cli(monkeypatch, capsys, "compare", "hermite4", *options, "--out", tmp_path)
    assert taken == [
        {"momentum": 0.9, "nesterov": False, "weight_decay": 0.1, "constraint": "sphere", "label_noise": 1.0,
         "loss_has_noise": True, "training_loss": "correlation"}
    ]  # fmt: skip


def test_verbs_share_the_words(monkeypatch, capsys, tmp_path):
    taken = options_taken(monkeypatch)
    words = ("--momentum", 0.9, "--weight-decay", 0.1, "--training-loss", "mse")
    for verb in (("solve", "--out", tmp_path), ("emergence",), ("simulate", *STEPS, "--out", tmp_path)):
        run_cli(monkeypatch, capsys, *verb, *PROBLEM, *words)
    assert {(each.momentum, each.weight_decay, each.training_loss) for each, _ in taken} == {(0.9, 0.1, "mse")}
    assert len(taken) == 3
