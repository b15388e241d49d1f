"""Subspaces moved by e^{ρτ}, exactly: affine charts of the Grassmannian, and what is read off them."""

from .chart import Chart as Chart
from .chart import advance as advance
from .chart import drift as drift
from .chart import exchange as exchange
from .chart import first_chart as first_chart
from .emergence import chart_emergence_times as chart_emergence_times
from .emergence import log_odds_after as log_odds_after
from .path import follow as follow
from .subspace import alignment as alignment
from .subspace import row_sizes as row_sizes
from .subspace import subspace as subspace
from .subspace import subspace_risk as subspace_risk
from .subspace import teacher_diagonal as teacher_diagonal
from .subspace import weighted_grams as weighted_grams
