"""Laws of SGD at a finite step from seeded replicas of gradient flow with gradient noise."""

from .drawing import COARSE as COARSE
from .drawing import FINE as FINE
from .drawing import Replication as Replication
from .drawing import replicas_of as replicas_of
from .gradient_noise import NoiseNormals as NoiseNormals
from .gradient_noise import gradient_noise as gradient_noise
from .gradient_noise import noise_normals as noise_normals
from .neurons import NeuronDynamics as NeuronDynamics
from .neurons import NeuronReplica as NeuronReplica
from .neurons import neuron_dynamics as neuron_dynamics
from .replica_law import ReplicaLaw as ReplicaLaw
from .replica_law import caution_of as caution_of
from .replica_law import dynamics_of as dynamics_of
from .replica_law import replica_law as replica_law
from .subspace import SubspaceDynamics as SubspaceDynamics
