"""`Riccati` and `Quadratic`: subspaces that move by e^{ρτ}, followed exactly in affine charts of the Grassmannian."""

from .chart import Chart as Chart
from .chart import carry as carry
from .chart import drift as drift
from .chart import exchange as exchange
from .emergence import chart_emergence_times as chart_emergence_times
from .evolution import evolve_in_charts as evolve_in_charts
from .host import cholesky as cholesky
from .host import gram as gram
from .host import inverse_of_lower as inverse_of_lower
from .host import namespace as namespace
from .initial_chart import InitialWeights as InitialWeights
from .initial_chart import initial_chart_of as initial_chart_of
from .initial_chart import initial_weights_of as initial_weights_of
from .log_odds import GrowingGram as GrowingGram
from .log_odds import LogOdds as LogOdds
from .observables import along_directions as along_directions
from .observables import diagonal as diagonal
from .observables import in_teachers_order as in_teachers_order
from .observables import relative as relative
from .observables import row_sizes as row_sizes
from .observables import subspace as subspace
from .observables import subspace_risk as subspace_risk
from .observables import trace_of_product as trace_of_product
from .observables import weighted_grams as weighted_grams
