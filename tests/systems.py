"""Systems with known answers: multi-precision solutions of the k = 2 flow, and the problems that tests share."""

import jax
import mpmath as mp
import numpy as np

import riccati as rc
from riccati.flows.gradient_noise import WeightsState

_SMALLEST = 300  # decimal digits below one in which a risk is still a double


def problem(width, neurons, dim, beta, *, seed=0, norm=1e-2, degree=2):
    """A power-law teacher and a random start."""
    teacher = rc.Teacher.power_law(width, beta, rc.Link.hermite(degree))
    return teacher, rc.Start.random(teacher, neurons, dim, norm, seed=seed)


def exact_subspace(teacher, start, riccati_times):
    """diag G and 1 - tr(AGAG) by the textbook formula G = Y (YᵀY)^{-1} Yᵀ, Y = e^{ρτ} X, in enough digits.

    G depends on the span of Y alone. Its columns are combined so that the N rows that grow fastest are those of the
    identity: the Gram matrix then has a condition number of order one at any τ, and digits are lost in the risk only.
    """
    a, N = np.asarray(teacher.a), start.student_width
    rates = np.array([mp.mpf(x) for x in [*a.tolist(), *[0] * N]])
    fastest = [*np.argsort(-a, kind="stable"), *range(len(a), len(a) + N)][:N]
    diagonals, risks = [], []
    with mp.workdps(int(60 + min(a.max() * max(riccati_times), _SMALLEST))):
        X = np.array([[mp.mpf(x) for x in row] for row in np.asarray(start.directions).T.tolist()])
        B = X @ _inverse(X[fastest])
        B[fastest] = np.eye(N, dtype=int)  # exactly, as what rounding leaves there would grow
        for tau in np.asarray(riccati_times).tolist():
            growth = np.array([mp.exp(rate * tau) for rate in rates])
            Y = growth[:, None] * B / growth[fastest]
            V = _rows_over_root(Y[: len(a)], Y.T @ Y)
            diagonals.append((V**2).sum(axis=1))
            risks.append((rates[: len(a)] ** 2).sum() - ((V.T @ (rates[: len(a), None] * V)) ** 2).sum())
    return diagonals, risks


def _inverse(A):
    """By Gauss and Jordan, with pivots."""
    n = len(A)
    A = np.hstack([A, np.array([[mp.mpf(i == j) for j in range(n)] for i in range(n)])])
    for j in range(n):
        i = j + int(np.argmax(np.abs(A[j:, j])))
        A[[i, j]] = A[[j, i]]
        A[j] = A[j] / A[j, j]
        others = np.arange(n) != j
        A[others] = A[others] - A[others, j][:, None] * A[j]
    return A[:, n:]


def _rows_over_root(Z, S):
    """Z L^{-T} with S = L Lᵀ, so that V Vᵀ = Z S^{-1} Zᵀ."""
    L, V = np.full(S.shape, mp.mpf(0)), np.full(Z.shape, mp.mpf(0))
    for j in range(len(S)):
        L[j, j] = mp.sqrt(S[j, j] - (L[j, :j] ** 2).sum())
        L[j + 1 :, j] = (S[j + 1 :, j] - (L[j + 1 :, :j] * L[j, :j]).sum(axis=1)) / L[j, j]
        V[:, j] = (Z[:, j] - (V[:, :j] * L[j, :j]).sum(axis=1)) / L[j, j]
    return V


def weights_rates(system):
    """dZ/dt and dQ/dt of Z = ΘᵀW (M, N) and Q = WᵀW (N, N) by a system of SGD on the weights, from its state."""
    state, velocity = (
        jax.tree.map(np.asarray, x)
        for x in (system.state, jax.jit(system.velocity)(0.0, system.state, system.args))
    )  # fmt: skip
    if isinstance(state, WeightsState):
        (T, dT), rate = (float(system.args.unit) * x.T for x in (state, velocity)), float(system.rate)
        return rate * (velocity.Y @ T + state.Y @ dT), rate * (dT.T @ T + T.T @ dT)
    r, grown = np.exp(state.log_norm), velocity.log_norm
    dZ = r[:, None] * (velocity.along + grown[:, None] * state.along)
    crossed = dZ @ (r[:, None] * state.along).T
    rest = np.sum(velocity.rest + (grown[:, None] + grown) * state.rest, axis=0)
    return dZ.T, crossed + crossed.T + r[:, None] * r * rest


def relative_error(values, exact, least=1e-290):
    """The largest relative error of doubles against multi-precision numbers above the subnormal range."""
    pairs = zip(np.ravel(values), [x for row in exact for x in row], strict=True)
    return max((float(abs(mp.mpf(float(v)) - x) / abs(x)) for v, x in pairs if abs(x) > least), default=0.0)
