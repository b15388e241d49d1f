"""Simulation of online SGD, with which theory is compared: in all coordinates, or exact in law at any dimension."""

from ..problem import Cosine as Cosine
from ..problem import Linear as Linear
from ..problem import Logged as Logged
from ..problem import PerDirection as PerDirection
from ..problem import Piecewise as Piecewise
from ..problem import PowerLaw as PowerLaw
from ..problem import StepDecay as StepDecay
from ..problem import WarmUp as WarmUp
from ..problem import schedule_named as schedule_named
from ..support import ENGINE_NAMES, warn_renamed
from .checkpoint import logged_steps as logged_steps
from .engines import COORDINATES as COORDINATES
from .engines import DirectNoise as DirectNoise
from .engines import EngineWords as EngineWords
from .engines import ReducedEngine as ReducedEngine
from .engines import ReducedNoise as ReducedNoise
from .engines import State as State
from .engines import engine_words as engine_words
from .engines import folded as folded
from .ensemble import Ensemble as Ensemble
from .ensemble import Quantiles as Quantiles
from .experiment import Experiment as Experiment
from .experiment import simulate as simulate
from .last_layer import SecondPhase as SecondPhase
from .last_layer import require_enough_samples as require_enough_samples
from .last_layer import second_phase as second_phase
from .loop import STEPS_A_CALL as STEPS_A_CALL
from .loop import take_steps as take_steps
from .rules import Descent as Descent
from .rules import Moved as Moved
from .rules import Projections as Projections
from .rules import Spherical as Spherical
from .rules import Stiefel as Stiefel
from .rules import TwoHomogeneous as TwoHomogeneous
from .rules import TwoLayer as TwoLayer
from .rules import Update as Update
from .rules import Weights as Weights
from .rules import moved as moved

# names of up to 0.5: what each is, and what it is called now
_RENAMED = {
    "ENGINES": (ENGINE_NAMES, "riccati.sgd.COORDINATES, beside the constraint of an SGD,"),
    "InLaw": (ReducedEngine, "riccati.sgd.ReducedEngine"),
}


def __getattr__(name: str) -> object:
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value, now = _RENAMED[name]
    warn_renamed(f"riccati.sgd.{name}", now)
    return value
