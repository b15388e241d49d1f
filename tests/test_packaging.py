"""What is installed: one package, with the derivations inside it, and a clean public face."""

import tomllib
from pathlib import Path

import pytest

import derivations
import riccati as rc

ROOT = Path(__file__).parents[1]
BUILD = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]


def test_a_wheel_has_one_top_level_package():
    wheel = BUILD["wheel"]
    assert wheel["packages"] == ["riccati"]
    inside = wheel["force-include"]
    assert inside["derivations"] == "riccati/derivations"
    assert all(place.startswith("riccati/") for place in inside.values())
    assert all((ROOT / source).is_dir() for source in inside)


def test_the_sdist_leaves_the_ci_out():
    assert ".ci" in BUILD["sdist"]["exclude"]


def test_derivations_run_under_any_package_name():
    for path in Path(derivations.__file__).parent.glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        absolute = [line for line in lines if line.strip().startswith(("import derivations", "from derivations"))]
        assert not absolute, path
        assert not any('import_module(f"derivations' in line or 'import_module("derivations' in line for line in lines)


def test_the_public_face_is_clean():
    assert dir(rc) == sorted((*rc.__all__, "__version__"), key=dir(rc).index)
    assert not {"os", "sys", "import_module", "annotations", "TYPE_CHECKING"} & set(dir(rc))


def test_solve_without_a_flow_says_how():
    teacher = rc.Teacher.power_law(2, 1, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 1, 20)
    with pytest.raises(rc.ArgumentError, match=r"`flow` must .* or left out: solve\(teacher=…, start=…, times=…\)"):
        rc.solve(teacher, start, [1.0])
    assert isinstance(rc.solve(teacher=teacher, start=start, times=[1.0]).flow, rc.Quadratic)
