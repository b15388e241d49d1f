"""From curves to laws: limits, exponents, frontiers, samples and what a run tells of its teacher."""

from .additive import AdditiveModel as AdditiveModel
from .asymptote import Asymptote as Asymptote
from .asymptote import asymptote as asymptote
from .collapse import Collapse as Collapse
from .collapse import Distance as Distance
from .collapse import collapse as collapse
from .collapse import distance as distance
from .fit import PowerLawFit as PowerLawFit
from .fit import fit_power_law as fit_power_law
from .limits import SharpLimit as SharpLimit
from .limits import sharp_limit as sharp_limit
from .shapes import Escape as Escape
from .shapes import Logistic as Logistic
from .shapes import Shape as Shape
from .shapes import Skill as Skill
from .shapes import Step as Step
from .shapes import mellin as mellin
from .sums import power_sum as power_sum
