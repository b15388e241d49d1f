"""Theory against an SGD run: the stations of a comparison, one after the other."""

from __future__ import annotations

from ..runs import Run
from ..support import require, require_integer
from ..trajectory import Trajectory
from .assessment import assessment_of
from .checks import checks_of
from .emergence import emergence_of
from .observation import Observation
from .report import Comparison
from .theory import theory_of


def compare(run: Run, trajectory: Trajectory | None = None, *, replicas: int | None = None) -> Comparison:
    """Compare an SGD run with what theory predicts for it, and say whether the run is consistent with theory.

    The flow is chosen for the run. Stiefel SGD gets `Riccati`, whose risk is that after the optimal radial fit; the
    link h_2 gets `Quadratic`; every other run gets `Coupled` from its initial overlaps, with the decoupled emergence
    times beside it for k > 2. A run that logged its overlaps by another definition than the one that theory is about
    gets `Coupled` with that definition. Where no overlaps were logged a start stands in: one drawn in law, or for k > 2
    the typical one in the `Decoupled` flow.

    Where the run says its step, the limit `FiniteStep` is laid over it too, and the run is held against 128 replicas of
    SGD, or against draws of the law where replicas would take more than seconds. Limit and law are known for the
    standard problem at a constant step alone; where a problem has signed, correlated or mixed teachers, anisotropic
    input, a two-layer student or a schedule, the notes say what is not known for it. All times are canonical:
    gradient-flow time of L = ½ E(f* - f)².

    The verdict is a rank test among the draws: a run that obeys the theory is called inconsistent with probability
    5 %. Without `replicas` no explanation is looked for where the run is not consistent.

    Args:
        run: the run.
        trajectory: theory to lay over it, instead of the flow chosen for it.
        replicas: how many replicas of SGD, at the run's own start, d, step (or schedule) and batch, the run is held
            against, whatever they cost; 128 are taken if that is more, as fewer cannot tell 5 %. They come in blocks
            of 64 and end once 10 are as far from the others as the run is (Besag & Clifford 1991, Biometrika 78, 301);
            the verdict says how many there were. How long they will take is said on stderr if it is long, and SIGINT
            keeps the finished blocks.

    Returns:
        The comparison: `report.verdict`, `report.checks`, `report.emergence`, `report.table()`, `report.plot()`,
        `report.save(directory)`.

    Raises:
        ArgumentError: if the run lacks what the theory needs, all of it named, `trajectory` is of another teacher
            width, or `replicas` are asked for of a run that has no start of its own, in a problem of no known law.
        KeyboardInterrupt: an interrupt while a flow is followed, as there is no comparison with half a trajectory, or
            before the first replicas are finished.

    Example:
        >>> import riccati as rc
        >>> teacher = rc.Teacher.power_law(width=2, beta=1.0, link=rc.Link.hermite(2))
        >>> start = rc.Start.random(teacher, student_width=3, dim=40, norm=0.4, seed=0)
        >>> run = rc.sgd.simulate(teacher, start, learning_rate=0.02, batch_size=8, steps=200, rows=30, seed=5)
        >>> report = rc.compare(run)
        >>> report.verdict.consistent
        True
        >>> [check.name for check in report.checks if check.holds is False]
        []
    """
    require(isinstance(run, Run), "run", "be a riccati.Run", type(run).__name__)
    if replicas is not None:
        require_integer(replicas, "replicas", 1)
    if trajectory is None:
        run.require_keys(*([] if replicas is None else ["batch_size"]))
    observation = Observation(run)
    theory = theory_of(observation, trajectory)
    assessment = assessment_of(observation, theory, replicas)
    emergence = emergence_of(observation, theory, assessment.quantile)
    return Comparison(
        run=run,
        trajectory=theory.trajectory,
        emergence=emergence,
        notes=(*observation.notes, *theory.notes, *assessment.notes),
        assumed=(*observation.assumed, *theory.assumed),
        finite_step=theory.finite_step,
        overlaps=theory.overlaps,
        checks=checks_of(observation, theory, emergence, assessment),
        verdict=assessment.verdict,
        draws=assessment.draws,
    )
