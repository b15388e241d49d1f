"""How samples are drawn, and in which coordinates weights are kept: all d of them, or few and the law is the same."""

from .coordinates import ENGINES as ENGINES
from .coordinates import Choice as Choice
from .coordinates import chosen_engine as chosen_engine
from .direct import Direct as Direct
from .engine import Engine as Engine
from .engine import Noise as Noise
from .reduced import InLaw as InLaw
from .reduced import folded as folded
