"""Online SGD, the experiment the theory is held against: direct, exact in law at any dimension, Stiefel."""

from ..problem import Logged as Logged
from ..problem import PerDirection as PerDirection
from ..problem import PowerLaw as PowerLaw
from ..problem import schedule_named as schedule_named
from .choice import ENGINES as ENGINES
from .direct import Direct as Direct
from .ensemble import Ensemble as Ensemble
from .ensemble import Quantiles as Quantiles
from .experiment import Experiment as Experiment
from .experiment import simulate as simulate
from .in_law import InLaw as InLaw
from .in_law import folded as folded
from .loop import STEPS_A_CALL as STEPS_A_CALL
from .loop import take_steps as take_steps
from .radial_fit import SecondPhase as SecondPhase
from .radial_fit import require_enough_samples as require_enough_samples
from .radial_fit import second_phase as second_phase
from .record import logged_steps as logged_steps
from .rule import Weights as Weights
from .stiefel import Stiefel as Stiefel
from .two_homogeneous import TwoHomogeneous as TwoHomogeneous
from .two_layer import TwoLayer as TwoLayer
