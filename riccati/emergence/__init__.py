"""What is random: the laws of emergence times and of the risk, what they come from, the coverage of directions."""

from .coverage import coverage as coverage
from .coverage import coverage_of_top as coverage_of_top
from .coverage import destination_probabilities as destination_probabilities
from .coverage import simulated_coverage as simulated_coverage
from .coverage import width_to_cover as width_to_cover
from .diffusion import diffusion_at as diffusion_at
from .diffusion import rest_energy as rest_energy
from .diffusion import sample_emergence_times as sample_emergence_times
from .diffusion import step_size as step_size
from .emergence_law import emergence_law as emergence_law
from .forward import grid as grid
from .kicks import Draws as Draws
from .kicks import draws as draws
from .kicks import kick as kick
from .loss import StepLimits as StepLimits
from .loss import homogeneous_limit as homogeneous_limit
from .loss import homogeneous_residual as homogeneous_residual
from .loss import largest_step as largest_step
from .loss import stiefel_limit as stiefel_limit
from .loss import stiefel_residual as stiefel_residual
from .quadratic_law import QuadraticLaw as QuadraticLaw
from .race import Race as Race
from .race import run_race as run_race
from .random_times import EmergenceLaw as EmergenceLaw
from .risk_law import RiskLaw as RiskLaw
from .risk_law import risk_law as risk_law
