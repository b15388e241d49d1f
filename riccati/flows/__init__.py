"""The deterministic limits of online SGD, one file each; a folder holds the machinery of one flow.

grassmannian/ serves `Riccati` and `Quadratic`, master_curve/ `Decoupled`, reduced_coordinates/ `Coupled`, and
gradient_noise/ `FiniteStep`.
"""

from .correlation import Correlation as Correlation
from .correlation import correlation_velocity as correlation_velocity
from .correlation import destinations as destinations
from .coupled import Coupled as Coupled
from .decoupled import Decoupled as Decoupled
from .finite_step import FiniteStep as FiniteStep
from .flow import Flow as Flow
from .flow import Solution as Solution
from .gradient_noise import FiniteStepSystem as FiniteStepSystem
from .gradient_noise import NoiseMoments as NoiseMoments
from .gradient_noise import PairSetting as PairSetting
from .gradient_noise import PairState as PairState
from .gradient_noise import has_subspace as has_subspace
from .gradient_noise import misfit as misfit
from .gradient_noise import own_pair_weights as own_pair_weights
from .gradient_noise import pair_risk as pair_risk
from .gradient_noise import pair_system as pair_system
from .gradient_noise import pair_velocity as pair_velocity
from .gradient_noise import second_order as second_order
from .gradient_noise import weights_system as weights_system
from .gradient_noise import weights_velocity as weights_velocity
from .grassmannian import memory as memory
from .master_curve import MasterCurve as MasterCurve
from .master_curve import collapsed_time as collapsed_time
from .master_curve import evaluate_curve as evaluate_curve
from .master_curve import leading_collapsed_time as leading_collapsed_time
from .master_curve import master_curve_of as master_curve_of
from .master_curve import position_ahead as position_ahead
from .quadratic import Quadratic as Quadratic
from .reduced_coordinates import PLAIN as PLAIN
from .reduced_coordinates import CommitteeState as CommitteeState
from .reduced_coordinates import Neurons as Neurons
from .reduced_coordinates import OnSphere as OnSphere
from .reduced_coordinates import StudentSetting as StudentSetting
from .reduced_coordinates import StudentState as StudentState
from .reduced_coordinates import Training as Training
from .reduced_coordinates import TwoLayerState as TwoLayerState
from .reduced_coordinates import anisotropic_velocity as anisotropic_velocity
from .reduced_coordinates import committee_velocity as committee_velocity
from .reduced_coordinates import coupled_velocity as coupled_velocity
from .reduced_coordinates import quadratic_velocity as quadratic_velocity
from .reduced_coordinates import spherical_committee_velocity as spherical_committee_velocity
from .reduced_coordinates import spherical_velocity as spherical_velocity
from .reduced_coordinates import student_of as student_of
from .reduced_coordinates import two_layer_velocity as two_layer_velocity
from .riccati import Riccati as Riccati
from .riccati import dense_velocity as dense_velocity

FLOWS: dict[str, type[Flow]] = {
    flow.__name__: flow for flow in (Riccati, Quadratic, Decoupled, Coupled, Correlation, FiniteStep)
}
