"""Which coordinates an experiment is simulated in: those asked for, all where few will not do, and the old names."""

import numpy as np
import pytest
from sgd_runs import problem, same

import riccati as rc
from riccati import sgd
from riccati.support import ENGINE_NAMES, RenamedArgument


@pytest.mark.parametrize("constraint", [None, "stiefel"])
def test_few_dimensions_are_simulated_directly_and_the_run_says_so(tmp_path, constraint):
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 4, 6, norm=0.5, seed=0)
    settings = {"teacher": teacher, "start": start, "learning_rate": 0.01, "steps": 20, "batch_size": 8, "rows": 4}
    ensemble = sgd.Experiment(**settings, constraint=constraint).ensemble([0])
    run = ensemble.run(0)
    assert run.config["coordinates"] == "direct"
    assert "d = 6 too small for reduced coordinates, 11 or more: simulated directly" in run.notes[0]
    assert "simulated directly" in repr(ensemble)
    run.save(tmp_path / "run.csv")
    assert rc.Run.load(tmp_path / "run.csv").notes == run.notes
    asked = sgd.simulate(**settings, constraint=constraint, coordinates="direct")
    assert asked.notes == ()
    np.testing.assert_array_equal(asked.risk, run.risk)


@pytest.mark.parametrize("dim", [4, 6, 7])
def test_weights_in_few_dimensions_keep_their_gram_matrix(dim):
    teacher = rc.Teacher.power_law(3, 1.0, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 4, dim, norm=0.5, seed=0)
    experiment = sgd.Experiment(
        teacher=teacher, start=start, learning_rate=0.01, steps=1, batch_size=8, coordinates="direct"
    )
    W = np.asarray(experiment.simulation.initial_states(1).W[0])
    assert W.shape == (4, dim)
    np.testing.assert_allclose(W @ W.T, np.asarray(start.weights @ start.weights.T), atol=1e-14)
    np.testing.assert_allclose(W[:, :3], np.asarray(start.weights)[:, :3], atol=1e-15)


@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_the_old_name_of_an_engine_is_the_experiment_in_the_words_of_today(engine):
    words = sgd.engine_words(engine)
    with pytest.warns(RenamedArgument, match=f'engine="{engine}" is now {words}; the old name') as said:
        old = sgd.Experiment(**problem(), learning_rate=0.01, steps=5, engine=engine)
    assert [warning.filename for warning in said] == [__file__]
    assert (old.sgd.constraint, old.coordinates) == words
    new = sgd.Experiment(
        **problem(), learning_rate=0.01, steps=5, constraint=words.constraint, coordinates=words.coordinates
    )
    assert old.config() == new.config()
    assert new.config()["coordinates"] == words.coordinates
    assert (new.config()["kind"] == "stiefel_quadratic") == (words.constraint == "stiefel")


def test_a_run_by_the_old_name_of_an_engine_is_the_run_in_the_words_of_today():
    settings = {**problem(), "learning_rate": 0.01, "steps": 5}
    new = sgd.simulate(**settings, constraint="stiefel")
    with pytest.warns(RenamedArgument) as said:
        old = sgd.simulate(**settings, engine="stiefel")
    assert [warning.filename for warning in said] == [__file__]
    same(old, new)
    assert old.config == new.config


def test_an_unknown_engine_is_refused_and_one_beside_the_words_of_today():
    with pytest.raises(rc.ArgumentError, match="`engine` must be one of direct, in_law, stiefel, stiefel_direct"):
        sgd.engine_words("fast")
    settings = {"teacher": None, "start": None, "steps": 5, "engine": "stiefel"}
    for beside in ({"coordinates": "direct"}, {"constraint": "stiefel"}):
        with pytest.raises(rc.ArgumentError, match="`engine` must be left out beside `constraint` and `coordinates`"):
            sgd.simulate(**settings, **beside)
