"""What is random: the law of emergence times, the diffusion it comes from, the coverage of directions."""

from .coverage import coverage as coverage
from .coverage import coverage_of_top as coverage_of_top
from .coverage import destination_probabilities as destination_probabilities
from .coverage import simulated_coverage as simulated_coverage
from .coverage import width_to_cover as width_to_cover
from .diffusion import diffusion_at as diffusion_at
from .diffusion import rest_energy as rest_energy
from .diffusion import sample_emergence_times as sample_emergence_times
from .diffusion import step_size as step_size
from .equation import Resolution as Resolution
from .forward import grid as grid
from .law import EmergenceLaw as EmergenceLaw
from .law import emergence_law as emergence_law
from .tree_race import messages as messages
from .tree_race import race_step as race_step
