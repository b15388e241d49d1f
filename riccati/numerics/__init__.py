"""Numerical pieces that several rooms share: integration, crossings, quadrature, random draws."""

from .compiling import compiled_quickly as compiled_quickly
from .crossings import first_crossings as first_crossings
from .crossings import first_reached as first_reached
from .crossings import log_odds as log_odds
from .integrate import Integrated as Integrated
from .integrate import controller as controller
from .integrate import integrate as integrate
from .integrate import padded as padded
from .outcome import Outcome as Outcome
from .outcome import message_of as message_of
from .outcome import name_of as name_of
from .outcome import outcome_named as outcome_named
from .precision import require_double_precision as require_double_precision
from .quadrature import panel_nodes as panel_nodes
from .quadrature import unit_nodes as unit_nodes
from .random import as_key as as_key
from .random import bartlett as bartlett
from .random import bartlett_of as bartlett_of
