"""`Decoupled`: the overlap equation solved once for all directions, by its master curve and its exact inverse."""

from .curve import MasterCurve as MasterCurve
from .curve import collapsed_time as collapsed_time
from .curve import evaluate_curve as evaluate_curve
from .curve import growth_integral as growth_integral
from .curve import leading_collapsed_time as leading_collapsed_time
from .curve import master_curve_of as master_curve_of
from .curve import overlap_of as overlap_of
from .curve import position_ahead as position_ahead
from .curve import position_of as position_of
from .pairs import AssignedPairs as AssignedPairs
from .pairs import assigned_pairs as assigned_pairs
from .pairs import curve_of_pairs as curve_of_pairs
from .pairs import emergence_of_pairs as emergence_of_pairs
from .pairs import observables_of_pairs as observables_of_pairs
from .pairs import risk_in_threads as risk_in_threads
