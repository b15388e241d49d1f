"""`compare`: an SGD run against theory, in steps: observation, predictions, verdict, checks, report."""

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
    times beside it for k > 2. A run that logged its overlaps by another definition than that of its link gets
    `Coupled` with the run's definition. A run that logged no initial overlaps is compared with the flow from another
    start: a random one, or for k > 2 the typical one in the `Decoupled` flow.

    Where the run gives its step size, the limit `FiniteStep` is computed too, and the run is compared with 128 replicas
    of SGD, or with draws of the law where replicas would take more than seconds. Limit and law are known at a constant
    step; under a schedule, and for what the table of problem/scope.py leaves open, the notes say what is not known. A
    loss with the noise of labels in it is compared with draws that have it too, and a note says so. All times are
    canonical: gradient-flow time of L = ½ E(f* - f)².

    The verdict is a rank test among the draws: a run that obeys the theory is called inconsistent with probability
    5 %. Explanations of an inconsistent run are looked for only with `replicas`.

    Args:
        run: the run.
        trajectory: a prediction to compare the run with, instead of the flow chosen for it.
        replicas: how many replicas of SGD, at the run's own start, d, step (or schedule) and batch, the run is
            compared with, however long they take; at least 128, as fewer cannot resolve 5 %. They are simulated in
            blocks of 64, and end early once 10 of them are as unusual as the run (Besag & Clifford 1991, Biometrika
            78, 301); the verdict says how many there were. The expected time is announced on stderr if it is long, and
            SIGINT keeps the finished blocks.

    Returns:
        The comparison: `report.verdict`, `report.checks`, `report.emergence`, `report.table()`, `report.plot()`,
        `report.save(directory)`.

    Raises:
        ArgumentError: if the run lacks keys that the theory needs (all are named), `trajectory` has another teacher
            width, or `replicas` are asked for and the run logged no start, in a problem whose law is not known.
        KeyboardInterrupt: at an interrupt while a flow is solved, or before the first block of replicas is finished.

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
