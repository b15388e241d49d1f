"""Inference of a teacher's β, or of every a_m, from a measured risk curve, by the law of the risk."""

from .likelihood import best_shift as best_shift
from .likelihood import profile_of as profile_of
from .likelihood import threshold as threshold
from .likelihood import whitened as whitened
from .second_layer import InferredBeta as InferredBeta
from .second_layer import InferredSecondLayer as InferredSecondLayer
from .second_layer import infer_beta as infer_beta
from .second_layer import infer_second_layer as infer_second_layer
