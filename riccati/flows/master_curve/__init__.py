"""The decoupled overlap equation, solved once for every direction: master curve and exact inverse."""

from .collapsed_time import collapsed_time as collapsed_time
from .collapsed_time import leading_collapsed_time as leading_collapsed_time
from .master_curve import MasterCurve as MasterCurve
from .master_curve import evaluate as evaluate
from .master_curve import growth_integral as growth_integral
from .master_curve import master_curve as master_curve
from .master_curve import overlap_of as overlap_of
from .master_curve import position_of as position_of
