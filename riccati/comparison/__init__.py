"""Theory against an SGD run."""

from .checks import Check as Check
from .compare import compare as compare
from .report import Comparison as Comparison
from .report import Emergence as Emergence
from .verdict import Verdict as Verdict
