"""What is given: the link function, the teacher, the student's start; and what is seen of a student."""

from .alignment import as_directions as as_directions
from .alignment import as_weights as as_weights
from .alignment import neuron_alignment as neuron_alignment
from .alignment import subspace_alignment as subspace_alignment
from .assignment import greedy_assignment as greedy_assignment
from .assignment import overlap_scores as overlap_scores
from .clocks import riccati_rate as riccati_rate
from .closed_forms import CLOSED_FORMS as CLOSED_FORMS
from .hermite import hermite as hermite
from .hermite import hermite_series as hermite_series
from .hermite import series_derivative as series_derivative
from .link import Link as Link
from .population import Observables as Observables
from .population import population_risk as population_risk
from .population import squared_overlaps as squared_overlaps
from .population import subspace_population_risk as subspace_population_risk
from .problem import AnyStart as AnyStart
from .problem import Problem as Problem
from .problem import Spectators as Spectators
from .start import Start as Start
from .teacher import Teacher as Teacher
from .typical import TypicalStart as TypicalStart
from .typical import largest_overlap as largest_overlap
