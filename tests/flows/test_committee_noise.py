"""The limit at step size γ/d of committee machines, against Saad & Solla's equations, quadrature and known plateaus."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import riccati as rc
from riccati.flows import Training
from riccati.flows.gradient_noise import CommitteeMoments, CommitteeNoiseState, committee_system

ERF = rc.Link.named("scaled_erf")
GAMMA, KAPPA, DECAY = 0.7, 0.4, 0.1


def two_point_slopes(Q, i, k):
    """E g'(x_i)g'(x_k) of g = erf(x/√2)."""
    return 2 / np.pi / np.sqrt((1 + Q[i, i]) * (1 + Q[k, k]) - Q[i, k] ** 2)


def I3(C, i, j, k):
    """E g'(x_i) x_j g(x_k), Saad & Solla 1995, their appendix."""
    root = np.sqrt((1 + C[i, i]) * (1 + C[k, k]) - C[i, k] ** 2)
    return 2 / np.pi / root * (C[j, k] * (1 + C[i, i]) - C[i, j] * C[i, k]) / (1 + C[i, i])


def I4(C, i, j, k, n):
    """E g'(x_i)g'(x_j)g(x_k)g(x_n), likewise."""
    first = (1 + C[i, i]) * (1 + C[j, j]) - C[i, j] ** 2
    zeroth = first * C[k, n] - C[j, k] * C[j, n] * (1 + C[i, i]) - C[i, k] * C[i, n] * (1 + C[j, j])
    zeroth += C[i, j] * C[i, k] * C[j, n] + C[i, j] * C[i, n] * C[j, k]

    def each(o):
        value = first * (1 + C[o, o]) - C[j, o] ** 2 * (1 + C[i, i]) - C[i, o] ** 2 * (1 + C[j, j])
        return value + 2 * C[i, j] * C[i, o] * C[j, o]

    return 4 / np.pi**2 / np.sqrt(first) * np.arcsin(zeroth / np.sqrt(each(k) * each(n)))


def saad_solla(R, Q, eta, noise):
    """dR/dα and dQ/dα of f = Σ g(<x, w_i>) and f* = Σ g(<x, θ_n>) with noise of that variance on the labels."""
    N, M = R.shape
    C = np.block([[Q, R], [R.T, np.eye(M)]])
    signs = np.r_[-np.ones(N), np.ones(M)]
    everyone = range(N + M)

    def pull(i, j):
        return sum(signs[k] * I3(C, i, j, k) for k in everyone)

    dR = np.array([[eta * pull(i, N + n) for n in range(M)] for i in range(N)])
    dQ = np.empty((N, N))
    for i, k in product(range(N), range(N)):
        squares = sum(signs[n] * signs[m] * I4(C, i, k, n, m) for n in everyone for m in everyone)
        dQ[i, k] = eta * (pull(i, k) + pull(k, i)) + eta**2 * (squares + noise * two_point_slopes(Q, i, k))
    return dR, dQ


def gram_rates(system):
    """d<w_i, θ_m>/dt and dQ/dt of a system."""
    moved = jax.jit(system.velocity)(0.0, system.state, system.args)
    A, dA = np.asarray(system.state.along), np.asarray(moved.along)
    return dA, dA @ A.T + A @ dA.T + np.asarray(moved.rest).sum(axis=0), np.asarray(moved.b)


def start_of(W, b=1.0, scale=1.0, width=2):
    return rc.Start.from_weights(W, np.eye(width, W.shape[1])).with_second_layer(b, scale=scale)


def test_the_equations_are_those_of_saad_and_solla():
    """In units of α = steps/d at η = γ, with the noise of Goldt et al. 2019."""
    W = np.random.default_rng(0).normal(size=(3, 6)) * 0.7
    teacher = rc.Teacher(np.ones(2), ERF, noise=0.6)
    system = committee_system(rc.Problem(teacher, start_of(W)), GAMMA, Training(second_layer_rate=0.0))
    expected = saad_solla(W[:, :2], W @ W.T, GAMMA, 0.6 * float(teacher.second_moment))
    for one, other in zip(gram_rates(system)[:2], expected, strict=True):
        np.testing.assert_allclose(GAMMA * one, other, rtol=1e-11, atol=1e-13)


