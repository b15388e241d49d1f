"""k > 2: laws of SGD at a finite step, by the diffusion of overlaps and the competition between neurons."""

from .competition import Competition as Competition
from .competition import competition_step as competition_step
from .competition import messages as messages
from .competition import winners_of as winners_of
from .diffusion import StepSize as StepSize
from .diffusion import diffusion_at as diffusion_at
from .diffusion import rest_energy as rest_energy
from .diffusion import step_size as step_size
from .diffusion_law import DiffusionLaw as DiffusionLaw
from .diffusion_law import diffusion_law as diffusion_law
from .diffusion_law import is_of_diffusion as is_of_diffusion
from .forward_equation import DEFAULT_RESOLUTION as DEFAULT_RESOLUTION
from .forward_equation import Resolution as Resolution
from .forward_equation import grid as grid
from .risk_given_emergence import early_risk as early_risk
from .risk_given_emergence import risk_given_emergence as risk_given_emergence
