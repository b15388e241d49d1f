"""Steps of every algorithm against a few lines of NumPy that do what `torch.optim.SGD` documents."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

import riccati as rc
from riccati.sgd import DirectNoise, State, Weights

DIM, NEURONS, BATCH, STEPS, RATE = 7, 3, 2, 4, 0.05
A = np.array([0.9, -0.5])
CASES = {
    "heavy ball": {"momentum": 0.9},
    "Nesterov's, with decay": {"momentum": 0.8, "nesterov": True, "weight_decay": 0.3},
    "dampening": {"momentum": 0.7, "dampening": 0.4},
    "decay": {"weight_decay": 0.5},
    "correlation loss": {"loss": "correlation"},
    "sphere": {"constraint": "sphere"},
    "sphere, momentum": {"constraint": "sphere", "momentum": 0.6},
}


# σ, σ' and an output scale of two-layer students f = c Σ b_i σ(<x, w_i>)
TWO_LAYER = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0, 1.0),
    "scaled_erf": (lambda z: erf(z / np.sqrt(2)), lambda z: np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2), 0.5),
    "tanh": (np.tanh, lambda z: np.cosh(z) ** -2.0, 1.0),
    "he3": (lambda z: (z**3 - 3 * z) / np.sqrt(6), lambda z: (3 * z**2 - 3) / np.sqrt(6), 2.0),
}


def gradients(W, b, X, y, link, correlation):
    """Of ½(y - f)², or of -yf, in W and b, the mean over a batch; for h_2, or with b for a two-layer student."""
    z = X @ W.T
    if b is None:
        f, r2 = ((z**2 - np.sum(W**2, axis=1)) / np.sqrt(2)).sum(axis=1), None
        e = y if correlation else y - f
        return -np.sqrt(2) * ((e[:, None] * z).T @ X - e.sum() * W) / len(X), r2
    value, slope, scale = TWO_LAYER[link]
    e = y if correlation else y - scale * value(z) @ b
    return -scale * ((e[:, None] * slope(z)) * b).T @ X / len(X), -scale * value(z).T @ e / len(X)


def plain_loop(W, b, samples, labels, link, kappa=1.0, momentum=0, dampening=0, nesterov=False, weight_decay=0, **how):
    """SGD as torch takes it: buffers begin with the first gradient; the sphere puts norms back after each step."""
    buffers, norms = {}, np.linalg.norm(W, axis=1, keepdims=True)
    sphere, parameters = how.get("constraint") == "sphere", {"W": W, "b": b}
    for X, y in zip(samples, labels, strict=True):
        slopes = dict(
            zip(("W", "b"), gradients(*parameters.values(), X, y, link, how.get("loss") == "correlation"), strict=True)
        )
        for name, value in parameters.items():
            if value is None or (sphere and name == "b"):
                continue
            g = slopes[name] + weight_decay * value
            if sphere:
                g = g - np.sum(g * value, axis=1, keepdims=True) * value / norms**2
            if momentum:
                buffers[name] = momentum * buffers[name] + (1 - dampening) * g if name in buffers else g
                g = g + momentum * buffers[name] if nesterov else buffers[name]
            parameters[name] = value - (kappa if name == "b" else 1.0) * RATE * g
        if sphere:
            parameters["W"] *= norms / np.linalg.norm(parameters["W"], axis=1, keepdims=True)
    return parameters


@pytest.mark.parametrize("link", ["he2", *TWO_LAYER])
@pytest.mark.parametrize("name", CASES)
def test_steps_are_those_of_a_plain_loop(name, link):
    """With label noise, from given samples; two-layer students with a second layer at a rate of its own."""
    random, case = np.random.default_rng(0), CASES[name]
    two_layer, sphere = link in TWO_LAYER, case.get("constraint") == "sphere"
    kappa = 0.5 if two_layer and not sphere else 1.0
    teacher = rc.Teacher(A, rc.Link.named(link), noise=0.5)
    W = random.normal(size=(NEURONS, DIM)) / 2
    start = rc.Start.from_weights(W, np.eye(2, DIM))
    b = np.array([0.6, -0.4, 0.8]) if two_layer else None
    value, _, scale = TWO_LAYER.get(link, (lambda z: (z**2 - 1) / np.sqrt(2), None, 1.0))
    start = start if b is None else start.with_second_layer(b, scale)
    sgd = rc.SGD(RATE, BATCH, second_layer_rate=kappa, **case)
    dynamics = rc.sgd.Experiment(teacher, start, sgd, steps=STEPS, coordinates="direct").simulation.dynamics
    X, noise = random.normal(size=(STEPS, BATCH, DIM)), random.normal(size=(STEPS, BATCH))
    z = X[:, :, :2]
    y = value(z) @ A + noise
    expected = plain_loop(W, b, X, y, link, kappa, **case)

    weights = Weights(jnp.asarray(W), jnp.zeros(0) if b is None else start.second_layer)
    velocity = Weights(0 * weights.W, 0 * weights.b) if sgd.momentum else None
    state = State(weights, velocity)
    for n in range(STEPS):
        state = stepped(dynamics, state, DirectNoise(X[n], noise[n]), n)
    np.testing.assert_allclose(state.weights.W, expected["W"], rtol=1e-11, atol=1e-13)
    if two_layer:
        np.testing.assert_allclose(state.weights.b, scale * expected["b"], rtol=1e-11, atol=1e-13)


@eqx.filter_jit
def stepped(dynamics, state, noise, number):
    rate = jnp.asarray(RATE)
    return dynamics.engine.step(dynamics.rule, dynamics.descent, dynamics.teacher, state, noise, rate, number)


def test_momentum_has_a_clock_of_its_own_in_runs_of_any_schedule():
    """η (1 - dampening)/(1 - μ) of canonical time a step, in the run and in its keys."""
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 50, norm=0.5, seed=1)
    for rate in (1e-3, lambda n: 1e-3 / (1 + n)):
        sgd = rc.SGD(rate, 4, momentum=0.8, dampening=0.5)
        run = rc.sgd.simulate(teacher, start, sgd, steps=10, rows=4)
        plain = rc.SGD(rate, 4).times(run.steps)
        np.testing.assert_allclose(run.times, 2.5 * plain, rtol=1e-12)
        assert run.config.momentum == 0.8
        assert run.config.dampening == 0.5


def test_norms_past_those_that_averages_are_resolved_for_are_said():
    teacher = rc.Teacher([1.0], rc.Link.named("tanh"))
    start = rc.Start([[0.5]], norms=2.5, dim=9).with_second_layer(2.0)
    run = rc.sgd.simulate(teacher, start, learning_rate=0.5, steps=20, rows=2)
    assert "past 2.59" in run.notes[-1]
    assert "the risk is less accurate there" in run.notes[-1]


@pytest.mark.large
def test_the_limit_of_noisy_labels_has_a_plateau_that_sgd_reaches():
    """k = 2 at γ = 0.1: the risk at rest of the limit, and the mean of 64 runs at d = 200, with Δ = 1."""
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2), noise=1.0)
    start = rc.Start([[0.6, 0.1], [0.05, 0.6]], norms=0.7, dim=200)
    sgd = rc.SGD.from_gamma(0.1, 200)
    times = sgd.times([8000, 12000, 16000])
    limit = rc.solve(rc.FiniteStep.of(sgd, 200), teacher, start, times)
    experiment = rc.sgd.Experiment(teacher, start, sgd, steps=16000, logged=(8000, 12000, 16000))
    risk = np.concatenate([block.risk for block in experiment.replicas(64)]).mean(axis=0)
    np.testing.assert_allclose(risk.mean(), np.mean(limit.risk), rtol=0.07)
    clean = rc.Teacher(teacher.a, teacher.link)
    assert limit.risk[-1] > 5 * rc.solve(rc.FiniteStep.of(sgd, 200), clean, start, times).risk[-1]
