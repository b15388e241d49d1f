"""Trajectories: the solutions of flows, and their files."""

from .storage import provenance_of as provenance_of
from .trajectory import IncompleteTrajectory as IncompleteTrajectory
from .trajectory import PhantomEmergence as PhantomEmergence
from .trajectory import Trajectory as Trajectory
from .trajectory import trajectory_of as trajectory_of
