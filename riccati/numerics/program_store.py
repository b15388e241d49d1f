"""Programs that a process keeps for the next one, compiled, as `jax.experimental.serialize_executable` writes them.

XLA's own cache keeps compiled code too, but a process has to trace and lower a program before it can ask for that. What
is kept here spares it both. Programs are kept in the folder that the environment variable RICCATI_PROGRAMS names, which
the command line sets and users of Python may; without it nothing is kept.

A file holds the program of one function for arguments of one structure, under a name that is a digest of both, of
JAX's settings, of the versions of the libraries, of the source of this package and of what the processor can do. A file
that is damaged or of something else is written anew, and one that cannot be written is not missed. To load a program is
to run what is in its file, so only files are read that are this user's and that nobody else may write to.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import stat
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache
from jaxlib import lapack

from ..support import ArgumentError, package_versions, sealed, unsealed, whole_file

VARIABLE = "RICCATI_PROGRAMS"
_HEAD = b"riccati program\n"
# what a program may depend on besides its function and its arguments
_SETTINGS = (
    "jax_enable_x64", "jax_default_matmul_precision", "jax_default_prng_impl", "jax_threefry_partitionable",
    "jax_numpy_dtype_promotion", "jax_numpy_rank_promotion", "jax_debug_nans", "jax_debug_infs",
)  # fmt: skip
_DISABLED, _CACHED = "jax_disable_jit", "jax_enable_compilation_cache"
_CALLBACK = b"python_cpu_callback"  # in the name of what a program calls to get back into Python
_LAPACK = b"lapack_"  # in the names of LAPACK's routines, likewise
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ABILITIES = ("flags", "Features")  # of x86 and of ARM
_ON_ERROR = "EQX_ON_ERROR"  # a variable of the environment, likewise


class KeptPrograms:
    """The programs of a function, one for each structure of its arguments: from the folder, or compiled and put there.

    Arrays among the arguments are the program's arguments; all else is a part of it.

    Args:
        function: a function of a module's top level, whose result holds arrays alone.
        like: gives, of the same arguments, any value of the structure that the result has, without computing it.
        donated: which arguments' memory the program may use.
        options: gives those of the compiler for a program of some arrays.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        like: Callable[..., Any],
        donated: tuple[int, ...],
        options: Callable[[tuple], dict[str, Any]],
    ):
        self._function, self._like, self._donated, self._options = function, like, donated, options
        self._programs: dict[str, Callable | None] = {}

    def program(self, args: tuple) -> Callable[..., Any] | None:
        """The program for arguments like these; None where none is kept."""
        folder = os.environ.get(VARIABLE)
        if not folder or getattr(jax.config, _DISABLED):
            return None
        try:
            key = "\n".join([folder, *_described(args), *(repr(getattr(jax.config, name)) for name in _SETTINGS)])
        except _Nameless:
            return None
        if key not in self._programs:
            self._programs[key] = self._made(Path(folder), key, args)
        return self._programs[key]

    def _made(self, folder: Path, key: str, args: tuple) -> Callable[..., Any] | None:
        results, structure = jax.tree.flatten(self._like(*args))
        name = f"{self._function.__module__}.{self._function.__qualname__}"
        digest = hashlib.sha256("\n".join([name, key, *_surroundings()]).encode()).hexdigest()
        path = folder / f"{self._function.__name__}-{digest[:40]}"
        arrays = tuple(filter(is_array, jax.tree.leaves(args)))
        compiled = _read(path, arrays, len(results))
        if compiled is None:
            lowered = self._lowered(args, arrays)
            if _calls_back(lowered):  # no other process has what it calls
                return None
            compiled = _compiled_anew(lowered)
            _write(path, serialize_executable.serialize(compiled)[0])

        def program(*args: Any) -> Any:
            return jax.tree.unflatten(structure, compiled(*filter(is_array, jax.tree.leaves(args))))

        return program

    def _lowered(self, args: tuple, arrays: tuple) -> jax.stages.Lowered:
        """The program of the arrays among the arguments, for arrays of every origin."""
        leaves, tree = jax.tree.flatten(args)
        fixed = [None if is_array(leaf) else leaf for leaf in leaves]

        def flat(*given: Any) -> list[Any]:
            rest = iter(given)
            every = [next(rest) if is_array(leaf) else one for leaf, one in zip(leaves, fixed, strict=True)]
            return jax.tree.leaves(self._function(*jax.tree.unflatten(tree, every)))

        sizes = [sum(map(is_array, jax.tree.leaves(arg))) for arg in args]
        ends = np.cumsum(sizes)
        donated = tuple(int(n) for arg in self._donated for n in range(ends[arg] - sizes[arg], ends[arg]))
        like = [jax.ShapeDtypeStruct(np.shape(array), array.dtype) for array in arrays]
        options = self._options(arrays)
        return jax.jit(flat, keep_unused=True, donate_argnums=donated, compiler_options=options).lower(*like)


