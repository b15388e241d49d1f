"""Update rules: the change of the weights in a step of SGD, given the projections of its samples."""

from .rule import Projections as Projections
from .rule import Rate as Rate
from .rule import Rule as Rule
from .rule import Update as Update
from .rule import Weights as Weights
from .rule import moved as moved
from .stiefel import Stiefel as Stiefel
from .stiefel import require_unit_coefficient as require_unit_coefficient
from .unconstrained import TwoHomogeneous as TwoHomogeneous
from .unconstrained import TwoLayer as TwoLayer
