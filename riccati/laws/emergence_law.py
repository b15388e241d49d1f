"""The law of the emergence times of SGD at finite step size, for k = 2 and k > 2."""

from __future__ import annotations

from jaxtyping import Array, Key

from ..numerics import require_double_precision
from ..problem import SGD, AnyStart, Constraint, Teacher, sgd_of
from ..support import require, require_open_unit
from .divergence import warn_of
from .law import EmergenceLaw, constraint_of, problem_of_law
from .replicas import COARSE, Replication, replica_law
from .search_phase import DEFAULT_RESOLUTION, Resolution, diffusion_law, is_of_diffusion

REPLICAS = 512


def emergence_law(
    teacher: Teacher,
    start: AnyStart,
    sgd: SGD | None = None,
    *,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    constraint: Constraint | None = None,
    level: float = 0.5,
    student_scale: float | None = None,
    horizon: float | None = None,
    replicas: int | None = None,
    seed: int | Key[Array, ""] | None = None,
    resolution: Resolution | None = None,
    algorithm: str | None = None,
) -> EmergenceLaw:
    """The law of T_m, the first time that direction m has squared overlap ≥ level; canonical time t = η·step.

    Online SGD on ½(f* - f)² with fresh samples, from the given start. The law describes the spread of runs that differ
    in their seeds alone; it costs the same at every d.

    k = 2, and for every k two-layer students, weight decay, the sphere, the correlation loss, a covariance and
    teachers beyond the standard one: the law is read off seeded replicas of the finite-step limit with the gradient
    noise that the limit leaves out (laws/replicas); times are interpolated in the log-odds of the overlap. It is
    Monte Carlo: a median has a standard error of 1.25/√replicas times the law's spread, which `law.quantile_error(q)`
    estimates, a probability P one of √(P(1-P)/replicas). Terms of relative order 1/d are left out: for plain SGD T is
    within 1 % at d = 300, γ = 0.2, and the risk within 3 %; over all algorithms medians were up to 7 % late at d =
    200, γ = 0.2. Warns where γ = ηd/B ≥ 0.25 (c_2 = 1), near the explosion.

    k > 2 (c_0 = 0), with label noise and momentum, from starts with E f² ≤ E f*²/20: the law solves the forward
    equation of each pair's diffusion (laws/search_phase), in which the residual that is still unlearned enters by its
    mean and the student's own output is left out. Larger starts have the law of replicas, as has any if `horizon` or
    `replicas` ask for it. For odd k only positive overlaps count. With a `TypicalStart` each direction has its own
    neuron, and neurons do not compete. Where many neurons with widely overlapping laws compete, probabilities are
    accurate to a few per cent. Against 1024 runs of SGD from each of two starts (k = 3, M = 2, N = 4, d = 200, γ =
    0.03, norms 0.2) probabilities of the second direction, for which neurons compete, are right within 0.02; a first
    direction ahead of the others comes up to 0.05 of probability, or 5 % of T, early. Where the noise is too small
    for the grid, direction m keeps its assigned neuron and gets the normal law to which its emergence time tends
    (never, if the path without noise does not reach the level), to relative order of the squared relative spread.

    SGD diverges once γ = ηd/B reaches about 2g'(1)/(a_1 E σ'⁴), 0.044/a_1 for h_3. There the law describes no runs
    that last: its times are those of runs that diverge later. `diverged` is the fraction of such runs, for k > 2 an
    estimate (laws/divergence.py); where it is a twentieth or more, `caution` and a warning say so.

    Args:
        teacher: the teacher, M directions.
        start: a `Start` with `dim`; for k > 2 also a `TypicalStart`.
        sgd: the algorithm, at one learning rate η, with a batch of B samples that counts through η/B; its constraint
            may be "stiefel" for k = 2, whose step is ε = 2η of Riccati time.
        level: squared overlap at which a direction has emerged, in (0, 1).

    Other args:
        learning_rate, batch_size, constraint: the algorithm in the place of `sgd`.
        student_scale: c of Stiefel SGD; None takes ‖a‖/√N.
        horizon: canonical time up to which replicas run; None takes twice gradient flow's last emergence, and up to
            four times under label noise. What has not emerged by then counts as never.
        replicas: how many; None takes 512.
        seed: of the replicas, an integer or a JAX key; None takes 0.
        resolution: of the forward equation, a `riccati.laws.Resolution`: how fine the grid is; None gives quartiles to
            5e-4.
        algorithm: the old name of `constraint`, "homogeneous" or "stiefel".

    Raises:
        ArgumentError: if no algorithm is given, two are, or a schedule; for replicas a start without all overlaps or
            with d < M + N, or a horizon of too many steps; for the forward equation an argument that only replicas
            take; a start without `dim`, a problem that problem/scope.py does not list as covered, or a number out of
            range.

    Source: BEVW25 (arXiv 2508.03688) and RNWL25 (arXiv 2504.19983) for the algorithms;
    derivations/gradient_noise_k2.py, derivations/algorithm_noise.py and derivations/search_phase.py for the laws.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher([1.0], rc.Link.hermite(2))
        >>> start = rc.Start([[0.1]], norms=0.1, dim=100)
        >>> law = rc.emergence_law(teacher, start, learning_rate=1e-3, horizon=3.0, replicas=8)
        >>> law.quantile(0.5).shape, law.probability(3.0).tolist()
        ((1,), [1.0])
    """
    require_double_precision()
    constraint = constraint_of(algorithm, constraint)
    sgd = sgd_of(sgd, learning_rate=learning_rate, batch_size=batch_size, constraint=constraint)
    problem = problem_of_law("emergence_law", teacher, start, sgd)
    require_open_unit(level, "level")
    law: EmergenceLaw
    if is_of_diffusion(problem, sgd) and horizon is None and replicas is None:
        given = {"student_scale": student_scale, "seed": seed}
        for name, value in given.items():
            require(value is None, name, "be left out where the law is no law of replicas", value)
        law = diffusion_law(problem, sgd, level, resolution or DEFAULT_RESOLUTION)
    else:
        require(resolution is None, "resolution", "be left out where the law is one of replicas", resolution)
        number, drawn_with = (REPLICAS if replicas is None else replicas), (0 if seed is None else seed)
        law = replica_law(problem, sgd, level, student_scale, Replication(horizon, number, drawn_with, COARSE))
    warn_of(law.caution)
    return law
