"""Theory against an SGD run."""

from .compare import compare as compare
from .compared import Emergence as Emergence
from .draws import Draws as Draws
from .draws import Setting as Setting
from .found import Check as Check
from .rank_test import Observed as Observed
from .report import Comparison as Comparison
from .step import RunStep as RunStep
from .verdict import Alternative as Alternative
from .verdict import Verdict as Verdict
from .verdict import verdict_of as verdict_of
