"""The names that arguments, options and files choose among, written once; what they name is not imported here.

A test holds that each list is what its room offers (tests/support/test_names.py).
"""

from __future__ import annotations

from typing import Literal, get_args

FlowName = Literal["Riccati", "Quadratic", "Decoupled", "Coupled", "Correlation", "FiniteStep"]
Constraint = Literal["sphere", "stiefel"]
TrainedLoss = Literal["squared", "correlation"]
Coordinates = Literal["reduced", "direct"]
StudentKind = Literal["two_homogeneous", "two_layer"]
RunKind = Literal["two_homogeneous", "two_layer", "stiefel_quadratic"]
OverlapName = Literal["subspace", "neuron"]
LossName = Literal["0.5*(f*-f)^2", "(f*-f)^2", "risk"]
LinkName = Literal[
    "relu",
    "abs",
    "sign",
    "erf",
    "scaled_erf",
    "exp",
    "cos",
    "sin",
    "tanh",
    "sigmoid",
    "softplus",
    "gelu",
    "silu",
]  # besides he1, he2, …
EngineName = Literal["in_law", "direct", "stiefel", "stiefel_direct"]  # up to 0.4, a rule and coordinates in one word

FLOW_NAMES: tuple[str, ...] = get_args(FlowName)
CONSTRAINTS: tuple[str, ...] = get_args(Constraint)
TRAINED_LOSSES: tuple[str, ...] = get_args(TrainedLoss)
COORDINATES: tuple[str, ...] = get_args(Coordinates)
STUDENT_KINDS: tuple[str, ...] = get_args(StudentKind)
RUN_KINDS: tuple[str, ...] = get_args(RunKind)
OVERLAP_NAMES: tuple[str, ...] = get_args(OverlapName)
LOSS_NAMES: tuple[str, ...] = get_args(LossName)
LINK_NAMES: tuple[str, ...] = get_args(LinkName)
ENGINE_NAMES: tuple[str, ...] = get_args(EngineName)