# M = 1, N = 2, in three dimensions, where a tensor rule has the law of the input
NODES, P = np.polynomial.hermite_e.hermegauss(44)
X = np.stack(np.meshgrid(*[NODES] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
P = np.einsum("i,j,k->ijk", *[P / P.sum()] * 3).ravel()
FREE = np.array([[0.5, 0.4, 0.0], [-0.3, 0.2, 0.6]])
LAYER = np.array([0.8, -0.5])


@pytest.mark.parametrize("name", ["erf", "scaled_erf", "he3", "cubic", "square", "tanh"])
def test_second_moments_by_quadrature(name):
    """E e²σ'σ' at weights of any norms; over points to their own accuracy."""
    link = {
        "cubic": rc.Link.from_coefficients([0.2, 0.4, -0.3, 0.5]),
        "square": rc.Link.from_function(np.square),
    }.get(name) or rc.Link.named(name)
    teacher = rc.Teacher([0.9], link)
    moments = CommitteeMoments.of(teacher, 3)
    along, rest = FREE[:, :1], FREE[:, 1:] @ FREE[:, 1:].T
    state = CommitteeNoiseState(*map(jnp.asarray, (along, rest[None], LAYER)))
    C = jax.jit(lambda: moments(teacher, state, state.b))()
    z = X @ FREE.T
    e = np.asarray(link(X[:, 0])) * 0.9 - np.asarray(link(z)) @ LAYER
    slopes = np.asarray(link.derivative(z))
    expected = np.einsum("s,s,si,sl->il", P, e**2, slopes, slopes)
    assert moments.is_exact == (name != "tanh")
    np.testing.assert_allclose(C, expected, rtol=1e-6 if moments.is_exact else 0.02)


def test_layers_scale_decay_sphere_and_both_losses():
    """The mean step and the second moment of a step of f = c Σ b σ by quadrature, with the plain formulas."""
    f, slope = (lambda z: (z**3 - 3 * z) / np.sqrt(6)), (lambda z: (3 * z**2 - 3) / np.sqrt(6))
    teacher, scale = rc.Teacher([0.9], rc.Link.hermite(3)), 0.5
    z = X @ FREE.T
    start = start_of(np.pad(FREE, ((0, 0), (0, 1))), LAYER, scale, width=1)
    for training in (Training(KAPPA, DECAY), Training(KAPPA, correlation=True), Training(on_sphere=True)):
        system = committee_system(rc.Problem(teacher, start), GAMMA, training)
        e = 0.9 * f(X[:, 0]) - (0.0 if training.correlation else scale) * f(z) @ LAYER
        move = scale * LAYER * e[:, None] * slope(z)
        pull = (P[:, None] * move).T @ X
        noise = np.einsum("s,si,sl->il", P, move, move)
        dW = pull - training.weight_decay * FREE
        # the noise lengthens the part that is orthogonal to the teacher
        dQ = dW @ FREE.T + FREE @ dW.T + GAMMA * noise
        if training.on_sphere:
            lost = (np.diag(dQ) / 2) / np.sum(FREE**2, axis=1)
            dW, dQ = dW - lost[:, None] * FREE, dQ - (lost[:, None] + lost) * (FREE @ FREE.T)
        rates = gram_rates(system)
        np.testing.assert_allclose(rates[0], dW[:, :1], atol=1e-10)
        np.testing.assert_allclose(rates[1], dQ, atol=1e-10)
        b_pull = scale * (P * e) @ f(z)
        db = 0.0 if training.on_sphere else KAPPA * (b_pull - training.weight_decay * LAYER)
        np.testing.assert_allclose(rates[2], scale * db * np.ones(2), atol=1e-10)


def test_a_covariance_acts_on_the_noise_group_by_group():
    """With whitened weights ṽ the noise of a step is η²λ_g² b b C in each group; the gradient flow has λ_g."""
    eigenvalues = np.repeat([1.5, 0.8, 0.4], [2, 5, 9])
    covariance = rc.Covariance(eigenvalues)
    teacher = rc.Teacher(np.ones(2), ERF, covariance=covariance)
    W = np.random.default_rng(1).normal(size=(2, 16)) * 0.4
    start = rc.Start.from_weights(W, np.eye(2, 16), covariance).with_second_layer([1.0, -0.5])
    system = committee_system(rc.Problem(teacher, start), GAMMA)
    plain = committee_system(rc.Problem(teacher, start), 0.0)
    added = [np.asarray(jax.jit(s.velocity)(0.0, s.state, s.args).rest) for s in (system, plain)]
    C = np.asarray(jax.jit(lambda: system.args.moments(teacher, system.state, system.state.b))())
    b = np.array([1.0, -0.5])
    for g, (value, share) in enumerate(((0.8, 5 / 14), (0.4, 9 / 14))):
        np.testing.assert_allclose(added[0][g] - added[1][g], GAMMA * value**2 * share * np.outer(b, b) * C, atol=1e-13)


def plateau(M):
    """The risk on the symmetric plateau of M = N, small steps: ε_g = (M/π)(π/6 - M arcsin(1/2M)), E f*² = M/3."""
    return 6 / np.pi * (np.pi / 6 - M * np.arcsin(1 / (2 * M)))


@pytest.mark.parametrize("M", [2, 3])
def test_the_symmetric_plateau_and_specialisation(M):
    """Biehl & Schwarze 1995, Saad & Solla 1995: R = 1/√(M(2M - 1)), Q = C = 1/(2M - 1); later R = Q = 1.

    Neurons that are alike stay alike; a tilt grows until each has its own direction. At a small γ the plateau is
    higher by order γ.
    """
    teacher, times = rc.Teacher(np.ones(M), ERF), [10.0, 20.0, 320.0]
    for tilt in (0.0, 1e-3):
        W = np.c_[0.3 * np.ones((M, M)) + tilt * np.eye(M), 0.4 * np.ones(M), np.zeros((M, M))]
        flow, limit = (
            rc.solve(of, teacher, start_of(W, width=M), times)
            for of in (rc.Coupled(second_layer_rate=0.0), rc.FiniteStep(0.02, second_layer_rate=0.0))
        )
        np.testing.assert_allclose(flow.risk[:2], plateau(M), rtol=1e-4 if tilt else 1e-5)
        np.testing.assert_allclose(flow.radius[1], 1 / (2 * M - 1), rtol=0.02)
        np.testing.assert_allclose(flow.alignment[1], 1 / M, rtol=0.02)
        assert 1.005 < limit.risk[1] / plateau(M) < 1.02
        for end in (flow.risk[2], limit.risk[2]):
            assert (end < 1e-6) if tilt else (end > plateau(M) * (1 - 1e-6))


def test_the_asymptotic_risk_under_label_noise():
    """Goldt et al. 2019, M = N at small η: ε_g = ησ²M/(2√3π), linear in ησ²."""
    risks = []
    for gamma, noise in ((0.02, 0.5), (0.02, 1.0), (0.04, 0.5)):
        teacher = rc.Teacher(np.ones(2), ERF, noise=noise)
        start = rc.Start(0.9 * np.eye(2), None, 1.0, dim=100).with_second_layer(1.0)
        limit = rc.solve(rc.FiniteStep(gamma, second_layer_rate=0.0), teacher, start, [200.0])
        sigma2 = noise * float(teacher.second_moment)
        risks.append(float(limit.risk[0]))
        expected = gamma * sigma2 * 2 / (2 * np.sqrt(3) * np.pi)
        np.testing.assert_allclose(risks[-1] * float(teacher.second_moment) / 2, expected, rtol=0.03)
    np.testing.assert_allclose(risks[1:], 2 * risks[0], rtol=0.03)


@pytest.mark.large
@pytest.mark.parametrize("name", ["scaled_erf", "tanh", "cubic"])
def test_sgd_follows_the_limit_with_everything_at_once(name):
    """Both layers at rates of their own, an output scale, decay and noisy labels, at d = 300: the mean of 32 runs."""
    link = rc.Link.from_coefficients([0.1, 0.6, 0.3, 0.2]) if name == "cubic" else rc.Link.named(name)
    teacher, dim = rc.Teacher([1.0, -0.7], link, noise=0.3), 300
    W = np.random.default_rng(1).normal(size=(3, dim))
    W *= 0.5 / np.linalg.norm(W, axis=1, keepdims=True)
    W[:, :2] += [[0.3, 0.0], [0.0, 0.3], [0.1, 0.1]]
    gamma = 0.15 if name == "cubic" else 0.3
    sgd = rc.SGD(rc.SGD.from_gamma(gamma, dim, 4).rate, 4, second_layer_rate=0.5, weight_decay=0.02)
    steps = int(24 / sgd.rate)
    logged = tuple(np.linspace(0, steps, 7).astype(int).tolist())
    start = start_of(W, [0.8, -0.8, 0.5], 0.7)
    runs = rc.sgd.Experiment(teacher, start, sgd, steps=steps, logged=logged).ensemble(range(32))
    limit, flow = (
        rc.solve(of, teacher, start, runs.times[0, 1:]) for of in (rc.FiniteStep.of(sgd, dim), rc.Coupled.of(sgd))
    )
    np.testing.assert_allclose(runs.risk[:, 1:].mean(axis=0), limit.risk, rtol=0.05)
    np.testing.assert_allclose(runs.overlaps[:, 1:].mean(axis=0), limit.alignment, atol=0.02)
    assert runs.risk[:, -1].mean() > 1.3 * flow.risk[-1]
