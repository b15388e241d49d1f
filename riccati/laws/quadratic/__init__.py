"""k = 2: laws of SGD at a finite step, from seeded replicas of the limit with gradient noise."""

from .dynamics import dynamics_of as dynamics_of
from .gradient_noise import NoiseNormals as NoiseNormals
from .gradient_noise import gradient_noise as gradient_noise
from .gradient_noise import noise_normals as noise_normals
from .quadratic_law import QuadraticLaw as QuadraticLaw
from .quadratic_law import caution_of as caution_of
from .quadratic_law import quadratic_law as quadratic_law
from .replicas import COARSE as COARSE
from .replicas import FINE as FINE
from .replicas import Replication as Replication
from .replicas import replicas_of as replicas_of
