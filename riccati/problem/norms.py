"""Initial norms r of neurons, whose squares s = r² have to be numbers."""

from __future__ import annotations

import numpy as np
from jax.typing import ArrayLike

from ..support import is_traced, require, require_finite, require_real

_LEAST = 1e-150  # the squares of smaller norms are no normal doubles


def require_norms(norms: ArrayLike, name: str) -> None:
    """Refuse norms that are not finite or below 10⁻¹⁵⁰."""
    if np.ndim(norms) == 0 and not is_traced(norms):
        require_real(norms, name, above=0)
    require_finite(norms, name)
    if not is_traced(norms):
        least = np.asarray(norms, float).min()
        require(bool(least > 0), name, "be > 0", f"{least:g}")
        require(bool(least >= _LEAST), name, f"be ≥ {_LEAST:g}, so that its square is a normal number", f"{least:g}")
