"""The names that options choose among, without importing what bears them, so that `--help` stays quick."""

from __future__ import annotations

from enum import StrEnum

LOSSES = ("0.5*(f*-f)^2", "(f*-f)^2", "risk")  # and words for them, such as mse
LINKS = ("relu", "abs", "sign", "erf", "exp", "cos", "sin")  # and he1, he2, …


class FlowChoice(StrEnum):
    """The flows."""

    RICCATI = "Riccati"
    QUADRATIC = "Quadratic"
    DECOUPLED = "Decoupled"
    COUPLED = "Coupled"
    CORRELATION = "Correlation"
    FINITE_STEP = "FiniteStep"


class AlgorithmChoice(StrEnum):
    """Which SGD FiniteStep is the limit of."""

    HOMOGENEOUS = "homogeneous"
    STIEFEL = "stiefel"


class EngineChoice(StrEnum):
    """The engines of online SGD."""

    IN_LAW = "in_law"
    DIRECT = "direct"
    STIEFEL = "stiefel"
    STIEFEL_DIRECT = "stiefel_direct"


class KindChoice(StrEnum):
    """The kinds of run."""

    TWO_HOMOGENEOUS = "two_homogeneous"
    TWO_LAYER = "two_layer"
    STIEFEL_QUADRATIC = "stiefel_quadratic"


class StudentChoice(StrEnum):
    """The kinds of student whose weights move freely."""

    TWO_HOMOGENEOUS = "two_homogeneous"
    TWO_LAYER = "two_layer"


class DirectionsChoice(StrEnum):
    """The teacher's directions."""

    ORTHONORMAL = "orthonormal"
    GAUSSIAN = "gaussian"


class OverlapChoice(StrEnum):
    """The definitions of a run's overlaps."""

    SUBSPACE = "subspace"
    NEURON = "neuron"
