"""Random quantities of SGD: laws of emergence times and of the risk, largest step sizes, coverage of directions."""

from .coverage import coverage as coverage
from .coverage import coverage_of_top as coverage_of_top
from .coverage import destination_probabilities as destination_probabilities
from .coverage import simulated_coverage as simulated_coverage
from .coverage import width_to_cover as width_to_cover
from .divergence import Divergence as Divergence
from .divergence import can_be_learned as can_be_learned
from .divergence import divergence as divergence
from .divergence import largest_held as largest_held
from .divergence import largest_safe as largest_safe
from .divergence import moments_of as moments_of
from .emergence_law import emergence_law as emergence_law
from .law import EmergenceLaw as EmergenceLaw
from .risk_law import RiskLaw as RiskLaw
from .risk_law import kind_of_law as kind_of_law
from .risk_law import risk_law as risk_law
from .search_phase import Resolution as Resolution
from .step_limits import StepLimits as StepLimits
from .step_limits import homogeneous_limit as homogeneous_limit
from .step_limits import homogeneous_residual as homogeneous_residual
from .step_limits import largest_step as largest_step
from .step_limits import stiefel_limit as stiefel_limit
from .step_limits import stiefel_residual as stiefel_residual
