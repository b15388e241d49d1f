"""The deterministic limits of online SGD, one file each."""

from .base import Flow as Flow
from .correlation import Correlation as Correlation
from .coupled import Coupled as Coupled
from .coupled import IncompleteTrajectory as IncompleteTrajectory
from .decoupled import Decoupled as Decoupled
from .finite_step import FiniteStep as FiniteStep
from .quadratic import Quadratic as Quadratic
from .riccati import PhantomEmergence as PhantomEmergence
from .riccati import Riccati as Riccati

FLOWS: dict[str, type[Flow]] = {
    flow.__name__: flow for flow in (Riccati, Quadratic, Decoupled, Coupled, Correlation, FiniteStep)
}
