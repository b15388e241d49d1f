"""Run derivations and their checks."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from ._latex import document

NAMES = (
    "hermite",
    "information_exponent",
    "population_gradient",
    "anisotropic",
    "two_layer",
    "committee",
    "teachers",
    "riccati_equation",
    "grassmannian",
    "quadratic_weights",
    "shifted_rates",
    "risk",
    "decoupled",
    "emergence_time",
    "deflation",
    "coverage",
    "online_sgd",
    "momentum",
    "sphere",
    "wick",
    "finite_step",
    "finite_step_weights",
    "own_pair",
    "noise_moments",
    "algorithm_noise",
    "search_phase",
    "gradient_noise_k2",
    "step_limits",
    "divergence",
    "idle_neurons",
    "scaling",
    "sharp_limit",
    "clocks",
)


def load(name: str) -> ModuleType:
    """The module of one derivation, with `derive()` and `check()`."""
    return importlib.import_module(f".{name}", __package__)


def verify(
    names: Sequence[str] = (), latex: str | os.PathLike | None = None, echo: Callable[[str], object] = print
) -> bool:
    """Derive and check `names`, all if empty; say a line about each; whether all hold.

    `latex` names a file for a document of what was derived.

    Raises:
        ValueError: a name that no derivation has.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ValueError(f"No derivation is called {', '.join(unknown)}; there are {', '.join(NAMES)}.")
    chosen = tuple(names) or NAMES
    derived, failed = {}, []
    for name in chosen:
        module = load(name)
        try:
            derived[name] = module.derive()
            proved, compared, deviation = module.check(derived[name])
        except AssertionError as error:
            failed.append(name)
            echo(f"{name:<21} FAILED: {error}")
        else:
            echo(f"{name:<21} proved: {proved}; compared: {compared}; largest deviation {deviation:.1e}")
    if latex is not None:
        Path(latex).write_text(document(derived), encoding="utf-8")
        echo(f"wrote {latex}")
    echo(f"{len(chosen) - len(failed)} of {len(chosen)} hold" + (f", not {', '.join(failed)}" if failed else ""))
    return not failed
