"""The deterministic theory of online SGD in shallow networks, computed exactly.

A problem (teacher, start) goes through a flow into a trajectory; risk curves, emergence times and comparisons with
SGD runs are read off the trajectory.

Importing riccati switches JAX to 64 bit, unless JAX_ENABLE_X64 is set in the environment. JAX itself is imported
with the first name that needs it.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import sgd as sgd
    from ._errors import ArgumentError as ArgumentError
    from .comparison import Comparison as Comparison
    from .comparison import compare as compare
    from .flows import Correlation as Correlation
    from .flows import Coupled as Coupled
    from .flows import Decoupled as Decoupled
    from .flows import FiniteStep as FiniteStep
    from .flows import Flow as Flow
    from .flows import IncompleteTrajectory as IncompleteTrajectory
    from .flows import PhantomEmergence as PhantomEmergence
    from .flows import Quadratic as Quadratic
    from .flows import Riccati as Riccati
    from .hermite import Link as Link
    from .law import EmergenceLaw as EmergenceLaw
    from .law import emergence_law as emergence_law
    from .runs import Run as Run
    from .runs import sample_runs as sample_runs
    from .solver import default_times as default_times
    from .solver import solve as solve
    from .start import Start as Start
    from .teacher import Teacher as Teacher
    from .trajectory import Trajectory as Trajectory
    from .typical import TypicalStart as TypicalStart

_HOME = {
    "ArgumentError": "_errors",
    "Comparison": "comparison",
    "Correlation": "flows",
    "Coupled": "flows",
    "Decoupled": "flows",
    "FiniteStep": "flows",
    "EmergenceLaw": "law",
    "Flow": "flows",
    "IncompleteTrajectory": "flows",
    "Link": "hermite",
    "PhantomEmergence": "flows",
    "Quadratic": "flows",
    "Riccati": "flows",
    "Run": "runs",
    "Start": "start",
    "Teacher": "teacher",
    "Trajectory": "trajectory",
    "TypicalStart": "typical",
    "compare": "comparison",
    "default_times": "solver",
    "emergence_law": "law",
    "sample_runs": "runs",
    "solve": "solver",
}

_PACKAGES = ("sgd",)

__all__ = sorted((*_HOME, *_PACKAGES))
__version__ = "0.1.0"

if "JAX_ENABLE_X64" not in os.environ:
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_enable_x64", True)
    else:
        os.environ["JAX_ENABLE_X64"] = "1"


def __getattr__(name: str) -> object:
    if name in _PACKAGES:
        return import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module 'riccati' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
