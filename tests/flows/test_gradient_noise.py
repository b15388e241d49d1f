"""The finite-step velocities against the mean of one step of SGD in high dimension, by exact quadrature."""

from itertools import product

import jax
import numpy as np
import pytest
from scipy.special import roots_hermitenorm
from systems import weights_rates

import riccati as rc
from riccati.flows.gradient_noise import neuron_system, pair_system, stiefel_system, weights_system

VAST = 10**6  # a dimension at which what vanishes as 1/d is small, and a step's change keeps nine digits


def gaussian(dim, nodes):
    """Points and weights of exact Gaussian means to degree 2 nodes - 1 in each of `dim` variables."""
    z, weights = roots_hermitenorm(nodes)
    points = np.array(list(product(z, repeat=dim)))
    return points, np.prod(list(product(weights / weights.sum(), repeat=dim)), axis=1)


def in_reduced_coordinates(neurons, width, seed):
    """Weights in R^(M+N), a second layer, samples of the first M + N coordinates with weights, exact to degree 11."""
    rng = np.random.default_rng(seed)
    x, weights = gaussian(width + neurons, 6)
    a = np.array([0.8, 0.6])[:width]
    return 0.6 * rng.normal(size=(width + neurons, neurons)), a / np.linalg.norm(a), x, weights


MIXED = [0.0, 0.0, 0.8, 0.6]


@pytest.mark.parametrize(("neurons", "width"), [(2, 2), (1, 2), (2, 1)])
@pytest.mark.parametrize(
    ("coefficients", "system_of"), [([0, 0, 1], weights_system), ([0, 0, 1], neuron_system), (MIXED, neuron_system)]
)
def test_one_step_of_sgd_on_the_weights(coefficients, system_of, neurons, width):
    """The mean of W <- W + η(f* - f)(2σw + rσ'(x - zu)) at d = 10⁶, by quadrature and the mean of |x_⊥|²."""
    W, a, x, weights = in_reduced_coordinates(neurons, width, 0)
    gamma, link = 0.4, rc.Link.from_coefficients(coefficients)
    eta = gamma / VAST
    rest = VAST - width - neurons  # E |x_⊥|² outside the reduced coordinates
    norms = np.linalg.norm(W, axis=0)
    U = W / norms
    z = x @ U
    value, slope = np.asarray(link(z)), np.asarray(link.derivative(z))
    residual = np.asarray(link(x[:, :width])) @ a - value @ norms**2
    # a sample's step: inside the reduced coordinates, and along x_⊥
    inside = residual[:, None, None] * (
        2 * value[:, None] * W + norms * slope[:, None] * (x[:, :, None] - z[:, None] * U)
    )
    across = residual[:, None] * norms * slope
    moved = np.einsum("n,nij->ij", weights, inside)
    dZ = moved[:width]
    second = np.einsum("n,nki,nkj->ij", weights, inside, inside) + rest * np.einsum(
        "n,ni,nj->ij", weights, across, across
    )
    dQ = W.T @ moved + moved.T @ W + eta * second

    teacher = rc.Teacher(a, link)
    start = rc.Start(U[:width].T, U.T @ U, norms)
    found = weights_rates(system_of(rc.Problem(teacher, start), gamma))
    np.testing.assert_allclose(found[0], dZ, atol=1e-10)
    np.testing.assert_allclose(found[1], dQ, rtol=5e-5, atol=1e-5)


def test_one_step_of_stiefel_sgd():
    """The mean of polar(W - (ε/2) e x_⊥xᵀW), e = xᵀDx - tr D, at d = 10⁶: the polar factor of a rank-one change."""
    neurons = width = 2
    W, a, x, weights = in_reduced_coordinates(neurons, width, 1)
    W = np.linalg.qr(W)[0]
    gamma, c = 0.7, 0.9
    epsilon, rest = gamma / VAST, VAST - width - neurons
    D = c * W @ W.T
    D[:width, :width] -= np.diag(a)
    e, u = np.einsum("ni,ij,nj->n", x, D, x) - np.trace(D), x @ W
    beyond = x - u @ W.T
    length = np.sum(beyond**2, axis=1) + rest
    # W̃ᵀW̃ = 1 + α uuᵀ, whose inverse root is 1 - β uuᵀ
    size = np.sum(u**2, axis=1)
    alpha = epsilon**2 * e**2 * length / 4
    beta = -np.expm1(-0.5 * np.log1p(alpha * size)) / size
    change = -epsilon / 2 * e[:, None, None] * beyond[:, :width, None] * u[:, None, :]
    change = change - beta[:, None, None] * ((W[:width] + change) @ u[:, :, None]) * u[:, None, :]
    expected = np.einsum("n,nij->ij", weights, change) / epsilon

    start = rc.Start(W[:width].T, np.eye(neurons), dim=VAST)
    system = stiefel_system(rc.Problem(rc.Teacher(a, rc.Link.hermite(2)), start), gamma / 2, c)
    turn = np.asarray(system.state).T @ W[:width] @ np.linalg.inv(W[:width].T @ W[:width])  # QR may flip signs
    velocity = np.asarray(jax.jit(system.velocity)(0.0, system.state, system.args)) @ turn
    np.testing.assert_allclose(velocity, expected, rtol=5e-5, atol=1e-5)


@pytest.mark.parametrize(("k", "overlaps"), [(3, (0.5, 0.7)), (4, (-0.6, 0.3))])
def test_one_step_of_sgd_on_two_pairs(k, overlaps):
    """Neuron 1 and its teacher, and another pair orthogonal to both, at d = 10⁸."""
    link, gamma = rc.Link.hermite(k), 0.05
    dim = 10**8  # as e²σ'² has heavy tails
    eta, rest = gamma / dim, dim - 4
    x, weights = gaussian(4, 2 * k)
    a, s, m = np.array([0.8, 0.6]), np.array([0.5, 0.7]), np.array(overlaps)
    z = x[:, :2]
    nu = m * z + np.sqrt(1 - m**2) * x[:, 2:]
    e = np.asarray(link(nu)) @ a - np.asarray(link(z)) @ s
    for i in range(2):
        value, slope = np.asarray(link(z[:, i])), np.asarray(link.derivative(z[:, i]))
        # one step, with the part of x orthogonal to u_i: along θ_i's share, and its length
        along, across = 1 + 2 * eta * e * value, eta * e * slope
        off = rest + np.sum(x**2, axis=1) - z[:, i] ** 2
        stretched = along**2 + across**2 * off
        # sums of small changes, so that the means keep their digits
        gain = weights @ (4 * eta * e * value + (2 * eta * e * value) ** 2 + across**2 * off) / eta
        ratio = (along * m[i] + across * (nu[:, i] - m[i] * z[:, i])) / np.sqrt(stretched)
        turn = weights @ (ratio - m[i]) / eta
        start = rc.Start(np.diag(m), norms=np.sqrt(s))
        system = pair_system(rc.Problem(rc.Teacher(a, link), start), gamma)
        velocity = jax.jit(system.velocity)(0.0, system.state, system.args)
        np.testing.assert_allclose(velocity.log_radius[i], gain, rtol=1e-3)
        np.testing.assert_allclose(velocity.odds[i] * (1 - m[i] ** 2) * m[i] / 2, turn, rtol=1e-3)
