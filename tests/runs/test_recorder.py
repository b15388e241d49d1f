"""The recorder in a plain training loop: what it logs is exact, and what it makes is a run that theory fits."""

import numpy as np
import pytest

import riccati as rc

DIM, WIDTH, NEURONS, RATE = 60, 2, 2, 2e-3


@pytest.fixture(scope="module")
def teacher():
    return rc.Teacher.power_law(WIDTH, 1.0, rc.Link.hermite(2))


def trained(teacher, steps=1500, batch=64, seed=0):
    """Plain SGD on the mean squared error (f* - f)², logged by a recorder; the weights at the end and the recorder."""
    rng = np.random.default_rng(seed)
    Theta = np.linalg.qr(rng.standard_normal((DIM, WIDTH)))[0].T
    W, a = 0.5 * rng.standard_normal((NEURONS, DIM)) / np.sqrt(DIM), np.asarray(teacher.a)
    log = rc.Recorder(teacher, Theta, learning_rate=RATE, batch_size=batch, training_loss="(f*-f)^2")
    for step in range(steps + 1):
        if step % 50 == 0:
            log(step, W)
        X = rng.standard_normal((batch, DIM))
        inside, target = X @ W.T, ((X @ Theta.T) ** 2 - 1) @ a / np.sqrt(2)
        # |w|² h_2(<x,w>/|w|) = (<x,w>² - |w|²)/√2
        error = target - (inside**2 - (W**2).sum(axis=1)).sum(axis=1) / np.sqrt(2)
        W = W + 2 * RATE * np.sqrt(2) * ((error[:, None] * inside).T @ X / batch - error.mean() * W)
    return W, Theta, log


def test_it_logs_the_population_risk_and_both_overlaps(teacher):
    W, Theta, log = trained(teacher, 50)
    a = np.asarray(teacher.a)
    gap = W.T @ W - Theta.T @ (a[:, None] * Theta)
    W1 = W  # weights after the last update, one step past what was logged
    log(51, W1)
    assert log.risk[-1] == pytest.approx(np.sum(gap**2), rel=1e-12)
    np.testing.assert_allclose(log.subspace_overlaps[-1], rc.subspace_alignment(W1, Theta))
    np.testing.assert_allclose(log.neuron_overlaps[-1], rc.neuron_alignment(W1, Theta))
    assert log.steps.tolist() == [0, 50, 51]


def test_a_plain_loop_lies_on_the_theory_at_the_first_call(teacher, tmp_path):
    *_, log = trained(teacher)
    log.save(tmp_path / "mine.csv")
    run = rc.Run.load(tmp_path / "mine.csv")
    assert run.time_per_step == pytest.approx(2 * RATE)  # of the loss without its half
    assert run.config["overlap"] == "subspace"
    report = rc.compare(run)
    assert report.risk_rms_log10 < 0.15
    assert report.flow == "Quadratic"


def test_more_than_two_logs_neuron_overlaps():
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(3))
    log = rc.Recorder(teacher, np.eye(2, 5), learning_rate=1e-3, batch_size=1, training_loss="0.5*(f*-f)^2")
    W = np.random.default_rng(0).standard_normal((3, 5))
    log(0, W)
    run = log.run()
    assert run.config["overlap"] == "neuron"
    assert run.config["information_exponent"] == 3
    np.testing.assert_allclose(run.overlaps[0], rc.neuron_alignment(W, np.eye(2, 5)))


