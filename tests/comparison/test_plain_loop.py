"""Runs of a plain numpy loop beyond the standard problem lie on the theory: flow, limit and draws of the law."""

import numpy as np
import plain_loop
import pytest

import riccati as rc

FLOWS = {"gaussian-rows": "Quadratic", "anisotropic": "Coupled", "mixed-links": "Coupled", "two-layer": "Coupled"}


@pytest.mark.parametrize("name", plain_loop.PROBLEMS)
def test_three_seeds_of_a_plain_loop_lie_on_the_theory(name):
    """The risk's rms is within 0.01 of log10 of flow and limit, every time within 10 %, the run in a quick law."""
    for seed in plain_loop.SEEDS:
        run = rc.Run.load(plain_loop.stored(name, seed))
        assert not run.assumed
        report = rc.compare(run)
        assert report.flow == FLOWS[name]
        assert report.risk_rms_log10 < 0.01
        assert all(check.holds for check in report.checks)
        assert report.finite_step_deviation < 0.01
        assert not any(note.startswith("no finite-step limit") for note in report.notes)
        if FLOWS[name] == "Quadratic":
            assert report.draws.source == "128 draws of the law"
            assert report.verdict.consistent is True
        else:  # whose law follows every neuron
            assert any("draws of the law take long at this size" in note for note in report.notes)
        emerged = [e for e in report.emergence if e.measured is not None and np.isfinite(e.measured)]
        assert len(emerged) >= 2
        assert all(abs(e.predicted / e.measured - 1) < 0.1 for e in emerged)


@pytest.mark.parametrize("name", plain_loop.PROBLEMS)
def test_the_stored_runs_are_those_of_the_plain_loop(tmp_path, monkeypatch, name):
    """Their first steps, once more."""
    made = plain_loop.PROBLEMS[name]

    def short(rng):
        loop, keys = made(rng)
        loop.steps = 8
        return loop, keys

    monkeypatch.setitem(plain_loop.PROBLEMS, name, short)
    plain_loop.run(name, 1, tmp_path / "run.csv")
    stored, again = (rc.Run.load(path) for path in (plain_loop.stored(name, 1), tmp_path / "run.csv"))
    np.testing.assert_allclose(again.start.amplitudes, stored.start.amplitudes, rtol=1e-8)
    rows = np.isin(stored.steps, again.steps) & (stored.steps <= 8)
    np.testing.assert_allclose(again.loss[np.isin(again.steps, stored.steps)], stored.loss[rows], rtol=1e-6)


def test_scaling_refuses_them_by_name():
    with pytest.raises(rc.ArgumentError, match=r"for infer_beta .*, but is one with negative a"):
        rc.scaling.infer_beta(rc.Run.load("gaussian-rows"))
