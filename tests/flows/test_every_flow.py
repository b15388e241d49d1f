"""One harness for every flow: its risk against its equation in other variables by scipy, its gradients in both modes
against each other and finite differences under jit and vmap, and what it compiles.

The references are the equations of derivations/, written for weights or Gram matrices, and share nothing with the flows
but the dual activation.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from systems import problem

import riccati as rc
from riccati.numerics import compiled_quickly
from riccati.problem import population_risk

DIM, GAMMA = 40, 0.05
TIMES = np.array([0.5, 3.0, 7.0])


def integrated(velocity, state, clock=1.0):
    """The solution at TIMES, in a time that runs `clock` times as fast."""
    shape, end = state.shape, clock * TIMES
    solution = solve_ivp(
        lambda _, y: np.ravel(velocity(y.reshape(shape))),
        (0, end[-1]), state.ravel(), "DOP853", end, rtol=1e-11, atol=1e-13,
    )  # fmt: skip
    return [y.reshape(shape) for y in solution.y.T]


def riccati(teacher, start):
    """dG/dτ = AG + GA - 2GAG, τ = 2t."""
    A, Z = np.diag(teacher.a), np.linalg.qr(np.asarray(start.directions).T)[0][: teacher.width]
    states = integrated(lambda G: A @ G + G @ A - 2 * G @ A @ G, Z @ Z.T, 2.0)
    return [1 - np.trace(A @ G @ A @ G) for G in states]


def quadratic(teacher, start):
    """dW/dt = 2(S* - WWᵀ)W."""
    W = np.asarray(start.weights).T
    target = np.zeros((len(W), len(W)))
    target[: teacher.width, : teacher.width] = np.diag(teacher.a)
    states = integrated(lambda W: 2 * (target - W @ W.T) @ W, W)
    return [np.sum((W @ W.T - target) ** 2) for W in states]


def uncentred(teacher, start):
    """dW/dt = 2[c_2²(S* - WWᵀ) + c_0² tr(S* - WWᵀ)]W."""
    W, (mean, _, c) = np.asarray(start.weights).T, np.asarray(teacher.link.coefficients) ** 2
    target = np.zeros((len(W), len(W)))
    target[: teacher.width, : teacher.width] = np.diag(teacher.a)
    missing = [target - W @ W.T for W in integrated(
        lambda W: 2 * c * (target - W @ W.T) @ W + 2 * mean * np.trace(target - W @ W.T) * W, W
    )]  # fmt: skip
    whole = c * np.sum(target**2) + mean * np.trace(target) ** 2
    return [(c * np.sum(D**2) + mean * np.trace(D) ** 2) / whole for D in missing]


def decoupled(teacher, start):
    """dm/dt = a g'(1 - m²), ds/dt = 4s(a g - g(1) s) of each pair; nothing is left over."""
    a, g = np.asarray(teacher.a), teacher.link
    m, s = (np.asarray(x) for x in rc.Problem(teacher, start).assigned())

    def velocity(state):
        m, s = state
        return np.stack([a * g.dual_derivative(m) * (1 - m**2), 4 * s * (a * g.dual(m) - g.dual(1.0) * s)])

    states = integrated(velocity, np.stack([m, s]))
    return [np.sum(a**2 - 2 * a * s * m**3 + s**2) for m, s in states]


def gradient_of(loss):
    slope = jax.jit(jax.grad(loss))
    return lambda W: -np.asarray(slope(jnp.asarray(W)))


def coupled(teacher, start):
    """dw/dt = -∇L, L = ½E(f* - f)², by JAX."""

    def risk(W):
        norms = jnp.linalg.norm(W, axis=1)
        return population_risk(teacher, W / norms[:, None], norms**2)

    states = integrated(gradient_of(lambda W: teacher.second_moment / 2 * risk(W)), np.asarray(start.weights))
    return [float(risk(W)) for W in states]