def is_array(value: Any) -> bool:
    """Whether a leaf of the arguments is one of the program."""
    return isinstance(value, (jax.Array, np.ndarray, np.generic))


class _Nameless(Exception):
    """Something among the arguments has no name by which another process could know it."""


def _described(value: Any, static: bool = False) -> Iterator[str]:
    """A line for each part of a value: shapes of arrays, and all else as it is."""
    if is_array(value) and not static:
        yield f"{value.dtype} {np.shape(value)}"
    elif value is None or isinstance(value, (bool, int, float, str)):
        yield repr(value)
    elif isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        name = f"{value.__module__}.{value.__qualname__}"
        if "<" in name:  # a closure, or a lambda
            raise _Nameless
        yield name
    elif "__reduce__" in vars(type(value)):  # it says itself what it is made of
        yield from _described(value.__reduce__(), static=True)
    elif isinstance(value, (tuple, list, dict)):
        yield f"{type(value).__qualname__} {len(value)}"
        for part in value.items() if isinstance(value, dict) else value:
            yield from _described(part, static)
    elif is_dataclass(value):
        yield f"{type(value).__module__}.{type(value).__qualname__}"
        for field in fields(value):
            yield from _described(getattr(value, field.name, None), static or bool(field.metadata.get("static")))
    else:
        raise _Nameless


@cache
def _surroundings() -> tuple[str, ...]:
    """What the programs of this process depend on and those of another may not: versions, source and processor."""
    source = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for path in sorted(package.rglob("*.py")):
        source.update(f"{path.relative_to(package)} {path.stat().st_size}\n".encode() + path.read_bytes())
    versions = {**package_versions(), "jaxlib": jax.lib.__version__}
    return source.hexdigest(), repr(versions), jax.default_backend(), processor(), os.environ.get(_ON_ERROR, "")


def processor() -> str:
    """What the processor can do, where the system says it, else its kind: code for one may be no code for another."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line for line in lines if line.startswith(_ABILITIES)), f"{platform.machine()} {platform.processor()}")


def kept_numbers(name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """What `compute` gives, which depends on the versions of the libraries alone: from the folder, or put there.

    It spares a process the import of what computes it.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        return compute()
    digest = hashlib.sha256("\n".join([name, repr(package_versions())]).encode()).hexdigest()
    path = Path(folder) / f"{name}-{digest[:40]}"
    body = _body_of(path)
    if body is not None:
        return np.load(io.BytesIO(body), allow_pickle=False)
    numbers, held = compute(), io.BytesIO()
    np.save(held, numbers, allow_pickle=False)
    _write(path, held.getvalue())
    return numbers


def _calls_back(lowered: jax.stages.Lowered) -> bool:
    module = io.BytesIO()
    lowered.compiler_ir("stablehlo").operation.write_bytecode(module)  # type: ignore[union-attr]
    return _CALLBACK in module.getvalue()


def _compiled_anew(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """A program compiled past XLA's own cache: what that has kept loses its functions when it is written again."""
    kept = getattr(jax.config, _CACHED)
    compilation_cache.reset_cache()
    jax.config.update(_CACHED, False)
    try:
        return lowered.compile()
    finally:
        jax.config.update(_CACHED, kept)
        compilation_cache.reset_cache()


def _read(path: Path, arrays: tuple, results: int) -> jax.stages.Compiled | None:
    """The program in a file, of some arrays and with a number of results; None where there is none that can be used."""
    body = _body_of(path)
    if body is None:
        return None
    of, to = jax.tree.structure((arrays, {})), jax.tree.structure([0] * results)
    try:
        if _LAPACK in body:  # JAX looks for its routines when it lowers a call of one
            lapack.prepare_lapack_call("potrf_ffi", np.dtype(float))
        return serialize_executable.deserialize_and_load(body, of, to)
    except Exception:  # of any kind: what another build of the same version wrote is of no use to this one
        return None


def _body_of(path: Path) -> bytes | None:
    """What was written to a file; None where there is none that is whole and this user's."""
    try:
        with path.open("rb") as file:
            return unsealed(_HEAD, file.read()) if _is_ours(os.fstat(file.fileno())) else None
    except OSError:
        return None


def _is_ours(status: os.stat_result) -> bool:
    """Whether a file is this user's and nobody else may write to it; Windows does not say."""
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & _OTHERS_WRITE)


def _write(path: Path, body: bytes) -> None:
    try:
        with whole_file(path) as temporary:
            temporary.write_bytes(sealed(_HEAD, body))
    except (ArgumentError, OSError):
        pass  # the next process does without
