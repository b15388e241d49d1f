"""Options of the compiler: taken alone, left out within other programs and where they are not known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from riccati.numerics import compiled_quickly, compiling


@pytest.fixture
def asked_anew():
    """The compiler is asked within this test, and after it again."""
    compiling._is_understood.cache_clear()
    yield
    compiling._is_understood.cache_clear()


def recorded():
    """A function that doubles, by a jit that records the options that it is given and the calls of each program."""
    options, calls = [], []

    def jit(function, *, compiler_options=None, **settings):
        number = len(options)
        options.append(compiler_options)

        def call(*args):
            calls.append(number)
            return jax.jit(function, **settings)(*args)

        return call

    return compiled_quickly(jit)(lambda x: 2 * x), options, calls


def test_this_compiler_knows_the_option_and_is_asked_once(asked_anew):
    double, options, calls = recorded()
    assert [double(1.0), double(2.0)] == [2.0, 4.0]
    assert options == [compiling._OPTIONS, None]
    assert calls == [0, 0]
    assert compiling._is_understood.cache_info().misses == 1


def test_a_compiler_that_does_not_know_it_compiles_without(asked_anew, monkeypatch):
    monkeypatch.setattr(compiling, "_OPTIONS", {"xla_cpu_of_another_release": False})
    double, _, calls = recorded()
    assert double(1.0) == 2.0
    assert calls == [1]
    assert compiled_quickly()(lambda x: 2 * x)(1.0) == 2.0


def test_within_another_program_there_are_no_options():
    double, _, calls = recorded()
    assert double(1.0) == 2.0
    jax.jit(double)(1.0)
    jax.vmap(double)(jnp.ones(2))
    jax.grad(double)(1.0)
    constant = np.ones(2)
    jax.jit(lambda x: x + double(constant))(1.0)  # not one of its arguments is traced
    assert calls == [0, 1, 1, 1, 1]
