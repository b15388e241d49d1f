"""What a check of a convention found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One convention, held against the run.

    Attributes:
        name: `loss`, `overlap` or `clock`.
        holds: whether the run agrees with what its keys say; None where it cannot tell.
        message: what was found, one line.
        key: the key to set, where a known convention explains what was found.
        factor: measured over expected, None where there is none.
        error: relative standard error of `factor`, None where it is not estimated.
    """

    name: str
    holds: bool | None
    message: str
    key: str | None = None
    factor: float | None = None
    error: float | None = None
