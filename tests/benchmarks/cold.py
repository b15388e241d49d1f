"""The command line from a shell: seconds of whole processes, over those of a process that imports JAX and adds numbers.

A first call finds an empty cache, a second one what the first has left.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from .table import Row

_ONE_JAX = "import jax, jax.numpy as jnp; jnp.sum(jnp.arange(3.0) + 1)"
_README = """
import numpy as np, riccati as rc
teacher = rc.Teacher.power_law(width=256, beta=1.0, link=rc.Link.hermite(2))
start = rc.Start.random(teacher, student_width=32, dim=10**6, norm=1e-3, seed=0)
rc.solve(teacher=teacher, start=start, times=np.geomspace(0.1, 500, 200)).emergence_times()
"""
# the most that a first and a second call may take, in units of one JAX
_SAMPLES = {
    "quadratic-stiefel": (6.0, 3.5), "hermite4": (10.0, 4.0), "quadratic-homogeneous": (None, None),
    "two-layer": (None, None), "gaussian-rows": (None, None), "anisotropic": (None, None), "mixed-links": (None, None),
}  # fmt: skip
_REPEATS = 3


def rows() -> Iterator[Row]:
    """`--help`, importing the package, comparisons of the sample runs, and a first solve."""
    unit = min(_seconds("-c", _ONE_JAX) for _ in range(_REPEATS))
    yield Row("one JAX: importing it, and one operation", unit, unit, unit="s")
    for what, arguments, most in (
        ("riccati --help", ("-m", "riccati", "--help"), 0.5),
        ("import riccati", ("-c", "import riccati"), 0.1),
    ):
        plain = min(_seconds("-c", "") for _ in range(_REPEATS)) if most == 0.1 else 0.0
        seconds = max(min(_seconds(*arguments) for _ in range(_REPEATS)) - plain, 0.0)
        yield Row(what, seconds, seconds, most=most, unit="s")
    for name, (first, second) in _SAMPLES.items():
        with TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            calls = [_seconds("-m", "riccati", "compare", name, "--out", str(out), cache=folder) for _ in range(2)]
        for which, seconds, most in zip(("first", "second"), calls, (first, second), strict=True):
            yield Row(f"riccati compare {name}, {which} call / one JAX", seconds / unit, seconds, most=most)
    with TemporaryDirectory() as folder:
        seconds = _seconds("-c", _README, cache=folder)
        yield Row("README's first solve, no cache / one JAX", seconds / unit, seconds)


def _seconds(*arguments: str, cache: str = "off") -> float:
    """The seconds that a process of Python takes; its compiled modules are kept, as Python does unless told not to."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], env=environment | {"RICCATI_CACHE": cache}, check=True, capture_output=True
    )
    return time.perf_counter() - begin
