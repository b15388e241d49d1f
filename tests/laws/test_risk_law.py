"""The law of the risk: its limits, bands against SGD exact in law, what it says, and the picture."""

import jax.numpy as jnp
import numpy as np
import pytest
from systems import problem

import riccati as rc
from riccati.laws.search_phase import early_risk


@pytest.fixture(scope="module")
def cubic():
    """k = 3, three neurons for two directions: one shape, so that programs are shared."""
    return problem(2, 3, 400, 1.0, degree=3, norm=0.2, seed=1)


def ensemble(teacher, start, rate, horizon, seeds, batch=1, constraint=None):
    run = rc.sgd.Experiment(
        teacher=teacher, start=start, learning_rate=rate, batch_size=batch, steps=int(horizon / rate),
        constraint=constraint, rows=60,
    )  # fmt: skip
    return run.ensemble(range(seeds))


def covered(law, risk):
    return float(np.mean((risk >= law.quantile(0.05)) & (risk <= law.quantile(0.95))))


@pytest.mark.large
@pytest.mark.parametrize("constraint", [None, "stiefel"])
def test_nine_of_ten_runs_are_inside_the_band(constraint):
    """(Seed, time) pairs of 100 seeds; and late, where learned directions alone fluctuate, the spread itself."""
    teacher, start = problem(3, 2, 200, 0.5, norm=0.3, seed=1)
    rate = 0.1 / 200
    runs = ensemble(teacher, start, rate, 12.0, 100, constraint=constraint)
    law = rc.risk_law(teacher, start, learning_rate=rate, times=runs.steps[1:] * rate, constraint=constraint)
    risk = runs.risk[:, 1:]
    assert 0.84 < covered(law, risk) < 0.96
    np.testing.assert_allclose(np.std(law.draws[:, -1]), np.std(risk[:, -1]), rtol=0.3)
    np.testing.assert_allclose(law.mean[-1], np.mean(risk[:, -1]), rtol=0.05)


def test_before_anything_moves_it_is_the_risk_of_the_start():
    teacher, start = problem(3, 2, 200, 1.0, norm=0.4)
    times = np.array([0.0, 1e-9])
    begun = float(rc.solve(rc.Quadratic(), teacher, start, times).risk[0])
    law = rc.risk_law(teacher, start, learning_rate=1e-4, times=times, replicas=8)
    np.testing.assert_allclose(law.draws, begun, rtol=1e-5)
    np.testing.assert_allclose(law.flow[0], begun, rtol=1e-12)


@pytest.mark.large
def test_higher_exponents_by_draws_of_emergence_times():
    """k = 3 with a spectator, 60 seeds."""
    teacher, start = problem(2, 3, 100, 1.0, degree=3, norm=0.1, seed=1)
    rate = 0.3 * 10 * 100**-1.5
    runs = ensemble(teacher, start, rate, 15.0, 60, batch=10)
    law = rc.risk_law(teacher, start, learning_rate=rate, batch_size=10, times=runs.steps[1:] * rate)
    assert 0.8 < covered(law, runs.risk[:, 1:]) < 0.98


def test_higher_exponents_without_noise_are_the_decoupled_flow(cubic):
    """Norms, spectators and the join of emergence times to the risk."""
    times = np.geomspace(1.0, 60.0, 20)
    flow = rc.solve(rc.Decoupled(), *cubic, times)
    law = rc.risk_law(*cubic, rc.SGD(1e-18), times=times, replicas=4)
    np.testing.assert_allclose(law.draws, np.broadcast_to(flow.risk, (4, 20)), rtol=1e-3)


def test_higher_exponents_once_learned_are_the_finite_step_limit(cubic):
    """In high dimension, where noise moves no overlap: a direction that nobody learns keeps residual and noise up.

    Then the learned one, and the norms of the spectators, end at values that do not depend on how they were reached.
    """
    teacher, dim, times = cubic[0], 10**12, [10.0, 40.0]
    start = rc.Start([[0.7, -0.1], [-0.1, -0.2], [-0.2, -0.1]], norms=[0.6, 0.4, 0.3], dim=dim)
    law = rc.risk_law(teacher, start, rc.SGD(0.02 / dim), times=times, replicas=4)
    np.testing.assert_allclose(law.draws[:, 1], np.full(4, law.flow[1]), rtol=1e-3)


