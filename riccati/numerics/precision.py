"""Double precision, which everything here needs."""

from __future__ import annotations

import jax

from ..support import require


def require_double_precision() -> None:
    """Refuse to compute in float32: it cannot follow the search phase, where overlaps are near d^(-1/2)."""
    remedy = 'be true (unset it before `import riccati`, or call jax.config.update("jax_enable_x64", True))'
    require(jax.config.read("jax_enable_x64"), "JAX_ENABLE_X64", remedy, "false")
