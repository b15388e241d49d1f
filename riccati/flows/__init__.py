"""The deterministic limits of online SGD, one file each; a folder here is machinery behind flows."""

from .correlation import Correlation as Correlation
from .correlation import correlation_velocity as correlation_velocity
from .correlation import destinations as destinations
from .coupled import Coupled as Coupled
from .decoupled import Decoupled as Decoupled
from .finite_step import FiniteStep as FiniteStep
from .flow import Flow as Flow
from .flow import Solution as Solution
from .quadratic import Quadratic as Quadratic
from .quadratic import memory as memory
from .reduced_coordinates import Neurons as Neurons
from .reduced_coordinates import StudentSetting as StudentSetting
from .reduced_coordinates import TwoLayerState as TwoLayerState
from .reduced_coordinates import anisotropic_velocity as anisotropic_velocity
from .reduced_coordinates import coupled_velocity as coupled_velocity
from .reduced_coordinates import quadratic_velocity as quadratic_velocity
from .reduced_coordinates import student_of as student_of
from .reduced_coordinates import two_layer_velocity as two_layer_velocity
from .riccati import Riccati as Riccati
from .riccati import dense_velocity as dense_velocity

FLOWS: dict[str, type[Flow]] = {
    flow.__name__: flow for flow in (Riccati, Quadratic, Decoupled, Coupled, Correlation, FiniteStep)
}
