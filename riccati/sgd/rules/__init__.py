"""What a step of SGD does to the weights, given the projections of its samples: one file a rule."""

from .rule import Rule as Rule
from .rule import Weights as Weights
from .rule import moved as moved
from .stiefel import Stiefel as Stiefel
from .unconstrained import TwoHomogeneous as TwoHomogeneous
from .unconstrained import TwoLayer as TwoLayer
