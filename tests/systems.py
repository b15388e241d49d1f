"""Systems with known answers: multi-precision solutions of the k = 2 flow, and the problems that tests share."""

import mpmath as mp
import numpy as np

import riccati as rc


def problem(width, neurons, dim, beta, *, seed=0, norm=1e-2, degree=2):
    """A power-law teacher and a random start."""
    teacher = rc.Teacher.power_law(width, beta, rc.Link.hermite(degree))
    return teacher, rc.Start.random(teacher, neurons, dim, norm, seed=seed)


def exact_subspace(teacher, start, riccati_times):
    """diag G and 1 - tr(AGAG) by the textbook formula G = Y (YᵀY)^{-1} Yᵀ, Y = e^{ρτ} X, in enough digits."""
    a = [float(x) for x in teacher.a]
    width, rows = len(a), np.asarray(start.directions).T
    diagonals, risks = [], []
    for tau in riccati_times:
        mp.mp.dps = int(60 + max(a) * tau)  # the Gram matrix's condition number is e^{2 a_1 τ} at the most
        growth = [mp.exp(mp.mpf(x) * mp.mpf(float(tau))) for x in a] + [mp.mpf(1)] * start.student_width
        Y = mp.matrix([[g * mp.mpf(float(x)) for x in row] for g, row in zip(growth, rows, strict=True)])
        Z = Y[:width, :]
        half = mp.inverse(mp.cholesky(Y.T * Y))
        V = Z * half.T
        diagonals.append([mp.fsum(V[m, j] ** 2 for j in range(V.cols)) for m in range(width)])
        K = V.T * mp.matrix([[a[m] * V[m, j] for j in range(V.cols)] for m in range(width)])
        total = mp.fsum(mp.mpf(x) ** 2 for x in a)
        risks.append(total - mp.fsum(K[i, j] ** 2 for i in range(K.rows) for j in range(K.cols)))
    return diagonals, risks


def relative_error(values, exact, least=1e-290):
    """The largest relative error of doubles against multi-precision numbers above the subnormal range."""
    pairs = zip(np.ravel(values), [x for row in exact for x in row], strict=True)
    return max((float(abs(mp.mpf(float(v)) - x) / abs(x)) for v, x in pairs if abs(x) > least), default=0.0)
