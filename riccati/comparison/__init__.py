"""Theory against an SGD run: a pipeline from the run and what theory predicts for it to checks, verdict and report."""

from .checks import Check as Check
from .compare import compare as compare
from .draws import Draws as Draws
from .draws import DrawSetting as DrawSetting
from .emergence import Emergence as Emergence
from .observation import Observation as Observation
from .observation import Readings as Readings
from .report import Comparison as Comparison
from .verdict import Verdict as Verdict
