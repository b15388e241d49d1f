"""A replica of SGD at a finite step: gradient flow and gradient noise in turn, at a cost that does not depend on d.

Over a time Δ that holds many steps of SGD, the sum of their noises is Gaussian. A replica alternates Δ of gradient flow
and the noise of Δ, of which the part along the coordinates that teacher and neurons span is drawn, and the part in all
other coordinates enlarges the neurons' Gram matrix by its mean, as in `FiniteStep`. At the start the sum of the noise
is as large as the overlaps themselves, so emergence times are random at every d; learned directions keep fluctuations
of order √(γ/d), so the risk is random as well. The batch size enters through η/B.

Overlaps and risk are taken in the middle of the noise, after half of its variance, so that learned directions fluctuate
as widely as they should. Two approximations are made: at small d the steps of SGD are few and heavy-tailed, so their
sum is not yet Gaussian; and the fluctuations of the other coordinates' mean are left out. Both are of relative order
1/d in overlaps and risk. Splitting is of second order in Δ.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ...numerics import LEAF, compiled_quickly

RESOLVED = 1e-14  # of a Gram matrix of unit vectors, above rounding
_RUNAWAY = 10.0  # the risk, in units of the larger of 1 and the initial one, past which noise outgrows any drift


class Seen(NamedTuple):
    """What is taken of a replica at a time.

    Attributes:
        odds: (M,), the log-odds of each direction's squared overlap.
        risk: (), E(f* - f)²/E f*².
    """

    odds: Float[Array, " M"]
    risk: Float[Array, ""]


class ReplicaDynamics(eqx.Module):
    """The constants and the start that all replicas share.

    Attributes:
        rate: (), its time per canonical time.
        step: (), η/B of that time.
        fastest: (), the largest rate, |a_m| for h_2, in whose inverse time steps are counted.
        goal: (), log-odds of the level at which a direction has emerged.
        most_risk: (), beyond which a replica has diverged.
        begun: the state at the start.
    """

    longest: ClassVar[float] = np.inf  # the longest step, in units of 1/fastest, that its flow can take

    rate: eqx.AbstractVar[Float[Array, ""]]
    step: eqx.AbstractVar[Float[Array, ""]]
    fastest: eqx.AbstractVar[Float[Array, ""]]
    goal: eqx.AbstractVar[Float[Array, ""]]
    most_risk: eqx.AbstractVar[Float[Array, ""]]
    begun: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def look(self, state: Any) -> Seen:
        """The overlaps and the risk of a state."""

    @abc.abstractmethod
    def flow(self, state: Any, time: Float[Array, ""]) -> Any:
        """The state after gradient flow for a `time`; what `noise` gives need not be normalised."""

    @abc.abstractmethod
    def noise(self, state: Any, length: Float[Array, ""], key: Key[Array, ""]) -> tuple[Seen, Any]:
        """The noise of a time `length`: what is seen in the middle of it, and the state after it."""


def most_risk_of(begun: float, interacts: bool = True) -> float:
    """The risk beyond which a replica has diverged; none on the correlation loss, whose norms grow without bound."""
    return _RUNAWAY * max(1.0, begun) if interacts else np.finfo(float).max


class Replica(NamedTuple):
    """A replica.

    Attributes:
        state: of its dynamics; NaN once it has diverged.
        time: (), of its last step.
        odds: (M,), the log-odds of the overlaps then.
        emerged: (M,), the time at which they first reached the level, inf where they have not.
    """

    state: Any
    time: Float[Array, ""]
    odds: Float[Array, " M"]
    emerged: Float[Array, " M"]


class ReplicaStep(NamedTuple):
    """A step of a replica; n of them have an axis in front.

    Attributes:
        number: (), from 0.
        length: (), Δ of its noise.
        flowing: (), how long the flow after it lasts.
        time: (), of the middle of its noise, at which overlaps and risk are taken.
    """

    number: Int[Array, ""]
    length: Float[Array, ""]
    flowing: Float[Array, ""]
    time: Float[Array, ""]


@compiled_quickly(like=lambda dynamics, half: (Replica(dynamics.begun, LEAF, LEAF, LEAF), LEAF))
def begin(dynamics: ReplicaDynamics, half: Float[Array, ""]) -> tuple[Replica, Float[Array, ""]]:
    """The replica after a first `half` step of flow, and the initial risk; directions past the level have T = 0."""
    odds, risk = dynamics.look(dynamics.begun)
    emerged = jnp.where(odds >= dynamics.goal, 0.0, jnp.inf)
    return Replica(dynamics.flow(dynamics.begun, half), jnp.zeros(()), odds, emerged), risk


@compiled_quickly(like=lambda dynamics, key, numbers, replicas, steps: (replicas, LEAF))
def advance(
    dynamics: ReplicaDynamics, key: Key[Array, ""], numbers: Int[Array, " S"], replicas: Replica, steps: ReplicaStep
) -> tuple[Replica, Float[Array, "S n"]]:
    """S replicas after n steps, and their risk at the time of each; it is inf once a replica has diverged.

    Each replica has a number, and with it a key of its own.
    """

    def one(number: Array, replica: Replica) -> tuple[Replica, Array]:
        own = jax.random.fold_in(key, number)

        def step(replica: Replica, now: ReplicaStep) -> tuple[Replica, Array]:
            (odds, risk), state = dynamics.noise(replica.state, now.length, jax.random.fold_in(own, now.number))
            sound = risk < dynamics.most_risk  # not a number is not
            state = dynamics.flow(jax.tree.map(lambda leaf: jnp.where(sound, leaf, jnp.nan), state), now.flowing)
            emerged = _emerging(dynamics.goal, replica, odds, now.time)
            return Replica(state, now.time, odds, emerged), jnp.where(sound, risk, jnp.inf)

        return jax.lax.scan(step, replica, steps)

    return jax.vmap(one)(numbers, replicas)


def _emerging(
    goal: Float[Array, ""], replica: Replica, odds: Float[Array, " M"], time: Float[Array, ""]
) -> Float[Array, " M"]:
    """Emergence times up to `time`, interpolated in the log-odds since the step before."""
    share = (goal - replica.odds) / (odds - replica.odds)
    crossing = jnp.isinf(replica.emerged) & (odds >= goal)
    return jnp.where(crossing, replica.time + share * (time - replica.time), replica.emerged)
