"""How JAX is used here: in double precision, and with compiler options for the larger programs.

On the processor, XLA's newer emitters of fused loops (MLIR) take half of the compile time of long programs and save
nothing at run time there. `@compiled_quickly()` compiles a program with the older ones, and with the first level of
LLVM's optimisation: the rounds of a random key take it ten times as long at the second, and run no faster. It is not
used everywhere, as the older emitters are slow on loops that share large subexpressions.

A process that keeps its programs for the next one is short, and calls each a few times. What works on few numbers takes
milliseconds then and compiles in half a second, so it is compiled without optimisation, in half of that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

import jax
import numpy as np

from ..support import is_traced, require
from .program_store import KeptPrograms

T = TypeVar("T")

LEAF: Any = 0  # stands for any array of a result that `like` describes
_LEVEL = "xla_backend_optimization_level"
_OPTIONS = {"xla_cpu_use_fusion_emitters": False, _LEVEL: 1}
_FEW = 4096  # numbers among the arguments of a program


def compiled_quickly(
    jit: Callable = jax.jit, like: Callable[..., Any] | None = None, **settings: Any
) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """A decorator that compiles a function by `jit` (`jax.jit` or `equinox.filter_jit`) with both options.

    `settings` are passed on to `jit`. XLA takes options for whole programs only, so a function that is called within
    another program is compiled as that one is, as are all where this release of XLA does not know the options.

    With `like`, which gives of the same arguments any value of the result's structure, the programs are kept for other
    processes where a folder is set for them (program_store.py).
    """

    def compiled(function: Callable[..., T]) -> Callable[..., T]:
        alone, plain = jit(function, **settings, compiler_options=_OPTIONS), jit(function, **settings)
        donated = np.atleast_1d(settings.get("donate_argnums", ())).astype(int)
        kept = None if like is None else KeptPrograms(function, like, tuple(donated), _options_once)

        @wraps(function)
        def call(*args: Any) -> T:
            if is_traced(args) or is_traced(jax.device_put(np.zeros(()))):
                return plain(*args)
            program = None if kept is None else kept.program(args)
            return (program or (alone if _is_understood() else plain))(*args)

        return call

    return compiled


def _options_once(arrays: tuple) -> dict[str, Any]:
    """The options for a program of such arrays in a process that keeps it."""
    few = sum(map(np.size, arrays)) < _FEW
    return _OPTIONS | {_LEVEL: 0 if few else 1} if _is_understood() else {}


@cache
def _is_understood() -> bool:
    """Whether XLA knows the options: asked once a process, of a program that costs milliseconds."""
    try:
        jax.jit(lambda: np.zeros(()), compiler_options=_OPTIONS).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def require_double_precision() -> None:
    """Raise `ArgumentError` where JAX computes in float32.

    Single precision cannot follow the search phase, where overlaps are of order d^(-1/2) and their differences matter.
    """
    remedy = 'be true (unset it before `import riccati`, or call jax.config.update("jax_enable_x64", True))'
    require(jax.config.read("jax_enable_x64"), "JAX_ENABLE_X64", remedy, "false")
