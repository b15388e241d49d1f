"""Programs that a process keeps for the next one, as `jax.export` writes them.

XLA's own cache keeps compiled code, but a process has to trace and lower a program before it can ask for that. What is
kept here spares it both. Programs are kept in the folder that the environment variable RICCATI_PROGRAMS names, which
the command line sets and users of Python may; without it nothing is kept.

A file holds the program of one function for arguments of one structure, under a name that is a digest of both, of
JAX's settings, of the versions of the libraries and of the source of this package. A file that is damaged or of
something else is written anew, and one that cannot be written is not missed. Nothing is unpickled, and nothing in a
file is run but the program itself.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from ..support import ArgumentError, package_versions, sealed, unsealed, whole_file

VARIABLE = "RICCATI_PROGRAMS"
_HEAD = b"riccati program\n"
# what a program may depend on besides its function and its arguments
_SETTINGS = (
    "jax_enable_x64", "jax_default_matmul_precision", "jax_default_prng_impl", "jax_threefry_partitionable",
    "jax_numpy_dtype_promotion", "jax_numpy_rank_promotion", "jax_debug_nans", "jax_debug_infs",
)  # fmt: skip
_DISABLED = "jax_disable_jit"
_CALLBACK = b"python_cpu_callback"  # in the name of what a program calls to get back into Python
_ON_ERROR = "EQX_ON_ERROR"  # a variable of the environment, likewise


class KeptPrograms:
    """The programs of a function, one for each structure of its arguments: from the folder, or exported and put there.

    Arrays among the arguments are the program's arguments; all else is a part of it.

    Args:
        function: a function of a module's top level, whose result holds arrays alone.
        like: gives, of the same arguments, any value of the structure that the result has, without computing it.
        donated: which arguments' memory the program may use.
        options: gives those of the compiler for the arrays among the arguments.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        like: Callable[..., Any],
        donated: tuple[int, ...],
        options: Callable[[tuple], dict[str, object]],
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
        leaves, tree = jax.tree.flatten(args)
        given = [is_array(leaf) for leaf in leaves]
        fixed = [None if one else leaf for one, leaf in zip(given, leaves, strict=True)]
        structure = jax.tree.structure(self._like(*args))

        def flat(*arrays: Any) -> list[Any]:
            rest = iter(arrays)
            every = [next(rest) if one else leaf for one, leaf in zip(given, fixed, strict=True)]
            return jax.tree.leaves(self._function(*jax.tree.unflatten(tree, every)))

        name = f"{self._function.__module__}.{self._function.__qualname__}"
        digest = hashlib.sha256("\n".join([name, key, *_surroundings()]).encode()).hexdigest()
        path = folder / f"{self._function.__name__}-{digest[:40]}"
        like = [jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype) for leaf in leaves if is_array(leaf)]
        body = _body_of(path)
        if body is None:
            lowered = jax.jit(flat, keep_unused=True).lower(*like)
            held = _Program.of(lowered)
            # no other process has what it calls, and a file names the types of numbers alone
            if _CALLBACK in held.module or any(map(_is_of_keys, jax.tree.leaves(lowered.out_info))):
                return None
            _write(path, held.body)
        else:
            held = _Program.read(body)
        sizes = [sum(map(is_array, jax.tree.leaves(arg))) for arg in args]
        ends = np.cumsum(sizes)
        donated = tuple(int(n) for arg in self._donated for n in range(ends[arg] - sizes[arg], ends[arg]))
        options = self._options(tuple(filter(is_array, leaves)))
        call = jax.jit(held.exported(like).call, donate_argnums=donated, compiler_options=options)
        compiled = call.lower(*like).compile()  # once, for arrays of every origin

        def program(*args: Any) -> Any:
            return jax.tree.unflatten(structure, compiled(*filter(is_array, jax.tree.leaves(args))))

        return program


def is_array(value: Any) -> bool:
    """Whether a leaf of the arguments is one of the program."""
    return isinstance(value, (jax.Array, np.ndarray, np.generic))


def _is_of_keys(value: Any) -> bool:
    """Whether a result is of a type that NumPy does not know, such as random keys."""
    return bool(jax.dtypes.issubdtype(value.dtype, jax.dtypes.extended))


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
    return source.hexdigest(), repr(versions), jax.default_backend(), os.environ.get(_ON_ERROR, "")


class _Program(NamedTuple):
    """A program as a file holds it.

    Attributes:
        module: the lowered program, in bytes of MLIR.
        out: shape and type of each of its results.
    """

    module: bytes
    out: list[tuple[tuple[int, ...], str]]

    @classmethod
    def of(cls, lowered: jax.stages.Lowered) -> _Program:
        """The program that was lowered."""
        module = io.BytesIO()
        lowered.compiler_ir("stablehlo").operation.write_bytecode(module)  # type: ignore[union-attr]
        return cls(module.getvalue(), [(each.shape, str(each.dtype)) for each in jax.tree.leaves(lowered.out_info)])

    @classmethod
    def read(cls, body: bytes) -> _Program:
        """The program that a file holds."""
        out, _, module = body.partition(b"\n")
        return cls(module, [(tuple(shape), dtype) for shape, dtype in json.loads(out)])

    @property
    def body(self) -> bytes:
        """What a file holds of it."""
        return json.dumps(self.out).encode() + b"\n" + self.module

    def exported(self, like: Sequence[jax.ShapeDtypeStruct]) -> export.Exported:
        """The program in the form that JAX calls, of arguments like these.

        It is made of an exported program that returns zeros. JAX's own format is not used, as it replaces functions
        such as the inverse of erf by what the compiler takes twice as long for.
        """
        zeros = export.export(jax.jit(lambda *_: [jnp.zeros(shape, dtype) for shape, dtype in self.out]))(*like)
        return replace(zeros, mlir_module_serialized=self.module, module_kept_var_idx=tuple(range(len(like))))


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


def _body_of(path: Path) -> bytes | None:
    """What a file holds; None where there is none, or something else."""
    try:
        return unsealed(_HEAD, path.read_bytes())
    except OSError:
        return None


def _write(path: Path, body: bytes) -> None:
    try:
        with whole_file(path) as temporary:
            temporary.write_bytes(sealed(_HEAD, body))
    except (ArgumentError, OSError):
        pass  # the next process does without
