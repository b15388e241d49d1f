"""Subspaces moved by e^{ρτ}, exactly: affine charts of the Grassmannian, and what is read off them."""

from .chart import Chart as Chart
from .chart import carry as carry
from .chart import drift as drift
from .chart import exchange as exchange
from .emergence import chart_emergence_times as chart_emergence_times
from .growing import GrowingGram as GrowingGram
from .log_odds import LogOdds as LogOdds
from .log_odds import carried as carried
from .opening import Weights as Weights
from .opening import opened as opened
from .opening import weights_of as weights_of
from .path import follow as follow
from .subspace import along_directions as along_directions
from .subspace import in_teachers_order as in_teachers_order
from .subspace import inverse_of_lower as inverse_of_lower
from .subspace import relative as relative
from .subspace import row_sizes as row_sizes
from .subspace import subspace as subspace
from .subspace import subspace_risk as subspace_risk
from .subspace import weighted_grams as weighted_grams
