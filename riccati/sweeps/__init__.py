"""Calls of a function at every point of a grid, on one process or many, with the results in one table."""

from .sweep import SweepFailed as SweepFailed
from .sweep import sweep as sweep
