"""`Coupled`: the equations of all neurons in reduced coordinates, and their chunked solve."""

from .chunked_solve import ChunkedSolve as ChunkedSolve
from .chunked_solve import OddsRecord as OddsRecord
from .chunked_solve import joined as joined
from .committee import committee_velocity as committee_velocity
from .committee import spherical_committee_velocity as spherical_committee_velocity
from .states import CommitteeState as CommitteeState
from .states import Neurons as Neurons
from .states import OnSphere as OnSphere
from .states import StudentSetting as StudentSetting
from .states import StudentState as StudentState
from .states import TwoLayerState as TwoLayerState
from .student import Student as Student
from .student import anisotropic_velocity as anisotropic_velocity
from .student import coupled_velocity as coupled_velocity
from .student import directions_and_layers as directions_and_layers
from .student import observe as observe
from .student import odds_and_rates as odds_and_rates
from .student import on_sphere as on_sphere
from .student import quadratic_velocity as quadratic_velocity
from .student import spherical_velocity as spherical_velocity
from .student import student_of as student_of
from .student import two_layer_velocity as two_layer_velocity
from .training import PLAIN as PLAIN
from .training import Training as Training
