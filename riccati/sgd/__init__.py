"""Online SGD, the experiment the theory is held against: direct, exact in law at any dimension, Stiefel."""

from .ensemble import Ensemble as Ensemble
from .experiment import Experiment as Experiment
from .experiment import simulate as simulate
from .radial_fit import SecondPhase as SecondPhase
from .radial_fit import second_phase as second_phase
from .schedule import PerDirection as PerDirection
from .schedule import PowerLaw as PowerLaw
from .schedule import schedule_named as schedule_named
