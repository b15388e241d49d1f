"""What a piece is known by, and what is kept of it."""

import importlib
import itertools
import re
import sys
import textwrap
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

import riccati as rc
from figures import NAMES, load, manifest, parameters, render
from figures._cache import code_of_package, code_reached, keep, kept, key
from figures._ensembles import integrated
from figures._figure import piece

CODE = '''
    from dataclasses import dataclass

    RATE = 2.0

    @dataclass(frozen=True)
    class Parameters:
        width: int = 3

    def helper(x):
        """Words."""
        return RATE * x

    def curve(p):
        return {"y": helper(p.width)}

    def draw(data):
        return helper(data)
'''


NUMBER = itertools.count()
SMALL = {"teacher_width": "2", "student_width": "2", "points": "20"}


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def written(code):
        name = f"a_figure_{next(NUMBER)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code), encoding="utf-8")
        importlib.invalidate_caches()
        loaded = importlib.import_module(name)
        monkeypatch.setitem(sys.modules, name, loaded)
        return loaded

    return written


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("Words.", "Other words.", True),
        ("return helper(data)", "return 3 * helper(data)", True),
        ("    def helper", "    # why\n    def helper", True),
        ("RATE * x", "RATE * x + 1", False),
        ("RATE = 2.0", "RATE = 2.5", False),
        ('{"y": helper(p.width)}', '{"z": helper(p.width)}', False),
    ],
)
def test_code_that_the_data_does_not_depend_on_does_not_count(module, before, after, same):
    old, new = code_reached(module(CODE).curve), code_reached(module(CODE.replace(before, after)).curve)
    assert (old == new) == same


def test_arguments_figure_and_version_count(module, monkeypatch):
    loaded = module(CODE)
    first = piece(loaded.curve, loaded.Parameters())
    assert key("a", first) == key("a", piece(loaded.curve, loaded.Parameters()))
    assert key("a", first) != key("a", piece(loaded.curve, loaded.Parameters(4)))
    assert key("a", first) != key("b", first)
    before = key("a", first)
    monkeypatch.setattr("figures._cache.package_versions", lambda: {"riccati-sgd": "9"})
    assert key("a", first) != before


def test_the_code_of_the_package_counts_but_for_rooms_without_data(tmp_path):
    for place, text in (("a.py", "x = 1"), ("rooms/b.py", "y = 1"), ("plot/c.py", "z = 1")):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(text, encoding="utf-8")

    def known():
        code_of_package.cache_clear()
        return code_of_package(tmp_path)

    before = known()
    (tmp_path / "plot" / "c.py").write_text("z = 2", encoding="utf-8")
    assert known() == before
    (tmp_path / "rooms" / "b.py").write_text("y = 2", encoding="utf-8")
    changed = known()
    assert changed != before
    (tmp_path / "rooms" / "b.py").rename(tmp_path / "rooms" / "d.py")
    assert known() != changed
    code_of_package.cache_clear()


