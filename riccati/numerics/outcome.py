"""How an evolution ended: each outcome has a name, and a message with the remedy."""

from __future__ import annotations

from typing import Any

import equinox as eqx


class Outcome(eqx.Enumeration):
    """How far a flow came; anything but `complete` says what to do. Items are arrays, so they pass through jit."""

    complete: Outcome = "every output time was reached"
    interrupted: Outcome = "it was interrupted: what was reached is kept; solve again for the rest"
    max_steps_reached: Outcome = "its steps are used up: raise max_steps or loosen rtol where there are, or end earlier"
    step_vanished: Outcome = "the step size vanished, so the equation is singular there: end times earlier"
    exploded: Outcome = "the weights explode, as SGD's do at this step size, and risk is inf: take a smaller gamma"
    norm_vanished: Outcome = (
        "a neuron's norm falls to 0, where it has no direction: end times earlier, or run SGD itself (riccati.sgd)"
    )
    rank_lost: Outcome = 'tolerance error has turned into rank (phantom emergence): take method="exact"'


_NAMES = ("complete", "interrupted", "max_steps_reached", "step_vanished", "exploded", "norm_vanished", "rank_lost")
_messages: Any = Outcome  # an enumeration maps each item to its message


def message_of(outcome: Outcome) -> str:
    """What happened, and the remedy."""
    return _messages[outcome]


def name_of(outcome: Outcome) -> str:
    """The item's name, as files carry it."""
    return next(name for name in _NAMES if bool(outcome == getattr(Outcome, name)))


def outcome_named(name: str) -> Outcome:
    """The item of that name; KeyError for others."""
    if name not in _NAMES:
        raise KeyError(name)
    return getattr(Outcome, name)
