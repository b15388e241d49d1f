"""Functions of sweeps, where spawned workers find them."""

import os
import signal
from pathlib import Path

import numpy as np


def cheap(seed, beta):
    """Numbers with every bit in use, a vector, an infinity and a word."""
    draws = np.random.default_rng(seed).normal(size=4) * beta
    return {"mean": draws.mean(), "draws": draws, "late": np.inf if seed else -0.0, "label": f"β={beta}", "even": 2}


def deadly(seed, beta, folder):
    """`cheap`, but its worker dies the first time that seeds 30 and 70 are tried."""
    mark = Path(folder) / f"{seed}"
    if seed in (30, 70) and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return cheap(seed, beta)


def picky(seed, beta):
    """`cheap` where it agrees to."""
    if seed == 1:
        raise ValueError("not this one")
    return cheap(seed, beta)


def counting(seed, beta, log):
    """`cheap`, with a line in `log` for each call."""
    with Path(log).open("a") as file:
        file.write(f"{seed}\n")
    return cheap(seed, beta)
