"""The equations of SGD at step size γ/d: gradient flow with the second-order terms of a step."""

from .moments import counted_moments as counted_moments
from .moments import graphs_of as graphs_of
from .moments import multigraphs as multigraphs
from .neurons import Directions as Directions
from .neurons import neuron_system as neuron_system
from .neurons import neuron_velocity as neuron_velocity
from .pairs import Pairs as Pairs
from .pairs import Setting as Setting
from .pairs import own_pair_weights as own_pair_weights
from .pairs import pair_residuals as pair_residuals
from .pairs import pair_risk as pair_risk
from .pairs import pair_system as pair_system
from .pairs import pair_velocity as pair_velocity
from .subspace import Weights as Weights
from .subspace import misfit as misfit
from .subspace import second_order as second_order
from .subspace import stiefel_system as stiefel_system
from .subspace import stiefel_velocity as stiefel_velocity
from .subspace import weights_system as weights_system
from .subspace import weights_velocity as weights_velocity
from .system import System as System
from .system import refined_crossings as refined_crossings
from .system import states_at as states_at
