"""Engines: the coordinates that hold the weights and samples, all d of them or few with the same law."""

from .coordinates import COORDINATES as COORDINATES
from .coordinates import DIRECT as DIRECT
from .coordinates import REDUCED as REDUCED
from .coordinates import ChosenEngine as ChosenEngine
from .coordinates import EngineWords as EngineWords
from .coordinates import chosen_engine as chosen_engine
from .coordinates import engine_words as engine_words
from .direct import DirectEngine as DirectEngine
from .direct import DirectNoise as DirectNoise
from .engine import Engine as Engine
from .engine import Noise as Noise
from .engine import State as State
from .reduced import ReducedEngine as ReducedEngine
from .reduced import ReducedNoise as ReducedNoise
from .reduced import folded as folded
