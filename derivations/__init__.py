"""Every equation that riccati integrates, derived from the model by sympy and held against the numerical code.

`python -m derivations` derives and checks them all; README.md is the index. A derivation never looks at riccati:
each module's `derive()` works from the model alone, and only `check()` lays the outcome beside the code.
"""

from ._verify import NAMES as NAMES
from ._verify import verify as verify
