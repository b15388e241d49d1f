"""Comparison of an SGD run with theory: from the run and its predictions to checks, a verdict and a report."""

from .checks import Check as Check
from .compare import compare as compare
from .draws import Draws as Draws
from .draws import DrawSetting as DrawSetting
from .emergence import Emergence as Emergence
from .observation import Observation as Observation
from .observation import Readings as Readings
from .report import Comparison as Comparison
from .verdict import Verdict as Verdict