def correlation(teacher, start):
    """du/dt = ∇ Σ a g(<u, θ>/|u|), a gradient of degree zero, on the sphere."""

    def gain(U):
        m = U[:, : teacher.width] / jnp.linalg.norm(U, axis=1, keepdims=True)
        return -jnp.sum(teacher.link.dual(m) @ teacher.a)

    risks = []
    for U in integrated(gradient_of(gain), np.asarray(start.directions)):
        g, a = teacher.link.dual, teacher.a
        b = np.asarray(g(U[:, : teacher.width]) @ a)
        risks.append(1 - b @ np.linalg.solve(np.asarray(g(U @ U.T)), b) / float(teacher.second_moment))
    return risks


def stiefel(teacher, start):
    """dZ/dτ = AZ - ZK - (γ/8)(1 - N/d) ZH, c = 1/√N."""
    A, N = np.diag(teacher.a), start.student_width
    c = N**-0.5

    def velocity(Z):
        K, K2 = Z.T @ A @ Z, Z.T @ A @ A @ Z
        misfit = c**2 * N - 2 * c * np.trace(K) + 1
        H = 2 * misfit * np.eye(N) + 8 * (c**2 * np.eye(N) - 2 * c * K + K2)
        return A @ Z - Z @ K - GAMMA / 8 * (1 - N / DIM) * Z @ H

    Z = np.linalg.qr(np.asarray(start.directions).T)[0][: teacher.width]
    return [1 - np.trace(A @ Z @ Z.T @ A @ Z @ Z.T) for Z in integrated(velocity, Z, 2.0)]


def on_weights(teacher, start):
    """dZ/dt = 2(AZ - ZQ), dQ/dt = -4(Q² - ZᵀAZ) + γ[2RQ + 8WᵀD²W]."""
    A, M = np.diag(teacher.a), teacher.width
    W = np.asarray(start.weights).T

    def misfit(Z, Q):
        return np.trace(Q @ Q) - 2 * np.trace(Z.T @ A @ Z) + 1

    def velocity(state):
        Z, Q = state[:M], state[M:]
        B, B2 = Z.T @ A @ Z, Z.T @ A @ A @ Z
        noise = 2 * misfit(Z, Q) * Q + 8 * (Q @ Q @ Q - Q @ B - B @ Q + B2)
        return np.vstack([2 * (A @ Z - Z @ Q), -4 * (Q @ Q - B) + GAMMA * noise])

    states = integrated(velocity, np.vstack([W[:M], W.T @ W]))
    return [misfit(state[:M], state[M:]) for state in states]


EVERY = {
    "Riccati": (rc.Riccati(), 2, riccati),
    "Quadratic": (rc.Quadratic(), 2, quadratic),
    "Quadratic, c_0 ≠ 0": (rc.Quadratic(), rc.Link.from_coefficients([0.5, 0, 0.9]), uncentred),
    "Decoupled": (rc.Decoupled(), 3, decoupled),
    "Coupled": (rc.Coupled(rtol=1e-10), 3, coupled),
    "Correlation": (rc.Correlation(), 3, correlation),
    "FiniteStep, Stiefel": (rc.FiniteStep(GAMMA / 2, constraint="stiefel"), 2, stiefel),
    "FiniteStep, weights": (rc.FiniteStep(GAMMA), 2, on_weights),
    "FiniteStep, pairs": (rc.FiniteStep(1e-13), 3, decoupled),
    "FiniteStep, all neurons": (rc.FiniteStep(1e-13, pairs="all"), 3, coupled),
}
REVERSED = ("Quadratic", "Decoupled", "Coupled", "FiniteStep, all neurons")
UNEXACT = [name for name in EVERY if name not in ("Riccati", "Quadratic")]


