"""Update rules: the change of the weights in a step of SGD, given the projections of its samples."""

from .chosen import chosen_rule as chosen_rule
from .chosen import require_simulable as require_simulable
from .momentum import Descent as Descent
from .momentum import Moved as Moved
from .momentum import moved as moved
from .rule import Projections as Projections
from .rule import Rate as Rate
from .rule import Rule as Rule
from .rule import Update as Update
from .rule import Weights as Weights
from .sphere import Spherical as Spherical
from .stiefel import Stiefel as Stiefel
from .unconstrained import TwoHomogeneous as TwoHomogeneous
from .unconstrained import TwoLayer as TwoLayer
