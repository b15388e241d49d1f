"""The law of the emergence times of SGD at finite step size, for k = 2 and k > 2."""

from __future__ import annotations

from jaxtyping import Array, Key

from ..numerics import require_double_precision
from ..problem import AnyStart, Problem, Teacher, require_covered
from ..support import require, require_integer, require_open_unit, require_real
from .divergence import announce
from .law import EmergenceLaw
from .quadratic.quadratic_law import Algorithm, quadratic_law
from .search_phase.diffusion_law import diffusion_law
from .search_phase.forward_equation import DEFAULT_RESOLUTION, Resolution

REPLICAS = 512


def emergence_law(
    teacher: Teacher,
    start: AnyStart,
    *,
    learning_rate: float,
    batch_size: int = 1,
    level: float = 0.5,
    algorithm: Algorithm = "homogeneous",
    student_scale: float | None = None,
    horizon: float | None = None,
    replicas: int | None = None,
    seed: int | Key[Array, ""] | None = None,
    resolution: Resolution | None = None,
) -> EmergenceLaw:
    """The law of T_m, the first time that direction m has squared overlap ≥ level; canonical time t = η·step.

    Online SGD on ½(f* - f)² with fresh samples, from the given start. The law is what the spread of runs that differ in
    their seeds alone is drawn from; it costs the same at every d.

    k = 2, the link h_2: by seeded replicas of the finite-step limit with the kicks that it leaves out (chain.py), each
    time interpolated in log-odds of diag G. Monte Carlo: a median has a standard error of 1.25/√replicas of the law's
    spread, `quantile_error(q)` says it, a probability √(P(1-P)/replicas). Approximate to relative O(1/d): T is within
    1 % at d = 300, γ = 0.2, and the risk within 3 %. Warns where γ = ηd/B ≥ 0.25 (c_2 = 1), near the explosion.

    Where SGD diverges, as it does once γ = ηd/B reaches some 2g'(1)/(a_1 E σ'⁴), 0.044/a_1 for h_3, the law has no
    runs to describe: its times are those at which runs that diverge later come by. `diverged` is the fraction of such
    runs, for k > 2 an estimate (divergence.py); from a twentieth on `caution` and a warning say so.

    k > 2, c_0 = 0, small initial norms: by the forward equation of each pair's diffusion (forward.py); what is left to
    learn enters by its mean. For odd k only positive overlaps count. With a `TypicalStart` each direction has its own
    neuron and no competitor. The race of many neurons with widely overlapping laws is accurate to a few per cent of
    probability. Against 1024 runs of SGD from each of two starts (k = 3, M = 2, N = 4, d = 200, γ = 0.03, norms 0.2)
    probabilities of the second direction, for which neurons compete, are right within 0.02; a first direction ahead of
    the others comes up to 0.05 of probability, or 5 % of T, early. Where the noise is too small for the grid, direction
    m keeps its assigned neuron and gets the normal law to which its emergence time tends (never, if the path without
    noise does not reach the level), to relative order of the squared relative spread.

    Args:
        teacher: the teacher, M directions.
        start: a `Start` with `dim`; for k > 2 also a `TypicalStart`.
        learning_rate: η; a step of Stiefel SGD is ε = 2η of Riccati time.
        batch_size: B, samples of a step; it counts through η/B.
        level: squared overlap at which a direction has emerged, in (0, 1).
        algorithm: `"homogeneous"`, SGD on the weights, or for k = 2 `"stiefel"`, as in `FiniteStep`.
        student_scale: c of Stiefel SGD; None takes ‖a‖/√N.
        horizon: k = 2, canonical time up to which replicas run; None takes twice gradient flow's last emergence. What
            has not emerged by then counts as never.
        replicas: k = 2, how many; None takes 512.
        seed: k = 2, of the replicas, an integer or a JAX key; None takes 0.
        resolution: k > 2, how fine the grid is; a finer one than None's shows that nothing changes.

    Raises:
        ArgumentError: for k = 2 a link other than h_2, a start without all overlaps or with d < M + N; for k > 2
            c_0 ≠ 0, or an argument that k = 2 alone has; a start without `dim`, or a number out of range.
    """
    require_double_precision()
    problem = Problem(teacher, start)
    require_covered("emergence_law", teacher, start)
    check_step(learning_rate, batch_size)
    require_open_unit(level, "level")
    if teacher.link.information_exponent == 2:
        require(resolution is None, "resolution", "be left out where the information exponent is 2", resolution)
        count, drawn_with = (REPLICAS if replicas is None else replicas), (0 if seed is None else seed)
        quadratic = quadratic_law(
            problem, learning_rate, batch_size, level, algorithm, student_scale, horizon, count, drawn_with
        )
        announce(quadratic.caution)
        return quadratic
    given = {"student_scale": student_scale, "horizon": horizon, "replicas": replicas, "seed": seed}
    for name, value in given.items():
        require(value is None, name, "be left out unless the information exponent is 2", value)
    require(algorithm == "homogeneous", "algorithm", 'be "homogeneous" unless the link is h_2', repr(algorithm))
    law = diffusion_law(problem, learning_rate, batch_size, level, resolution or DEFAULT_RESOLUTION)
    announce(law.caution)
    return law


def check_step(learning_rate: float, batch_size: int) -> None:
    """Refuse numbers that are no step of SGD."""
    require_real(learning_rate, "learning_rate", above=0)
    require_integer(batch_size, "batch_size", 1)