def test_what_cannot_be_logged_is_refused(teacher):
    def recorder(**changed):
        settings = {"learning_rate": 1e-3, "batch_size": 1, "training_loss": "(f*-f)^2"} | changed
        return rc.Recorder(
            teacher, changed.pop("Theta", np.eye(2, 5)), **{k: v for k, v in settings.items() if k != "Theta"}
        )

    for changed, message in (
        ({"training_loss": "mae"}, "`training_loss` must be one of"),
        ({"learning_rate": 0.0}, "`learning_rate` must be > 0"),
        ({"batch_size": 0}, "`batch_size` must be a whole number ≥ 1"),
        ({"Theta": np.eye(3, 5)}, "`Theta` must have 2 rows"),
    ):
        with pytest.raises(rc.ArgumentError) as refused:
            recorder(**changed)
        assert message in str(refused.value)
    log = recorder()
    with pytest.raises(rc.ArgumentError, match="`recorder` must have been called"):
        log.run()
    log(10, np.ones((1, 5)))
    for step, W, message in (
        (10, np.ones((1, 5)), "`step` must be > 10"),
        (11, np.ones((1, 4)), "`W` must be of shape (N, 5)"),
        (11, np.eye(2, 5), "`W` must have 1 rows"),
    ):
        with pytest.raises(rc.ArgumentError) as refused:
            log(step, W)
        assert message in str(refused.value)
    with pytest.raises(rc.ArgumentError, match="`step` must be 0 at the first call"):
        log.run()


def beyond(name):
    """A teacher, its directions and the second layer of a student of problems beyond the standard one."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((2, DIM))
    spread = rc.Covariance.power_law(DIM, 0.5)
    relu, second = rc.Link.named("relu"), rc.Link.hermite(2)
    match name:
        case "gaussian rows":
            return rc.Teacher.from_directions(rows, [1.0, -0.6], second), rows, None
        case "covariance":
            return rc.Teacher([1.0, 0.6], second, covariance=spread), np.eye(2, DIM), None
        case "two-layer":
            teacher = rc.Teacher.from_directions(rows, [1.0, 0.6], relu, covariance=spread)
            return teacher, rows, np.array([0.5, -0.4, 0.3])


@pytest.mark.parametrize("name", ["gaussian rows", "covariance", "two-layer"])
def test_it_logs_problems_beyond_the_standard_one(tmp_path, name):
    """The risk against an average over samples, the overlaps against cosines, and a run that has the same start."""
    teacher, Theta, b = beyond(name)
    rng = np.random.default_rng(0)
    W = rng.standard_normal((3, DIM)) + 2 * Theta[0]
    log = rc.Recorder(teacher, Theta, learning_rate=1e-3, batch_size=8, training_loss="0.5*(f*-f)^2")
    log(0, W) if b is None else log(0, W, b)
    root = np.sqrt(np.ones(DIM) if teacher.covariance is None else teacher.covariance.eigenvalues)
    x = rng.standard_normal((200_000, DIM)) * root
    sizes, lengths = np.linalg.norm(W * root, axis=1), np.linalg.norm(Theta * root, axis=1)
    s = sizes**2 if b is None else b * sizes
    target = np.asarray(teacher.link(x @ Theta.T / lengths)) @ np.asarray(teacher.a)
    gap = target - np.asarray(teacher.link(x @ W.T / sizes)) @ s
    assert log.risk[0] == pytest.approx(np.mean(gap**2) / float(teacher.second_moment), rel=0.02)
    cosines = (W * root / sizes[:, None]) @ (Theta * root / lengths[:, None]).T
    np.testing.assert_allclose(log.neuron_overlaps[0], np.max(cosines**2, axis=0), rtol=1e-10)
    log.save(tmp_path / "run.csv")
    start = rc.Run.load(tmp_path / "run.csv").start
    np.testing.assert_allclose(start.s, s, rtol=1e-10)
    np.testing.assert_allclose(start.teacher_overlaps, cosines, atol=1e-10)


def test_other_directions_than_the_teachers_and_a_second_layer_now_and_then_are_refused():
    teacher, Theta, b = beyond("two-layer")
    W = np.random.default_rng(0).standard_normal((3, DIM))
    settings = {"learning_rate": 1e-3, "batch_size": 8, "training_loss": "0.5*(f*-f)^2"}
    with pytest.raises(rc.ArgumentError, match="`start` must be made for the teacher's directions"):
        rc.Recorder(teacher, Theta[::-1], **settings)(0, W, b)
    log = rc.Recorder(teacher, Theta, **settings)
    log(0, W, b)
    with pytest.raises(rc.ArgumentError, match="`b` must be given at every step or at none"):
        log(1, W)
    with pytest.raises(rc.ArgumentError, match="`teacher` must have a positively homogeneous link"):
        rc.Recorder(*beyond("covariance")[:2], **settings)(0, W, b)