def start_of(link, seed=0):
    """Overlaps of 0.3, so that directions emerge by the last time."""
    rng = np.random.default_rng(seed)
    m = np.array([[0.4, 0.1], [-0.1, 0.35]]) + 0.05 * rng.random((2, 2))
    teacher = rc.Teacher.power_law(2, 0.5 + 0.1 * seed, link if isinstance(link, rc.Link) else rc.Link.hermite(link))
    return teacher, rc.Start(m, np.array([[1.0, 0.1], [0.1, 1.0]]), [0.5, 0.4 + 0.1 * seed], DIM)


@pytest.mark.parametrize("name", EVERY)
class TestEveryFlow:
    def test_follows_its_equation(self, name):
        flow, degree, reference = EVERY[name]
        teacher, start = start_of(degree)
        solved = rc.solve(flow, teacher, start, TIMES)
        np.testing.assert_allclose(solved.risk, reference(teacher, start), rtol=2e-6, atol=1e-9)
        assert bool(solved.outcome == rc.Outcome.complete)

    def test_derivatives_under_jit_and_vmap(self, name):
        """Forward mode of every flow; reverse mode where a flow has charts, tables or steps that no other has."""
        flow, degree, _ = EVERY[name]
        teacher, start = start_of(degree)

        def risk(a, m):
            begin = rc.Start(m, start.student_gram, start.norms, DIM)
            return rc.solve(flow, rc.Teacher(a, teacher.link), begin, TIMES).risk @ jnp.array([1.0, -2.0, 3.0])

        a, m = (jnp.stack([x, 1.02 * x]) for x in (jnp.asarray(teacher.a), start.teacher_overlaps))
        step = np.random.default_rng(0).normal(size=m.shape[1:])
        stretch = jnp.array([0.3, -0.2])

        def both(a, m):
            forward = jax.jvp(risk, (a, m), (stretch, jnp.asarray(step)))
            return *forward, jax.grad(risk, argnums=(0, 1))(a, m) if name in REVERSED else None

        value, forward, slopes = compiled_quickly()(jax.vmap(both))(a, m)
        for n in range(2):
            h = 1e-5
            ahead, behind = (risk(a[n] + s * h * stretch, m[n] + s * h * step) for s in (1, -1))
            np.testing.assert_allclose(value[n], risk(a[n], m[n]), rtol=1e-7)
            np.testing.assert_allclose(forward[n], (ahead - behind) / (2 * h), rtol=2e-5, atol=1e-8)
            if slopes is not None:
                along = slopes[0][n] @ stretch + np.sum(slopes[1][n] * step)
                np.testing.assert_allclose(along, forward[n], rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("name", UNEXACT)
def test_new_numbers_and_a_new_number_of_times_compile_nothing(name, caplog):
    flow, degree, _ = EVERY[name]

    def solved(seed, times):
        teacher, start = start_of(degree, seed)
        if isinstance(flow, rc.FiniteStep):
            changed = rc.FiniteStep(
                flow.gamma * (1 + seed / 100),
                constraint=flow.constraint,
                rtol=flow.rtol * (1 + seed),
                pairs=flow.pairs,
            )
            return rc.solve(changed, teacher, start, times).risk
        return rc.solve(flow, teacher, start, times).emergence_times()

    solved(0, TIMES)
    with jax.log_compiles():
        solved(1, np.linspace(0.1, 6.0, 17))
    assert [record.message for record in caplog.records if record.message.startswith("Compiling")] == []


def test_the_number_of_times_does_not_change_what_is_seen():
    """Across the multiples of 64 to which programs are padded."""
    teacher, start = problem(2, 2, 30, 1.0, degree=3, norm=0.3)
    for flow in (rc.Decoupled(), rc.Correlation(), rc.FiniteStep(1e-3)):
        long = rc.solve(flow, teacher, start, np.linspace(0, 8, 65))
        for count in (1, 64):
            short = rc.solve(flow, teacher, start, np.linspace(0, 8, 65)[:count])
            assert short.risk.shape == (count,)
            np.testing.assert_allclose(short.risk, long.risk[:count], rtol=1e-5)
            np.testing.assert_allclose(short.alignment, long.alignment[:count], rtol=1e-5)
