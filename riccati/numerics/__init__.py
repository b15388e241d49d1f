"""Numerical pieces that several rooms share: integration, crossings, quadrature, random draws."""

from .compiling import LEAF as LEAF
from .compiling import compiled_quickly as compiled_quickly
from .compiling import require_double_precision as require_double_precision
from .integration import Integrated as Integrated
from .integration import Outcome as Outcome
from .integration import controller as controller
from .integration import integrate as integrate
from .integration import is_outcome as is_outcome
from .integration import message_of as message_of
from .integration import name_of as name_of
from .integration import outcome_named as outcome_named
from .integration import padded as padded
from .program_store import kept_numbers as kept_numbers
from .random import as_key as as_key
from .random import bartlett as bartlett
from .random import bartlett_of as bartlett_of
from .random import two_keys as two_keys
from .univariate import first_crossings as first_crossings
from .univariate import first_reached as first_reached
from .univariate import log_odds as log_odds
from .univariate import panel_nodes as panel_nodes
from .univariate import unit_nodes as unit_nodes
