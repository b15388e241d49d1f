"""`FiniteStep`: the equations of SGD at step size γ/d, gradient flow with the second-order terms of a step."""

from .all_pairs import NeuronState as NeuronState
from .all_pairs import neuron_system as neuron_system
from .all_pairs import neuron_velocity as neuron_velocity
from .own_pairs import PairSetting as PairSetting
from .own_pairs import PairState as PairState
from .own_pairs import own_pair_weights as own_pair_weights
from .own_pairs import pair_residuals as pair_residuals
from .own_pairs import pair_risk as pair_risk
from .own_pairs import pair_system as pair_system
from .own_pairs import pair_velocity as pair_velocity
from .quadratic import WeightsSetting as WeightsSetting
from .quadratic import WeightsState as WeightsState
from .quadratic import has_subspace as has_subspace
from .quadratic import misfit as misfit
from .quadratic import second_order as second_order
from .quadratic import stiefel_system as stiefel_system
from .quadratic import stiefel_velocity as stiefel_velocity
from .quadratic import weights_system as weights_system
from .quadratic import weights_velocity as weights_velocity
from .second_moments import NoiseMoments as NoiseMoments
from .second_moments import counted_moments as counted_moments
from .second_moments import graphs_of as graphs_of
from .second_moments import multigraphs as multigraphs
from .system import FiniteStepSystem as FiniteStepSystem
from .system import refined_crossings as refined_crossings
from .system import solution_at as solution_at