def test_a_figure_is_drawn_again_where_a_file_its_width_or_its_code_is_another(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(load("deflation"), "draw", lambda *args: drawn.append(args) or Figure((1, 1)))

    def count(**kind):
        drawn.clear()
        render(["deflation"], tmp_path, settings={"deflation": SMALL}, echo=lambda line: None, **kind)
        return len(drawn)

    assert [count(), count()] == [1, 0]
    (tmp_path / "deflation.png").unlink()
    assert [count(), count()] == [1, 0]
    assert [count(width="column"), count(width="column")] == [1, 0]
    monkeypatch.setattr("figures._render._cache.code_of_package", lambda *args: "another")
    assert count(width="column") == 1


def test_a_damaged_file_counts_as_absent(module, tmp_path):
    loaded = module(CODE)
    one = piece(loaded.curve, loaded.Parameters())
    assert kept(tmp_path, "a", one) is None
    keep(tmp_path, "a", one)
    assert kept(tmp_path, "a", one)["y"] == 6.0
    (file,) = (tmp_path / "a").glob("*.npz")
    file.write_bytes(file.read_bytes()[:40])
    assert kept(tmp_path, "a", one) is None


def decay(time, state, rate):
    return -rate * state


def by_hand(most):
    return {"x": integrated(decay, np.ones(1), np.ones(()), np.array([1.0, 50.0]), 1e-8, 1e-8, max_steps=most)}


def warned(most):
    """What `solve` does."""
    if most < 100:
        warnings.warn("The flow ends at t = 1: its steps are used up.", rc.IncompleteTrajectory, stacklevel=2)
    return {"x": np.ones(1)}


@pytest.mark.filterwarnings("ignore::riccati.IncompleteTrajectory")
@pytest.mark.parametrize("of", [by_hand, warned])
def test_a_flow_that_does_not_reach_its_end_is_refused_and_not_kept(of, tmp_path):
    with pytest.raises(rc.ArgumentError, match=r"`a` must have parameters at which.*its steps are used up"):
        keep(tmp_path, "a", piece(of, 16))
    assert not list(tmp_path.rglob("*.npz"))
    keep(tmp_path, "a", piece(of, 10_000))
    assert kept(tmp_path, "a", piece(of, 10_000)) is not None


def interrupted(folder):
    raise KeyboardInterrupt


def test_an_interrupt_loses_the_piece_it_hit_and_no_other(module, tmp_path, monkeypatch):
    loaded = module(CODE)
    pieces = {"one": piece(loaded.curve, loaded.Parameters()), "two": piece(interrupted, 1)}
    monkeypatch.setattr("figures._render.load", lambda name: SimpleNamespace(pieces=lambda p: pieces))
    from figures import compute

    with pytest.raises(KeyboardInterrupt):
        compute("a", loaded.Parameters(), tmp_path)
    assert kept(tmp_path, "a", pieces["one"]) is not None
    pieces["two"] = piece(loaded.curve, loaded.Parameters(5))
    assert compute("a", loaded.Parameters(), tmp_path)[1] == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_sourced_or_chosen(name):
    rows = manifest(name)
    assert rows
    assert all(origin == "chosen" or origin.startswith("sourced: ") for *_, origin in rows)
    module = load(name)
    assert module.SEE
    assert re.match(r".* and [\d.]+ GB on one core \((measured|extrapolated[^)]*)\); ", module.FULL)
    assert len(parameters(module, full=True).__dict__) == len(rows)


def test_a_figure_is_computed_again_where_its_parameters_are_set_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setattr(load("deflation"), "draw", lambda *args: Figure((1, 1)))
    names, small = ["additive_model", "deflation"], {"tasks": "2000", "points": "40"}
    settings = {"additive_model": small, "deflation": SMALL}
    said = []
    first = render(names, tmp_path, settings=settings, echo=said.append)
    assert [drawn.computed for drawn in first] == [1, 1]
    assert [drawn.computed for drawn in render(names, tmp_path, settings=settings, echo=said.append)] == [0, 0]
    settings["deflation"] = SMALL | {"seed": "2"}
    assert [drawn.computed for drawn in render(names, tmp_path, settings=settings, echo=said.append)] == [0, 1]
    for suffix in ("png", "pdf", "npz", "json"):
        assert (tmp_path / f"additive_model.{suffix}").stat().st_size > 0
    assert b"/FontFile2" in (tmp_path / "additive_model.pdf").read_bytes()
    with np.load(tmp_path / "additive_model.npz") as file:
        assert file["flow/risk"].shape == (40,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": "3"}, "must name one of deflation's parameters"),
        ({"points": "many"}, "must be a Python literal"),
        ({"points": "2.5"}, "must be of the kind of 250"),
    ],
)
def test_settings_that_are_none(settings, message):
    with pytest.raises(rc.ArgumentError, match=message):
        parameters(load("deflation"), settings=settings)
