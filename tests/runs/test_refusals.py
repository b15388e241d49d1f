"""Training that theory does not cover is refused by its name, by every spelling, wherever it is said."""

import json

import numpy as np
import pytest
from logs import CONFIG, log

import riccati as rc
from riccati.runs.refusals import NOT_COVERED, is_off, row_of

TEACHER = rc.Teacher([1.0], rc.Link.hermite(2))
LOOP = {"learning_rate": 0.1, "batch_size": 2, "training_loss": "mse"}
SPELT = [(name, row) for row in NOT_COVERED for name in (row.key, *row.spellings)]


def arrays(**keys):
    return rc.Run.from_arrays([0, 10], [1.0, 0.5], **keys)


def recorder(**keys):
    return rc.Recorder(TEACHER, np.eye(1, 4), **LOOP, **keys)


@pytest.mark.parametrize(("name", "row"), SPELT)
def test_every_spelling_is_refused_with_what_it_is_why_and_the_remedy(name, row):
    for refuses in (arrays, recorder):
        with pytest.raises(rc.ArgumentError) as refused:
            refuses(**{name: 5})
        assert refused.value.argument == name
        assert all(part in str(refused.value) for part in (row.what, row.why, row.remedy, "but is 5"))
        for off in (None, False, 0, 0.0, "none", "False"):
            refuses(**{name: off})


def test_no_spelling_means_two_things():
    names = [name for name, _ in SPELT]
    assert len(set(names)) == len(names)


def test_names_are_read_in_any_case_and_with_other_marks():
    for name in ("Max-Grad-Norm", "clip.grad.norm", "CLIPNORM", " gradient clipping "):
        assert row_of(name).key == "gradient_clipping"
    assert row_of("beta") is None


def test_one_epoch_and_a_bound_that_never_binds_are_off():
    arrays(epochs=1, max_epochs=1.0, max_grad_norm=float("inf"), dropout="0.0")
    assert not is_off(row_of("epochs"), 2)
    assert not is_off(row_of("dropout"), 1)


def test_keys_of_a_file_are_refused_and_those_that_are_off_bear_no_note(tmp_path):
    with pytest.raises(rc.ArgumentError, match=r"^Argument `grad_clip` must be left out: theory does not cover"):
        rc.Run.load(log(tmp_path, config=CONFIG | {"grad_clip": 1.0}))
    run = rc.Run.load(log(tmp_path, config=CONFIG | {"grad_clip": None, "dropout": 0.0, "use_bias": False}))
    assert run.notes == ()


def test_more_samples_than_the_set_has_are_used_twice():
    arrays(dataset_size=20, batch_size=2)
    arrays(dataset_size=10)
    with pytest.raises(rc.ArgumentError, match=r"`dataset_size` must be ≥ 20, .* information exponent; draw fresh"):
        arrays(dataset_size=19, batch_size=2)


@pytest.mark.parametrize(
    ("optimiser", "why"),
    [
        ("Adam", "adaptive steps"), ("torch.optim.AdamW", "adaptive steps"), ("rmsprop", "adaptive steps"),
        ("Adagrad", "adaptive steps"), ("Lion", "the sign of a gradient"), ("signSGD", "the sign of a gradient"),
        ("LBFGS", "a matrix"), ("muon", "a matrix"), ("LAMB", "each layer's own length"), ("SAM", "taken elsewhere"),
    ],
)  # fmt: skip
def test_each_kind_of_optimiser_has_its_reason(optimiser, why):
    for refuses in (arrays, recorder):
        with pytest.raises(rc.ArgumentError, match=f"`optimizer` must be SGD, .*{why}"):
            refuses(optimizer=optimiser)


class Module:
    """A module of torch by what is asked of one: its parts, their parameters."""

    def __init__(self, state, *parts):
        self.state, self.parts = state, parts

    def modules(self):
        return [self, *self.parts]

    def state_dict(self):
        return self.state


@pytest.mark.parametrize(
    ("part", "what"),
    [("Dropout", "dropout"), ("BatchNorm1d", "batch normalisation"), ("LayerNorm", "layer normalisation"),
     ("AlphaDropout", "dropout"), ("RMSNorm", "layer normalisation")],
)  # fmt: skip
def test_layers_of_a_module_are_refused_by_their_class(part, what):
    weights = {"0.weight": np.ones((2, 4))}
    recorder()(0, Module(weights, type("Linear", (), {})()))
    with pytest.raises(rc.ArgumentError, match=f"`W` must be of linear layers without {what}, .*one with {part}"):
        recorder()(0, Module(weights, type(part, (), {})()))


def test_entries_of_a_state_are_refused_by_their_names():
    state = {"0.weight": np.ones((2, 4)), "1.running_mean": np.zeros(2)}
    with pytest.raises(rc.ArgumentError, match=r"`W` must .*without batch normalisation.*one with 1\.running_mean"):
        recorder()(0, state)


def test_a_recorder_takes_fields_of_the_algorithm_as_keywords():
    log_ = recorder(momentum=0.9, weight_decay=0.2, optimizer="SGD(momentum=0.9, weight_decay=0.2)", epochs=1)
    log_(0, np.ones((2, 4)))
    run = log_.run()
    assert run.sgd == rc.SGD(0.2, 2, momentum=0.9, weight_decay=0.1)
    assert run.config["optimizer"].startswith("SGD")
    assert "epochs" not in run.config
    json.dumps(dict(run.config))
    with pytest.raises(rc.ArgumentError, match="`momentum` must be left out beside `sgd`"):
        rc.Recorder(TEACHER, np.eye(1, 4), rc.SGD(0.1), momentum=0.9)
    with pytest.raises(rc.ArgumentError, match="`momentum` must be given as a key beside optimizer"):
        recorder(optimizer="SGD(momentum=0.9)")
    with pytest.raises(rc.ArgumentError, match="`beta` must be left out: teacher, weights and algorithm say it"):
        recorder(beta=1.0)
    with pytest.raises(rc.ArgumentError, match="`momentun` must be a key of a run, as momentum is"):
        recorder(momentun=0.9)
