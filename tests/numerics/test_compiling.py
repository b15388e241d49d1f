"""Options of the compiler: taken alone, left out within other programs and where they are not known."""

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import pytest

from riccati.numerics import compiled_quickly


def recorded(monkeypatch, version):
    """A jit that records the options that it is given and the calls of each program."""
    monkeypatch.setattr(jaxlib, "__version__", version)
    options, calls = [], []

    def jit(function, *, compiler_options=None, **settings):
        number = len(options)
        options.append(compiler_options)

        def call(*args):
            calls.append(number)
            return jax.jit(function, **settings)(*args)

        return call

    return compiled_quickly(jit)(lambda x: 2 * x), options, calls


@pytest.mark.parametrize(("version", "known"), [("0.6.2", False), ("0.7.0", True), ("0.10.2", True), ("0.11.0", False)])
def test_the_option_is_given_to_releases_that_know_it(monkeypatch, version, known):
    _, options, _ = recorded(monkeypatch, version)
    assert options == [{"xla_cpu_use_fusion_emitters": False} if known else {}, None]


def test_within_another_program_there_are_no_options(monkeypatch):
    double, _, calls = recorded(monkeypatch, "0.10.2")
    assert double(1.0) == 2.0
    jax.jit(double)(1.0)
    jax.vmap(double)(jnp.ones(2))
    jax.grad(double)(1.0)
    constant = np.ones(2)
    jax.jit(lambda x: x + double(constant))(1.0)  # not one of its arguments is traced
    assert calls == [0, 1, 1, 1, 1]
