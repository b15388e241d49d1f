"""What of an algorithm its gradient flow, and its limit at step size γ/d, depend on beside the step."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ...problem import Problem
from ...support import TRAINED_LOSSES, require, require_real


class Trained(Protocol):
    """The fields of a flow that follows such an algorithm."""

    @property
    def second_layer_rate(self) -> float:
        """κ."""

    @property
    def weight_decay(self) -> float:
        """λ."""

    @property
    def constraint(self) -> str | None:
        """None, or "sphere" among others."""

    @property
    def loss(self) -> str:
        """ "squared" or "correlation"."""


class Training(NamedTuple):
    """What of an algorithm its gradient flow depends on.

    Attributes:
        second_layer_rate: κ, of a two-layer student.
        weight_decay: λ.
        on_sphere: whether the neurons' norms and the second layer are fixed.
        correlation: whether the loss is the correlation loss.
    """

    second_layer_rate: float = 1.0
    weight_decay: float = 0.0
    on_sphere: bool = False
    correlation: bool = False

    @classmethod
    def of(cls, flow: Trained) -> Training:
        """That of a flow's fields.

        Raises:
            ArgumentError: a rate or a decay that is negative, another loss, or a decay on the sphere.
        """
        require_real(flow.second_layer_rate, "second_layer_rate", least=0)
        require_real(flow.weight_decay, "weight_decay", least=0)
        require(flow.loss in TRAINED_LOSSES, "loss", f"be one of {', '.join(TRAINED_LOSSES)}", repr(flow.loss))
        on_sphere = flow.constraint == "sphere"
        fixed = on_sphere and flow.weight_decay > 0
        require(not fixed, "weight_decay", "be left out on the sphere, where norms do not change", flow.weight_decay)
        return cls(flow.second_layer_rate, flow.weight_decay, on_sphere, flow.loss == "correlation")

    def require_fit(self, problem: Problem) -> None:
        """Refuse the sphere under a covariance, and a second layer's rate where there is none that moves.

        Raises:
            ArgumentError: on `constraint` or `second_layer_rate`.
        """
        isotropic = not self.on_sphere or problem.teacher.covariance is None
        require(isotropic, "constraint", "be left out under a covariance", "'sphere'")
        has = problem.full_start.second_layer is not None and not self.on_sphere
        must = "be left out for a student without a second layer (Start.with_second_layer)"
        require(has or self.second_layer_rate == 1, "second_layer_rate", must, self.second_layer_rate)


PLAIN = Training()
