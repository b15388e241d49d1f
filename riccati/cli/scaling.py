"""`riccati scaling`: exponents with their formulas and sources, and those of a run or a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import with_options
from .problem import Beta, LinkOption

if TYPE_CHECKING:
    from ..problem import Teacher


@dataclass(frozen=True, kw_only=True)
class TheoryOptions:
    """A problem whose laws are printed. Sizes may be left out, as laws hold for all; defaults are a large k > 2 one."""

    link: LinkOption = "he4"
    beta: Beta = 1.0
    teacher_width: Annotated[int, typer.Option(help="M, directions of the teacher.")] = 1024
    student_width: Annotated[int | None, typer.Option(help="N; a neuron to every direction if not given.")] = None
    dim: Annotated[int | None, typer.Option(help="d, for --samples.")] = None
    norm: Annotated[float, typer.Option(help="Initial norm of every neuron, for --samples.")] = 1e-1

    def teacher(self) -> Teacher:
        """The power-law teacher on isotropic input."""
        from ..problem import Link, Teacher

        return Teacher.power_law(self.teacher_width, self.beta, Link.named(self.link))


@with_options
def scaling(
    theory: TheoryOptions,
    run: Annotated[
        str | None, typer.Argument(help="A run (CSV, NPZ, Parquet, JSON lines, a sample run) to fit; theory if none.")
    ] = None,
    samples: Annotated[int | None, typer.Option(help="n: print the best constant step size of this budget.")] = None,
    floor: Annotated[str | None, typer.Option(help='"free", or a number; no floor in the fit if not given.')] = None,
    window: Annotated[tuple[float, float] | None, typer.Option(help="Window of the fit in canonical time.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for scaling.png of a run; nothing if not given.")] = None,
) -> None:
    """Print the sharp limit and the scaling laws of a teacher, or the power law of a run with its interval.

    The defaults differ from those of the other verbs: he4 and 1024 directions, as no weights are drawn here.
    """
    if run is None:
        _print_laws(theory)
        if samples is not None:
            _print_step(theory, samples)
    else:
        _fit(run, floor, window, out)


def _print_laws(theory: TheoryOptions) -> None:
    from ..scaling import rates, sharp_limit

    teacher = theory.teacher()
    typer.echo(sharp_limit(teacher, theory.student_width))
    if theory.beta > 0.5:
        for rate in rates(theory.beta, teacher.link.information_exponent):
            typer.echo(rate)
    else:
        typer.echo("β ≤ ½: the risk is a function of t/T_M, 1 - (t/T_M)^((1-2β)/β) ∨ 1 - φ^(1-2β), φ = N/M;")
        typer.echo("β = ½: -2 log(t/T_M)/(log M + γ_E), γ_E = 0.5772 (Euler). Derived in derivations/scaling.py")


def _print_step(theory: TheoryOptions, samples: int) -> None:
    from ..problem import Start
    from ..scaling import recommended_step
    from ..support import require

    require(theory.dim is not None, "dim", "be given with --samples", "left out")
    assert theory.dim is not None
    teacher, width = theory.teacher(), theory.student_width or theory.teacher_width
    typical = teacher.link.information_exponent > 2
    start = (Start.typical if typical else Start.random)(teacher, width, theory.dim, theory.norm)
    plan = recommended_step(teacher, start, samples=samples)
    by = "finite-step limit, derivations/own_pair.py" if typical else "derivations/finite_step_weights.py, seed 0"
    typer.echo(f"{'best constant step size':<46} {plan.sgd.rate:>9.4g} = argmin_η risk(n), {by}")
    typer.echo(f"{'risk above the floor there':<46} {plan.excess:>9.4g} = risk(n) - Σ_(m>N) a_m²/Σ a_m²")


def _fit(run: str, floor: str | None, window: tuple[float, float] | None, out: Path | None) -> None:
    from ..runs import Run
    from ..scaling import fit_power_law
    from ..support import ArgumentError, whole_file

    pinned: str | float | None = floor
    if floor is not None and floor != "free":
        try:
            pinned = float(floor)
        except ValueError:
            raise ArgumentError("floor", "be free or a number", floor) from None
    loaded = Run.load(run)
    fit = fit_power_law(loaded, floor=pinned, window=window)  # type: ignore[arg-type]
    typer.echo(fit.table())
    if out is not None:
        with whole_file(out / "scaling.png") as temporary:
            figure = fit.plot().get_figure(root=True)
            assert figure is not None
            figure.savefig(temporary)
        typer.echo(f"wrote scaling.png to {out}")
