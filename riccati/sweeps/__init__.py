"""A function at every point of a grid, on one process or many, kept as it comes in one table."""

from .sweep import SweepFailed as SweepFailed
from .sweep import sweep as sweep
