"""The figures of the talk and both papers, and a few more: one file each, one command for all.

`riccati figures`, or `python -m figures` in a source tree, computes what is missing, draws, and checks each figure's
fact. README.md is the gallery.
"""

from ._figure import NAMES as NAMES
from ._figure import Data as Data
from ._figure import Fact as Fact
from ._figure import load as load
from ._figure import manifest as manifest
from ._figure import parameters as parameters
from ._render import compute as compute
from ._render import render as render
