"""Power laws fitted to curves: exponent, floor and window with intervals."""

from .fit import PowerLawFit as PowerLawFit
from .fit import fit_power_law as fit_power_law
