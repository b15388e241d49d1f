"""Programs kept for other processes: found again without tracing, and never in the place of another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from riccati.numerics import compiled_quickly, kept_numbers
from riccati.numerics.program_store import VARIABLE, KeptPrograms

TRACED = []
STATE = {"mean": jnp.arange(3.0), "spread": np.full(3, 0.1)}


def drawn(key, state, power):
    """Something with a key, a structure, a constant and a factorisation."""
    TRACED.append(power)
    noise = state["spread"] * jax.random.normal(key, (3,))
    root = jnp.linalg.cholesky(jnp.eye(3) + jnp.outer(noise, noise))
    return state | {"mean": root @ state["mean"] ** power + noise}, jnp.sum(noise)


def like(key, state, power):
    return state, 0


def called_back(x):
    return jax.pure_callback(np.sin, x, x)


def applied(function, x):
    return function(x)


def doubled(x):
    return 2 * x


def halved(x):
    return x / 2


def scaled(factor, x):
    return factor * x


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder for programs."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "programs"))
    TRACED.clear()
    return tmp_path / "programs"


def a_process(function=drawn, like=like):
    """What a process that has just begun has of a function."""
    static = {"static_argnums": 2} if function is drawn else {}
    return compiled_quickly(like=like, **static)(function)


def same(one, other):
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, one, other)))


def test_another_process_does_not_trace_and_computes_the_same_to_the_bit(folder):
    arguments = jax.random.key(1), STATE, 2
    plain = jax.jit(drawn, static_argnums=2)(*arguments)
    first = a_process()(*arguments)
    assert TRACED == [2, 2]
    second = a_process()
    assert same(first, plain)
    assert same(second(*arguments), plain)
    assert same(second(*arguments), plain)
    assert TRACED == [2, 2]
    (kept,) = folder.iterdir()
    assert kept.name.startswith("drawn-")


def test_other_arguments_and_settings_have_programs_of_their_own(folder):
    process = KeptPrograms(applied, lambda function, x: 0, (), lambda arrays: {})
    cases = ((doubled, np.ones(2)), (doubled, np.ones(3)), (doubled, np.ones(2, np.float32)), (halved, np.ones(2)))
    for number, (function, x) in enumerate(cases):
        assert process.program((function, x))(function, x).tolist() == function(x).tolist()
        assert len(list(folder.iterdir())) == number + 1
    arguments = jax.random.key(1), STATE
    a_process()(*arguments, 2)
    a_process()(*arguments, 3)
    with jax.numpy_rank_promotion("warn"):
        a_process()(*arguments, 3)
    assert TRACED == [2, 3, 3]
    assert len(list(folder.iterdir())) == 7


@pytest.mark.parametrize("content", [b"", b"something else\n", None])
def test_a_file_that_is_damaged_or_of_something_else_is_written_anew(folder, content):
    arguments = jax.random.key(1), STATE, 2
    plain = a_process()(*arguments)
    (path,) = folder.iterdir()
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + b"x" if content is None else content)
    for _ in range(2):  # the second finds what the first has written
        assert same(a_process()(*arguments), plain)
        assert TRACED == [2, 2]
    assert len(list(folder.iterdir())) == 1


def test_numbers_are_computed_once_for_all_processes(folder, monkeypatch):
    computed = []

    def squares():
        computed.append(0)
        return np.arange(5.0) ** 2

    for _ in range(2):
        assert np.array_equal(kept_numbers("squares", squares), np.arange(5.0) ** 2)
    assert len(computed) == 1
    monkeypatch.delenv(VARIABLE)
    assert np.array_equal(kept_numbers("squares", squares), np.arange(5.0) ** 2)
    assert len(computed) == 2


def test_without_a_folder_or_in_one_that_cannot_be_written_nothing_is_missed(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    arguments = jax.random.key(1), STATE, 2
    plain = a_process()(*arguments)
    file = tmp_path / "file"
    file.write_text("no folder")
    monkeypatch.setenv(VARIABLE, str(file / "programs"))
    assert same(a_process()(*arguments), plain)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_has_no_name_calls_back_or_gives_keys_is_not_kept(folder):
    process = KeptPrograms(applied, lambda function, x: 0, (), lambda arrays: {})
    assert process.program((lambda x: x, np.ones(2))) is None
    assert a_process(called_back, lambda x: 0)(np.ones(2)) == pytest.approx(np.sin(1.0))
    assert a_process(jax.random.key, lambda seed: 0)(np.asarray(3)) == jax.random.key(3)
    assert not folder.exists()


def test_within_other_programs_the_plain_function_is_used(folder):
    cube = compiled_quickly(like=lambda x: 0)(doubled)
    assert float(jax.grad(lambda x: cube(x) ** 2)(3.0)) == 24
    assert jax.jit(cube)(jnp.ones(2)).tolist() == [2, 2]
    assert jax.vmap(cube)(jnp.ones(2)).tolist() == [2, 2]
    assert not folder.exists()


def test_donated_memory_is_used_again(folder):
    def process():
        return compiled_quickly(like=lambda factor, x: x, donate_argnums=1)(scaled)

    for _ in range(2):
        x = jax.device_put(np.ones(5))
        assert process()(np.asarray(3.0), x).tolist() == [3] * 5
        assert x.is_deleted()
