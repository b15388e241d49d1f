"""Nothing supposes ‖a‖ = 1: beside c a, norms √c r and steps η/c give the same curves at t/c, at every door."""

import equinox as eqx
import numpy as np
import pytest

import riccati as rc
import riccati.scaling as scaling

C = 7.0
H2, H3, RELU = rc.Link.hermite(2), rc.Link.hermite(3), rc.Link.named("relu")
A = np.array([0.8, 0.5, 0.33])
TIMES = np.linspace(0.2, 8.0, 8)


def problem(link, c, *, neurons=None, b=None):
    """A problem in units of c: for k = 2 three directions for two neurons, else two directions for three."""
    width, neurons = (3, neurons or 2) if link is H2 else (2, 3)
    teacher = rc.Teacher(c * A[:width] / np.linalg.norm(A[:width]), link)
    start = rc.Start.random(teacher, neurons, 100, norm=0.3 * c**0.5, seed=1)
    return teacher, start if b is None else start.with_second_layer(c**0.5 * np.asarray(b))


FLOWS = {
    "Riccati": (H2, lambda c: rc.Riccati()),
    "Riccati, dense": (H2, lambda c: rc.Riccati(method="ode")),
    "Quadratic": (H2, lambda c: rc.Quadratic()),
    "Decoupled": (H3, lambda c: rc.Decoupled()),
    "Coupled": (H3, lambda c: rc.Coupled()),
    "Correlation": (H3, lambda c: rc.Correlation()),
    "FiniteStep, weights": (H2, lambda c: rc.FiniteStep(0.1 / c)),
    "FiniteStep, Stiefel": (H2, lambda c: rc.FiniteStep(0.05 / c, constraint="stiefel")),
    "FiniteStep, Stiefel, scale": (H2, lambda c: rc.FiniteStep(0.05 / c, constraint="stiefel", student_scale=0.7 * c)),
    "FiniteStep, own pairs": (H3, lambda c: rc.FiniteStep(0.02 / c)),
    "FiniteStep, all pairs": (H3, lambda c: rc.FiniteStep(0.02 / c, pairs="all")),
}


@pytest.mark.parametrize("name", FLOWS)
def test_flows(name):
    link, flow = FLOWS[name]

    def observed(c):
        # what two neurons forget is below the tolerance of the dense equation
        teacher, start = problem(link, c, neurons=3 if "dense" in name else None)
        solution = rc.solve(flow(c), teacher, start, TIMES / c)
        radius = np.zeros(1) if solution.radius is None else np.asarray(solution.radius) / c
        return solution.risk, solution.alignment, radius, c * np.asarray(solution.emergence_times(0.05))

    for here, there in zip(observed(1.0), observed(C), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-12)


def test_units_in_which_all_happens_within_the_integrators_first_steps():
    """As of 10⁶: a thousand directions of length 30 each. What is learned is then followed in later chunks too."""

    W = 0.2 * np.random.default_rng(0).standard_normal((3, 30))

    def observed(c):
        start = rc.Start.from_weights(c**0.5 * W, np.eye(2, 30))
        return rc.solve(rc.Coupled(), rc.Teacher([c, c / 2], H3), start, np.array([60.0, 1000.0]) / c).risk

    np.testing.assert_allclose(observed(1e6), observed(1.0), rtol=1e-5)


def test_two_layer_students_and_a_frozen_second_layer():
    for rate in (1.0, 0.0):

        def observed(c, rate=rate):
            teacher, start = problem(RELU, c, b=[0.4, -0.3, 0.5])
            return rc.solve(rc.Coupled(second_layer_rate=rate), teacher, start, TIMES / c).risk

        np.testing.assert_allclose(observed(C), observed(1.0), rtol=1e-5)


@pytest.mark.parametrize(
    ("link", "settings"),
    [
        (H2, {}),
        (H2, {"constraint": "stiefel"}),
        (H2, {"constraint": "stiefel", "student_scale": 0.7}),
        (H3, {}),
    ],
    ids=["h2", "Stiefel", "Stiefel, scale", "h3"],
)
def test_laws(link, settings):
    def observed(c):
        teacher, start = problem(link, c)
        at = {"learning_rate": 5e-4 / c, "batch_size": 2, **settings}
        if "student_scale" in at:
            at["student_scale"] *= c
        replicas = {"replicas": 16, "horizon": 20 / c} if link is H2 else {}
        law = rc.emergence_law(teacher, start, **at, **replicas)
        risk = rc.risk_law(teacher, start, **at, times=TIMES / c, replicas=16 if link is H2 else 4)
        limits = rc.largest_step(teacher, start, batch_size=2, **{k: v for k, v in at.items() if k in settings})
        quantile, late = c * np.asarray(law.quantile(0.5)), c * np.asarray(risk.emerged)
        return quantile, law.probability(9.0 / c), risk.draws, late, risk.flow, c * limits.gamma, c * limits.settled

    for here, there in zip(observed(1.0), observed(C), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-3)


@pytest.mark.parametrize(("coordinates", "constraint"), [("reduced", None), ("direct", None), ("reduced", "stiefel")])
def test_online_sgd(coordinates, constraint):
    def observed(c):
        teacher, start = rc.Teacher([c], H2), rc.Start([[0.2]], norms=0.3 * c**0.5, dim=60)
        settings = {"steps": 64, "batch_size": 2, "coordinates": coordinates, "constraint": constraint, "rows": 8}
        run = rc.sgd.simulate(teacher, start, learning_rate=2e-3 / c, **settings)
        norms = np.asarray(run.start.norms) / (1.0 if constraint == "stiefel" else c**0.5)
        return run.risk, run.overlaps, c * run.times, norms

    for here, there in zip(observed(1.0), observed(C), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-7)


def test_scaling():
    def observed(c):
        teacher = eqx.tree_at(lambda t: t.a, rc.Teacher.power_law(32, 1.0, H2), replace_fn=lambda a: c * a)
        limit = scaling.sharp_limit(teacher, 8)
        cost = scaling.samples_to_learn(teacher, 4, dim=1000, student_width=8)
        front = scaling.frontier(teacher, [4, 8, 16], dim=10**4, norm=1e-3 * c**0.5)
        left = scaling.risk_in_samples(teacher, [1, 3], dim=1000, student_width=8)[1]
        shown = (limit.risk(np.array([0.5, 2.0]) / c), limit.floor, c * limit.emergence_times, left)
        return *shown, cost.samples, c * cost.learning_rate, c * front.compute, front.risk, front.exponent

    for here, there in zip(observed(1.0), observed(C), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-6)


def test_samples_of_higher_information_exponents():
    def observed(c):
        teacher = eqx.tree_at(lambda t: t.a, rc.Teacher.power_law(8, 1.0, H3), replace_fn=lambda a: c * a)
        cost = scaling.samples_to_learn(teacher, 3, dim=1000, student_width=8)
        return cost.samples, c * cost.learning_rate

    np.testing.assert_allclose(observed(C), observed(1.0), rtol=1e-6)


def test_a_teacher_keeps_what_it_was_given():
    teacher = rc.Teacher([3.0, 4.0], H2)
    assert np.asarray(teacher.a).tolist() == [3.0, 4.0]
    assert float(teacher.norm) == 5.0
    np.testing.assert_allclose(teacher.normalised_a, [0.6, 0.8])
    assert float(np.sum(rc.Teacher.power_law(5, 0.7, H2).a ** 2)) == pytest.approx(1, abs=1e-15)
