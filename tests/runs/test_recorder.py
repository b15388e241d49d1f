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
    np.testing.assert_allclose(start.amplitudes, s, rtol=1e-10)
    np.testing.assert_allclose(start.teacher_overlaps, cosines, atol=1e-10)


def test_other_directions_than_the_teachers_and_a_second_layer_now_and_then_are_refused():
    teacher, Theta, b = beyond("two-layer")
    W = np.random.default_rng(0).standard_normal((3, DIM))
    settings = {"learning_rate": 1e-3, "batch_size": 8, "training_loss": "0.5*(f*-f)^2"}
    with pytest.raises(rc.ArgumentError, match="`start` must be made for the teacher's directions"):
        rc.Recorder(teacher, Theta[::-1], **settings)(0, W, b)
    log = rc.Recorder(teacher, Theta, **settings)
    log(0, W, b)
    log(1, W)
    assert log.steps.tolist() == [0]
    assert "`b` must be given at every step or at none" in log.notes[0]


def recorder(teacher=None, Theta=None, **changed):
    settings = {"learning_rate": 1e-3, "batch_size": 4, "training_loss": "0.5*(f*-f)^2"} | changed
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2)) if teacher is None else teacher
    return rc.Recorder(teacher, np.eye(2, 8) if Theta is None else Theta, **settings)


def weights(seed=0, rows=3):
    return np.random.default_rng(seed).standard_normal((rows, 8))


@pytest.mark.parametrize("name", ["a = (1, 1)", "a = (1, -0.5, 0.25)", "gaussian rows", "relu, gaussian rows"])
def test_the_risk_is_that_of_the_users_own_units(name):
    """Against the squared Frobenius distance of quadratic forms, or the arc-cosine kernel, in the loop's units."""
    rng = np.random.default_rng(4)
    Theta = np.eye(3, DIM) if "rows" not in name else rng.standard_normal((3, DIM)) / 4
    a = {"a = (1, 1)": [1.0, 1.0, 1.0], "relu, gaussian rows": [1.0, 0.5, -2.0]}.get(name, [1.0, -0.5, 0.25])
    W = Theta[:2] + 0.1 * rng.standard_normal((2, DIM))
    link = rc.Link.named("relu" if "relu" in name else "he2")
    teacher = rc.Teacher.from_directions(Theta, a, link) if "rows" in name else rc.Teacher(a, link)
    log = rc.Recorder(teacher, Theta, learning_rate=1e-3, batch_size=1, training_loss="0.5*(f*-f)^2")
    if "relu" in name:
        b, every = np.array([0.7, -0.3]), np.concatenate([Theta, W])
        log(0, W, b)
        sizes = np.linalg.norm(every, axis=1)
        cos = np.clip(every @ every.T / np.outer(sizes, sizes), -1, 1)
        kernel = np.outer(sizes, sizes) * (np.sqrt(1 - cos**2) + cos * (np.pi - np.arccos(cos))) / (2 * np.pi)
        c = np.concatenate([a, -b])
        expected = c @ kernel @ c / (np.array(a) @ kernel[:3, :3] @ a)
    else:
        log(0, W)
        target = Theta.T @ (np.array(a)[:, None] * Theta)
        expected = np.sum((W.T @ W - target) ** 2) / np.sum(target**2)
    assert log.risk[0] == pytest.approx(expected, rel=1e-12)
    run = log.run()
    assert run.risk[0] == pytest.approx(expected, rel=1e-12)
    assert run.time_per_step == 1e-3
    np.testing.assert_allclose(run.start.norms, np.linalg.norm(W, axis=1), rtol=1e-12)
    np.testing.assert_allclose(run.teacher.a, teacher.a, rtol=1e-12)


def test_weights_that_are_no_longer_finite_end_the_log_and_never_the_training():
    log = recorder()
    for step in range(6):
        W = weights(step)
        if step >= 3:
            W[0, 0] = np.nan if step < 5 else 1.0
        log(step, W)
    assert log.steps.tolist() == [0, 1, 2]
    assert log.notes == ("the weights are not finite from step 3 on: nothing is logged from there",)
    assert log.run().notes == log.notes
    assert "not finite from step 3" in repr(log)
    with pytest.raises(rc.ArgumentError, match="`W` must be finite"):
        recorder()(0, np.full((2, 8), np.inf))


