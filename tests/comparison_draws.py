"""Draws that need no theory: curves that fall at a random time each, and that time."""

import numpy as np

from riccati.comparison import Draws, Readings

TIMES = np.geomspace(0.1, 10, 60)
FLOOR = 1e-3


def risk_at(times, T, floor=FLOOR):
    """A risk that falls from 1 to its floor about the time T."""
    return floor + 1 / (1 + (times / T) ** 8)


def drawn(seed, shift=0.0, n=128, spread=0.2, slack=0.0):
    """Draws whose log times are normal."""
    T = np.exp(np.random.default_rng(seed).normal(shift, spread, n))[:, None]
    return Draws(TIMES, risk_at(TIMES, T), np.where(TIMES[-1] >= T, T, np.inf), slack, f"{n} draws")


def observed_with(risk, emerged=1.0, exact=True):
    """A run with this risk."""
    return Readings(TIMES, risk, None if emerged is None else np.array([emerged]), exact=exact)