def test_the_early_risk_fluctuates_as_its_gradient_says():
    """v = Var e<∂R/∂W, ∂f/∂W>/R² of one neuron and one direction, by finite differences and Gauss and Hermite.

    For h_2, as 2¹⁴ points resolve few of the tails of higher polynomials.
    """
    teacher, m, norm = rc.Teacher([1.0], rc.Link.hermite(2)), 0.4, 0.7
    value, variance = early_risk(rc.Problem(teacher, rc.Start([[m]], norms=norm, dim=100)))
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    x = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), -1).reshape(-1, 2)
    p = np.outer(weights, weights).ravel() / weights.sum() ** 2
    W = norm * np.array([m, np.sqrt(1 - m**2)])

    def error(W):
        return np.asarray(teacher.link(x[:, 0]) - W @ W * teacher.link(x @ W / np.linalg.norm(W)))

    def derivative(of, step=1e-5):
        return np.stack([(of(W + step * e) - of(W - step * e)) / (2 * step) for e in np.eye(2)], -1)

    np.testing.assert_allclose(value, p @ error(W) ** 2, rtol=1e-10)
    moved = error(W) * (derivative(error) @ derivative(lambda W: p @ error(W) ** 2))
    np.testing.assert_allclose(variance, (p @ moved**2 - (p @ moved) ** 2) / value**2, rtol=0.02)


def test_draws_of_emergence_times_have_their_law(cubic):
    times = rc.emergence_law(*cubic, learning_rate=0.3 * 400**-1.5)
    drawn = np.asarray(times.sample(2000, 1))
    for horizon in (5.0, 10.0, 20.0):
        np.testing.assert_allclose(np.mean(drawn <= horizon, axis=0), times.probability(horizon), atol=0.05)


def test_the_laws_say_that_runs_diverge(cubic):
    times = np.array([1.0, 30.0])
    with pytest.warns(RuntimeWarning, match="most of the runs diverge") as warned:
        law = rc.emergence_law(*cubic, learning_rate=0.1 / 400)
    with pytest.warns(RuntimeWarning, match="most of the runs diverge") as warned_too:
        risk = rc.risk_law(*cubic, learning_rate=0.8 / 400, batch_size=8, times=times, replicas=4)
    assert all(one.filename == __file__ for one in (*warned, *warned_too))
    assert law.diverged == 1
    assert "caution" in repr(law)
    assert risk.caution == law.caution
    assert np.isinf(risk.draws[:, -1]).all()


def test_an_algorithm_is_given_as_an_object_or_by_its_fields(cubic):
    sgd, times = rc.SGD(0.06 / 400, 2), [1.0, 30.0]
    one = rc.risk_law(*cubic, sgd, times=times, replicas=4)
    other = rc.risk_law(*cubic, learning_rate=0.06 / 400, batch_size=2, times=times, replicas=4)
    np.testing.assert_array_equal(one.draws, other.draws)
    assert one.sgd == other.sgd == one.emergence.sgd == sgd
    assert "learning rate 0.00015, batch of 2" in repr(one)
    assert one.caution == one.emergence.caution == ""
    assert one.emergence.diverged < 0.02


def test_the_picture_is_a_band_beside_the_flow():
    times = jnp.linspace(0.1, 2, 5)
    draws = jnp.exp(jnp.linspace(-1, 1, 16)[:, None] - times)
    law = rc.RiskLaw(
        times, draws, jnp.ones((len(draws), 1)), jnp.exp(-times), rc.SGD(1e-3), "the limit", "it is made up"
    )
    np.testing.assert_allclose(law.quantile(0.5), jnp.sort(draws, axis=0)[7])
    (axes,) = law.plot(0.8).axes
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"80 % of runs", "the limit"}
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([band.min(), band.max()], [law.quantile(0.1)[-1], law.quantile(0.9)[0]])
    for words in ("16", "nine of ten", "made up"):
        assert words in repr(law)


def test_what_it_does_not_describe_is_refused():
    teacher, start = problem(2, 2, 100, 1.0)
    cubic = rc.Teacher([0.8, 0.6], rc.Link.hermite(3))
    steep = rc.Teacher([0.8, 0.6], rc.Link.named("sign"))
    given = {"learning_rate": 1e-4, "times": [1.0, 2.0]}
    cases = [
        (steep, given, r"teacher.*finite g'"),
        (teacher, {**given, "times": [2.0, 1.0]}, "times.*increase"),
        (teacher, {**given, "replicas": 0}, "replicas"),
        (cubic, {**given, "constraint": "stiefel"}, "teacher.*h_2 for Stiefel SGD"),
        (cubic, {**given, "student_scale": 1.0}, "student_scale.*left out"),
    ]
    for bad, settings, message in cases:
        with pytest.raises(rc.ArgumentError, match=message):
            rc.risk_law(bad, start, **settings)


def test_times_beyond_the_integrator_are_said(cubic):
    start = rc.Start([[0.5, 0.1], [0.1, 0.4], [0.1, 0.1]], norms=0.2, dim=100)
    with pytest.warns(RuntimeWarning, match="on the risk of the draws is not known"):
        law = rc.risk_law(cubic[0], start, learning_rate=1e-6, times=[1.0, 1e5], replicas=4)
    assert np.isfinite(law.draws[:, 0]).all()
    assert "from t = 1e+05 on `flow` is not known" in law.caution