def test_steps_that_go_back():
    again, W = recorder(), [weights(seed) for seed in range(6)]
    for step, seed in ((0, 0), (10, 1), (20, 2), (10, 3), (15, 4)):
        again(step, W[seed])
    assert again.steps.tolist() == [0, 10, 15]
    np.testing.assert_allclose(again.subspace_overlaps[1], rc.subspace_alignment(W[3], np.eye(2, 8)))
    assert again.notes == ("1 step was logged again, the first of them 10: the later rows are kept",)
    new = recorder()
    for step, seed in ((0, 0), (10, 1), (0, 2), (10, 3), (20, 4)):
        new(step, W[seed])
    assert new.steps.tolist() == [0, 10, 20]
    np.testing.assert_allclose(new.run().start.norms, np.linalg.norm(W[2], axis=1))
    said = "the steps began again at 0: what was logged before, up to step 10, is another run"
    assert new.notes == (f"{said}, and left out (step numbers went back once)",)


def test_what_cannot_be_logged_later_is_left_out_and_said():
    log = recorder()
    log(0, weights())
    log(1, weights()[:, :5])
    log(2, weights(rows=2))
    log(2.5, weights())
    log(3, weights(1))
    assert log.steps.tolist() == [0, 3]
    (note,) = log.notes
    assert note.startswith("3 steps were not logged, the first at step 1: Argument `W` must be of shape (N, 8)")


def test_directions_that_change_end_the_log():
    Theta = np.eye(2, 8)
    log = recorder(Theta=Theta)
    log(0, weights())
    log(1, weights(1))
    Theta[0] = Theta[1]
    log(2, weights(2))
    assert log.steps.tolist() == [0, 1]
    assert log.notes == ("the directions Θ have changed from step 2 on: nothing is logged from there",)


def test_a_second_layer_that_never_changes_is_frozen():
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.named("relu"))
    still, moving = recorder(teacher), recorder(teacher)
    for step in range(3):
        still(step, weights(step), np.ones(3))
        moving(step, weights(step), np.ones(3) + 1e-9 * step)
    assert still.run().config["second_layer_rate"] == 0
    assert "b does not change" in still.notes[0]
    assert "second_layer_rate" not in moving.run().config
    assert moving.notes == ()


def test_a_committee_machine_with_an_output_scale_is_logged():
    """f = c Σ b σ(<x, w>) of erf(z/√2): the risk of its own averages, and the keys of its own b and c."""
    teacher = rc.Teacher.power_law(2, 1.0, rc.Link.named("scaled_erf"))
    log = rc.Recorder(teacher, np.eye(2, 8), rc.SGD(1e-3, 4), output_scale=0.5)
    b = np.array([0.5, -0.5, 1.0])
    for step in range(2):
        log(step, weights(step), b + step)
    W = weights(0)
    C = np.block([[W @ W.T, W[:, :2]], [W[:, :2].T, np.eye(2)]])
    size = np.sqrt(1 + np.diag(C))
    K = 2 / np.pi * np.arcsin(C / np.outer(size, size))
    signed, a = np.r_[-0.5 * b, teacher.a], np.asarray(teacher.a)
    np.testing.assert_allclose(log.risk[0], signed @ K @ signed / (a @ K[3:, 3:] @ a), rtol=1e-12)
    run = log.run()
    np.testing.assert_allclose(run.config["initial_second_layer"], b)
    assert run.config["output_scale"] == 0.5
    assert run.start.output_scale == 0.5
    with pytest.raises(rc.ArgumentError, match="`output_scale` must be left out for a student without a second layer"):
        rc.Recorder(teacher, np.eye(2, 8), rc.SGD(1e-3), output_scale=0.5)(0, W)


def test_norms_that_never_change_are_those_of_the_sphere():
    sphere, free = recorder(), recorder()
    for step in range(3):
        W = weights(step).astype(np.float32)
        sphere(step, W / np.linalg.norm(W, axis=1, keepdims=True))
        free(step, W)
    assert sphere.run().config["constraint"] == "sphere"
    assert "|w_i| does not change" in sphere.notes[0]
    assert "constraint" not in free.run().config


class Layer:
    """What a layer of torch shows of itself."""

    def __init__(self, **named):
        self.named = named

    def state_dict(self):
        return self.named


def test_modules_are_read_and_biases_refused():
    teacher, b = rc.Teacher.power_law(2, 1.0, rc.Link.named("relu")), np.array([[0.5, -0.5, 1.0]])
    plain, whole = recorder(teacher), recorder(teacher)
    plain(0, weights(), b)
    whole(0, Layer(**{"0.weight": weights(), "2.weight": b}))
    assert plain.risk[0] == whole.risk[0]
    one = recorder()
    one(0, Layer(weight=weights()))
    with pytest.raises(rc.ArgumentError, match=r"`W` must be of .*without biases.*bias=False.*one with 0.bias"):
        recorder(teacher)(0, {"0.weight": weights(), "0.bias": np.zeros(3)})
    with pytest.raises(rc.ArgumentError, match=r"layers without batch normalisation.*one with 1.running_mean"):
        recorder(teacher)(0, {"0.weight": weights(), "1.running_mean": np.zeros(3), "2.weight": b})
    with pytest.raises(rc.ArgumentError, match="`W` must be of one or two linear layers"):
        recorder(teacher)(0, {f"{i}.weight": weights() for i in range(3)})


