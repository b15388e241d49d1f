"""Keys of seeds, and Wishart factors drawn triangle by triangle."""

import jax
import numpy as np
import pytest

from riccati.numerics import as_key, bartlett_of


@pytest.mark.parametrize("seed", [0, 5, 2**32 - 1, 2**40 + 3])
def test_keys_are_those_of_jax(seed):
    assert as_key(seed) == jax.random.key(seed)
    assert as_key(seed).dtype == jax.random.key(seed).dtype


def test_triangles_of_numpy_have_the_law_of_a_gaussian_factor():
    """E T Tᵀ = dim, and its diagonal's variance 2 dim; nothing past the last dimension there is."""
    many = bartlett_of(np.random.default_rng(0), 3, np.full((40_000, 2), [7.0, 2.0]))
    assert many.shape == (40_000, 2, 3, 3)
    assert np.allclose(np.triu(many, 1), 0)
    product = many @ np.swapaxes(many, -1, -2)
    assert np.allclose(product[:, 0].mean(axis=0), 7 * np.eye(3), atol=0.1)
    assert np.allclose(product[:, 0].var(axis=0), 7 * (np.ones((3, 3)) + np.eye(3)), rtol=0.05)
    assert np.allclose(product[:, 1].mean(axis=0), 2 * np.eye(3), atol=0.05)
    assert np.all(many[:, 1, :, 2] == 0)
