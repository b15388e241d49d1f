"""The two definitions of an overlap, from weights."""

import jax.numpy as jnp
import numpy as np
import pytest
from tensors import Tensor

import riccati as rc

THETA = np.eye(3, 6)


def test_two_neurons_that_share_a_plane():
    # span of (θ_1 + θ_2)/√2 and θ_3: half of θ_1 and θ_2 each lies in it, and all of θ_3
    W = np.zeros((2, 6))
    W[0, :2], W[1, 2] = 3.0, -0.1
    np.testing.assert_allclose(rc.subspace_alignment(W, THETA), [0.5, 0.5, 1.0], atol=1e-15)
    np.testing.assert_allclose(rc.neuron_alignment(W, THETA), [0.5, 0.5, 1.0], atol=1e-15)
    # two neurons between θ_1 and θ_2 span both, though neither is near one
    W[1] = 0.0
    W[0, :2], W[1, :2] = (1.0, 0.5), (0.5, 1.0)
    np.testing.assert_allclose(rc.subspace_alignment(W, THETA), [1.0, 1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(rc.neuron_alignment(W, THETA), [0.8, 0.8, 0.0], atol=1e-15)


def test_dependent_neurons_span_what_they_span():
    W = np.zeros((3, 6))
    W[:, 0] = (1.0, 1.0, -2.0)
    np.testing.assert_allclose(rc.subspace_alignment(W, THETA), [1.0, 0.0, 0.0], atol=1e-15)


def test_jax_and_anything_like_torch():
    W = np.random.default_rng(0).standard_normal((2, 6))
    expected = rc.neuron_alignment(W, THETA)
    np.testing.assert_allclose(rc.neuron_alignment(jnp.asarray(W), jnp.asarray(THETA)), expected, rtol=1e-14)
    np.testing.assert_allclose(rc.neuron_alignment(Tensor(W), THETA), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("W", "Theta", "message"),
    [
        (np.zeros((2, 6)), THETA, "`W` must have no zero row, but is zero at row 0"),
        (np.ones(6), THETA, "`W` must be a matrix"),
        (np.ones((2, 5)), THETA, r"`Theta` must be of shape (M, 5), but is (3, 6)"),
        (np.ones((2, 6)), 2 * THETA, "`Theta` must have orthonormal rows"),
        ([["a", "b"]], THETA, "`W` must be a matrix of numbers"),
        (np.full((2, 6), np.nan), THETA, "`W` must be finite"),
    ],
)
def test_what_has_no_alignment_is_refused(W, Theta, message):
    for alignment in (rc.subspace_alignment, rc.neuron_alignment):
        with pytest.raises(rc.ArgumentError) as refused:
            alignment(W, Theta)
        assert message in str(refused.value)
