"""A run that is cut, stopped, resumed, or whose checkpoint is not its own."""

import hashlib
import io
import json
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sgd_runs import problem, same

import riccati as rc
from riccati import sgd
from riccati.support import Stopped, sole_writer


class Signalling:
    """A constant learning rate that raises a signal the first time that it is asked for the rate of certain steps."""

    def __init__(self, *steps, number=signal.SIGINT):
        self.left, self.number = set(steps), number

    def __call__(self, step):
        if step in self.left:
            self.left.remove(step)
            signal.raise_signal(self.number)
        return 1e-3


@pytest.mark.parametrize("follow", [False, True])
def test_where_the_loop_is_cut_does_not_matter(follow):
    asked = problem(degree=3, width=3, neurons=2) if follow else problem()
    experiment = sgd.Experiment(**asked, learning_rate=sgd.PerDirection(2e-3) if follow else 2e-3, steps=40)
    simulation = experiment.simulation
    keys, rates = jax.vmap(jax.random.key)(jnp.arange(1)), jnp.full(sgd.STEPS_A_CALL, 2e-3)
    ends = []
    for cuts in ([70], [1, 1, 2, 57, 9]):  # the randomness of 64 steps is drawn at once
        states = simulation.initial_states(1)
        for count in cuts:
            states = sgd.take_steps(simulation.dynamics, keys, states, rates, jnp.asarray(count))
        ends.append(states)
    for left, right in zip(*ends, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(("coordinates", "constraint"), [("reduced", None), ("direct", None), ("reduced", "stiefel")])
def test_an_interrupted_run_resumes_to_the_identical_result(tmp_path, coordinates, constraint):
    settings = {**problem(), "steps": 120, "rows": 9, "coordinates": coordinates, "constraint": constraint}
    path, rate = tmp_path / "checkpoint", Signalling(8, 45, 110)
    whole = sgd.simulate(**settings, learning_rate=Signalling(), seed=2)
    stops = []
    while rate.left:
        with pytest.raises(Stopped, match=r"Stopped by SIGINT at step \d+ of 120; the same call continues") as stopped:
            sgd.simulate(**settings, learning_rate=rate, seed=2, checkpoint=path)
        stops.append(str(stopped.value))
    assert len(set(stops)) == len(stops) > 1
    same(sgd.simulate(**settings, learning_rate=rate, seed=2, checkpoint=path), whole)
    # a finished one has nothing left to do, and says the same again
    same(sgd.simulate(**settings, learning_rate=Signalling(8, 45, 110), seed=2, checkpoint=path), whole)


def test_a_stop_without_a_checkpoint_says_what_is_lost():
    rate = Signalling(45, number=signal.SIGTERM)
    with pytest.raises(Stopped, match=r"Stopped by SIGTERM at step \d+ of 60, without a checkpoint") as stopped:
        sgd.simulate(**problem(), learning_rate=rate, steps=60)
    assert stopped.value.signal_number == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_second_writer_is_refused(tmp_path):
    settings = {**problem(), "learning_rate": 1e-3, "steps": 20}
    with sole_writer(tmp_path / "checkpoint"):
        with pytest.raises(rc.ArgumentError, match="`checkpoint` must have one writer at a time"):
            sgd.simulate(**settings, checkpoint=tmp_path / "checkpoint")
        assert not (tmp_path / "checkpoint").exists()
    sgd.simulate(**settings, checkpoint=tmp_path / "checkpoint")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Settings of a run, and the bytes of its checkpoint."""
    settings, path = {**problem(), "learning_rate": 1e-3, "steps": 20, "rows": 5}, tmp_path_factory.mktemp("run") / "c"
    sgd.simulate(**settings, checkpoint=path)
    return settings, path.read_bytes()


def test_a_checkpoint_of_another_experiment_is_refused(tmp_path, saved):
    settings, content = saved
    path = tmp_path / "checkpoint"
    path.write_bytes(content)
    for change in ({"learning_rate": 2e-3}, {"seed": 1}, {"batch_size": 2}):
        with pytest.raises(rc.ArgumentError, match=r"another (learning_rate|seeds|batch_size)"):
            sgd.simulate(**{**settings, **change}, checkpoint=path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text", "archive", "list", "shape"])
def test_a_damaged_or_foreign_checkpoint_is_refused_in_one_line(tmp_path, saved, damage):
    settings, content = saved
    path, archive = tmp_path / "checkpoint", io.BytesIO()
    np.savez(archive, config="[1, 2]", state_W=np.full(3, np.nan))
    foreign = archive.getvalue()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    path.write_bytes(
        {
            "empty": b"",
            "cut": content[: len(content) // 2],
            "flipped": bytes(flipped),
            "text": b"not a checkpoint",
            "archive": foreign,
            "list": b"riccati checkpoint\n" + hashlib.sha256(foreign).digest() + foreign,
            "shape": _with_another_shape(content),
        }[damage]
    )
    with pytest.raises(rc.ArgumentError, match=r"`checkpoint` must (be a checkpoint|hold states_W)") as caught:
        sgd.simulate(**settings, checkpoint=path)
    assert "\n" not in str(caught.value)


def _with_another_shape(content):
    """A checkpoint whose digest is right and whose weights have a neuron less."""
    held = _archive(content)
    return _file(held | {"states_W": held["states_W"][:, 1:]})


_HEAD = b"riccati checkpoint\n"


def _archive(content):
    with np.load(io.BytesIO(content[len(_HEAD) + 32 :])) as file:
        return dict(file)


def _file(held):
    archive = io.BytesIO()
    np.savez(archive, **held)
    return _HEAD + hashlib.sha256(archive.getvalue()).digest() + archive.getvalue()


def _as_written_by_0_4(content):
    """The checkpoint in the words of 0.4: chains for states, an engine, and `kind` under its old name."""
    held = {name.replace("states_", "chains_"): array for name, array in _archive(content).items()}
    config = json.loads(str(held["config"]))
    coordinates, kind = config.pop("coordinates"), config.pop("kind")
    old = {("reduced", False): "in_law", ("reduced", True): "stiefel", ("direct", False): "direct"}
    config |= {"engine": old[coordinates, kind == "stiefel_quadratic"], "parametrisation": kind}
    return _file(held | {"config": json.dumps(config, sort_keys=True)})


@pytest.mark.parametrize(("coordinates", "constraint"), [("reduced", None), ("direct", None), ("reduced", "stiefel")])
def test_a_checkpoint_of_an_older_version_goes_on_to_the_same_result(tmp_path, coordinates, constraint):
    settings = {**problem(), "steps": 60, "rows": 9, "coordinates": coordinates, "constraint": constraint}
    path = tmp_path / "checkpoint"
    with pytest.raises(Stopped):
        sgd.simulate(**settings, learning_rate=Signalling(45), checkpoint=path)
    path.write_bytes(_as_written_by_0_4(path.read_bytes()))
    # begun anew it would be stopped at step 8
    went_on = sgd.simulate(**settings, learning_rate=Signalling(8), checkpoint=path)
    same(went_on, sgd.simulate(**settings, learning_rate=Signalling()))
