"""Theory against an SGD run."""

from .compare import compare as compare
from .report import Comparison as Comparison
from .report import Emergence as Emergence