def test_rows_of_another_length_than_the_teachers_are_refused():
    rows = np.random.default_rng(0).standard_normal((2, 8))
    relu = rc.Link.named("relu")
    teacher = rc.Teacher.from_directions(rows, [1.0, 1.0], relu)
    recorder(teacher, rows)
    recorder(teacher, rows / np.linalg.norm(rows, axis=1, keepdims=True))
    units = rc.Teacher.from_directions(rows, [1.0, 1.0], relu, lengths="divided")
    with pytest.raises(rc.ArgumentError, match="`Theta` must have rows of the teacher's lengths"):
        recorder(units, rows)


def logged(log, rows=((0, 0.0), (10, 0.1), (30, 0.2))):
    for step, shift in rows:
        log(step, weights() + shift)
    return log.run()


def test_an_algorithm_is_that_of_its_parts():
    teacher, Theta = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2)), np.eye(2, 8)
    sgd = rc.SGD(learning_rate=1e-3, batch_size=4)
    whole, parts = logged(rc.Recorder(teacher, Theta, sgd)), logged(recorder(teacher))
    assert whole.config == parts.config
    assert whole.sgd == parts.sgd == sgd
    squared = logged(recorder(teacher, training_loss="mse"))
    assert squared.sgd == rc.SGD(learning_rate=2e-3, batch_size=4)
    half = logged(rc.Recorder(teacher, Theta, sgd, training_loss="0.5*(f*-f)^2"))
    assert half.config == whole.config


@pytest.mark.parametrize("training_loss", ["0.5*(f*-f)^2", "(f*-f)^2"])
@pytest.mark.parametrize("rate", [lambda n: 0.01 / (1 + n), rc.SGD(1e-3).schedule, None])
def test_a_schedule_sets_the_clock_of_what_is_logged(tmp_path, rate, training_loss):
    rate = rc.sgd.PowerLaw(0.01, 0.5, 3.0) if rate is None else rate
    log = recorder(learning_rate=rate, training_loss=training_loss)
    run = logged(log)
    factor = 2 if training_loss == "(f*-f)^2" else 1
    np.testing.assert_allclose(run.times, factor * rc.SGD(rate).times(run.steps), rtol=1e-14)
    log.save(tmp_path / "run.csv")
    np.testing.assert_array_equal(rc.Run.load(tmp_path / "run.csv").times, run.times)


def test_the_rate_of_a_second_layer_is_said_where_there_is_one():
    teacher, sgd = rc.Teacher.power_law(2, 1.0, rc.Link.named("relu")), rc.SGD(1e-3, 4, second_layer_rate=0.5)
    log = rc.Recorder(teacher, np.eye(2, 8), sgd)
    for step in range(2):
        log(step, weights(step), np.ones(3) + step)
    assert log.run().sgd == sgd
    one = rc.Recorder(rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2)), np.eye(2, 8), sgd)
    assert "second_layer_rate" not in logged(one).config


def test_algorithms_that_cannot_be_logged_are_refused():
    teacher, Theta, sgd = rc.Teacher.power_law(2, 1.0, rc.Link.hermite(2)), np.eye(2, 8), rc.SGD(1e-3)
    for algorithm, parts, words in (
        (None, {}, "`learning_rate` must be given, or sgd, but is missing"),
        (None, {"learning_rate": 0.1, "training_loss": "mse"}, "`batch_size` must be given, or sgd, but is missing"),
        (None, {"learning_rate": 0.1, "batch_size": 1}, "`training_loss` must be one of"),
        (sgd, {"learning_rate": 0.1}, "`learning_rate` must be left out beside `sgd`"),
        (sgd, {"training_loss": "(f*-f)^2"}, "`training_loss` must be left out beside `sgd`, which has it"),
        (rc.SGD(1e-3, constraint="stiefel"), {}, "`sgd` must be another algorithm than Stiefel SGD"),
        (rc.SGD(rc.sgd.PerDirection(1e-3)), {}, "`learning_rate` must not depend on what is learned"),
        (3, {}, "`sgd` must be a riccati.SGD"),
    ):
        with pytest.raises(rc.ArgumentError) as refused:
            rc.Recorder(teacher, Theta, algorithm, **parts)
        assert words in str(refused.value)


@pytest.mark.parametrize("wrap", [np.float32, np.asarray])
def test_a_rate_may_be_a_scalar_of_another_library(wrap):
    assert logged(recorder(learning_rate=wrap(0.5))).time_per_step == 0.5
