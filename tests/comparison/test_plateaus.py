"""Keys that the late risk tells: their values come out of draws with known plateaus, and real runs name the key."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import riccati as rc
from riccati.comparison import Draws, Observation, Readings
from riccati.comparison.plateaus import causes_of_plateau
from riccati.comparison.signs import is_as_rough

TIMES = np.linspace(0.2, 10, 60)
CONFIG = {"information_exponent": 2, "second_layer": [0.8, 0.6], "learning_rate": 0.1, "batch_size": 8, "dim": 50,
          "student_width": 2, "loss": "risk", "training_loss": "0.5*(f*-f)^2", "init_norm": 0.5,
          "initial_overlaps": [[0.1, 0.2], [0.2, 0.1]], "initial_student_gram": [[1, 0], [0, 1]]}  # fmt: skip


def curves(seed, n, noise=0.0, decay=0.0):
    """A fall at t = 2 to a plateau of noise, which fluctuates, over a floor of decay, which does not."""
    rng = np.random.default_rng(seed)
    falls = 1 / (1 + (TIMES / 2) ** 12) * np.exp(0.01 * rng.standard_normal((n, 1)))
    plateau = (1e-3 + 0.1 * noise) * np.exp(0.2 * rng.standard_normal((n, 60)))
    return falls + plateau + 2 * (decay / 2) ** 2


@dataclass(frozen=True)
class Made:
    """A case whose draws are these curves, in place of SGD."""

    run: rc.Run
    readings: Readings

    @property
    def observation(self):
        return Observation(self.run)

    @property
    def quick_draws(self):
        config = self.run.config
        risk = curves(1, 128, config.get("label_noise", 0.0), config.get("weight_decay", 0.0))
        return Draws(TIMES, risk, np.ones((128, 2)), 0.0, "128 draws")

    def with_cause(self, cause):
        return replace(self, run=cause.changed(self.run))


def causes(keys, exact=True, **truth):
    risk = curves(7, 1, **truth)[0]
    run = rc.Run(np.arange(1, 61), risk, np.ones((60, 2)), CONFIG | keys)
    case = Made(run, Readings(TIMES, risk, None, exact=exact))
    return {next(iter(cause.keys)): cause.keys for cause, *_ in causes_of_plateau(case, case.quick_draws)}


@pytest.mark.parametrize("noise", [0.5, 2.0, 8.0])
def test_the_noise_of_labels_is_that_of_the_plateau(noise):
    keys = causes({}, noise=noise)
    assert keys["label_noise"]["label_noise"] == pytest.approx(noise, rel=0.15)
    norms = {"final_norms": np.sqrt([0.8, 0.6]).tolist()}  # of what is learned
    assert set(causes(norms, noise=noise)) == {"label_noise"}


@pytest.mark.parametrize("decay", [0.1, 0.3, 0.9])
def test_a_decay_is_that_of_the_floor_and_smaller_norms_refute_noise(decay):
    norms = {"final_norms": np.sqrt(np.array([0.8, 0.6]) - decay / 2).tolist()}
    keys = causes(norms, decay=decay)
    assert set(keys) == {"weight_decay"}
    assert keys["weight_decay"]["weight_decay"] == pytest.approx(decay, rel=0.05)
    assert "weight_decay" in causes({}, decay=decay)


def test_norms_that_stay_are_the_sphere_and_nothing_else():
    run = causes({"final_norms": [0.5, 0.5]}, noise=2.0)
    assert set(run) == {"constraint"}


def test_a_run_on_theory_has_no_such_key():
    assert causes({}) == {}


def test_roughness_is_compared_on_both_sides_of_an_exact_risk():
    draws = Draws(TIMES, curves(1, 128, noise=1.0), np.ones((128, 2)), 0.0, "128 draws")
    alike = Readings(TIMES, curves(7, 1, noise=1.0)[0], None, exact=True)
    smooth = replace(alike, risk=curves(7, 1, decay=0.4)[0])
    rough = replace(alike, risk=alike.risk * np.exp(np.random.default_rng(0).standard_normal(60)))
    assert is_as_rough(alike, draws)
    assert not is_as_rough(smooth, draws)
    assert not is_as_rough(rough, draws)
    assert is_as_rough(replace(rough, exact=False), draws)


def loop(rng, noise=0.0, decay=0.0, momentum=0.0, steps=600, every=15):
    """SGD on ½(y - f)², written out: h_2, two directions, three neurons, d = 100; the run as recorded without keys."""
    d, batch, eta = 100, 16, 0.012 * (1 - momentum)  # a batch of about 1/(1 - μ) would be as good an explanation
    a = np.array([0.8, 0.6])
    teacher, Theta = rc.Teacher(a, rc.Link.hermite(2)), np.eye(2, d)
    W, v = 0.3 * rng.standard_normal((3, d)) / np.sqrt(d), 0.0
    log = rc.Recorder(teacher, Theta, rc.SGD(eta, batch))
    for step in range(steps + 1):
        if step % every == 0:
            log(step, W)
        X = rng.standard_normal((batch, d))
        Z = X @ W.T
        labels = ((X[:, :2] ** 2 - 1) @ a) / np.sqrt(2) + np.sqrt(noise) * rng.standard_normal(batch)
        e = labels - (Z**2 - (W**2).sum(axis=1)).sum(axis=1) / np.sqrt(2)
        g = decay * W - np.sqrt(2) * ((e[:, None] * Z).T @ X / batch - e.mean() * W)
        v = momentum * v + g
        W = W - eta * v
    return log.run()


@pytest.mark.large
@pytest.mark.parametrize(
    ("truth", "key", "value"),
    [
        ({"noise": 0.5}, "label_noise", 0.5), ({"noise": 2.0}, "label_noise", 2.0),
        ({"decay": 0.3}, "weight_decay", 0.3), ({"momentum": 0.9}, "momentum", 0.9),
    ],
)  # fmt: skip
def test_real_runs_without_the_key_name_it_or_none_and_with_it_obey(truth, key, value):
    right = 0
    for seed in range(4):
        run = loop(np.random.default_rng(seed), **truth)
        verdict = rc.compare(run, replicas=128).verdict
        assert verdict.consistent is False
        assert all(reason.startswith(key) for reason in verdict.reasons), verdict.sentence
        right += rc.compare(replace(run, config=run.config | {key: value}), replicas=128).verdict.consistent is True
    assert right >= 3
