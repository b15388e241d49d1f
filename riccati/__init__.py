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
    from . import scaling as scaling
    from . import sgd as sgd
    from .comparison import Comparison as Comparison
    from .comparison import compare as compare
    from .flows import Correlation as Correlation
    from .flows import Coupled as Coupled
    from .flows import Decoupled as Decoupled
    from .flows import FiniteStep as FiniteStep
    from .flows import Flow as Flow
    from .flows import Quadratic as Quadratic
    from .flows import Riccati as Riccati
    from .laws import EmergenceLaw as EmergenceLaw
    from .laws import RiskLaw as RiskLaw
    from .laws import StepLimits as StepLimits
    from .laws import emergence_law as emergence_law
    from .laws import largest_step as largest_step
    from .laws import risk_law as risk_law
    from .numerics import Outcome as Outcome
    from .problem import SGD as SGD
    from .problem import Covariance as Covariance
    from .problem import Link as Link
    from .problem import Problem as Problem
    from .problem import Start as Start
    from .problem import Teacher as Teacher
    from .problem import TypicalStart as TypicalStart
    from .problem import neuron_alignment as neuron_alignment
    from .problem import subspace_alignment as subspace_alignment
    from .runs import Recorder as Recorder
    from .runs import Run as Run
    from .runs import sample_runs as sample_runs
    from .solver import default_times as default_times
    from .solver import solve as solve
    from .support import ArgumentError as ArgumentError
    from .sweeps import SweepFailed as SweepFailed
    from .sweeps import sweep as sweep
    from .trajectory import IncompleteTrajectory as IncompleteTrajectory
    from .trajectory import PhantomEmergence as PhantomEmergence
    from .trajectory import Trajectory as Trajectory

_HOME = {
    "ArgumentError": "support",
    "compare": "comparison",
    "Comparison": "comparison",
    "Correlation": "flows",
    "Coupled": "flows",
    "Covariance": "problem",
    "Decoupled": "flows",
    "default_times": "solver",
    "emergence_law": "laws",
    "EmergenceLaw": "laws",
    "FiniteStep": "flows",
    "Flow": "flows",
    "IncompleteTrajectory": "trajectory",
    "largest_step": "laws",
    "Link": "problem",
    "Outcome": "numerics",
    "PhantomEmergence": "trajectory",
    "Problem": "problem",
    "SGD": "problem",
    "Quadratic": "flows",
    "Recorder": "runs",
    "Riccati": "flows",
    "risk_law": "laws",
    "RiskLaw": "laws",
    "Run": "runs",
    "sample_runs": "runs",
    "neuron_alignment": "problem",
    "solve": "solver",
    "subspace_alignment": "problem",
    "sweep": "sweeps",
    "SweepFailed": "sweeps",
    "Start": "problem",
    "StepLimits": "laws",
    "Teacher": "problem",
    "Trajectory": "trajectory",
    "TypicalStart": "problem",
}

_PACKAGES = ("scaling", "sgd")

__all__ = sorted((*_HOME, *_PACKAGES))
__version__ = "0.7.0"

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
    return [*__all__, "__version__"]
