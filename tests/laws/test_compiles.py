"""New numbers compile nothing anew, nor does the march for another link."""

import numpy as np
from compiles import counted_compiles

import riccati as rc


def given(a, seed, dim):
    teacher = rc.Teacher([0.8, a], rc.Link.hermite(3))
    return teacher, rc.Start.random(teacher, 2, dim, seed=seed)


def test_a_second_law_compiles_nothing_and_the_first_few_programs():
    problems = [given(0.6, 0, 300), given(0.5, 1, 310)]
    with counted_compiles() as first:
        rc.emergence_law(*problems[0], learning_rate=0.3 * 300**-1.5)
    assert 0 < first.count <= 9
    with counted_compiles() as second:
        law = rc.emergence_law(*problems[1], learning_rate=0.35 * 310**-1.5, level=0.4)
    assert second.count == 0
    assert np.isfinite(law.quantile(0.5)).any()


def test_another_link_compiles_its_own_moments_alone():
    """The march, which is the largest program, serves every link at one size."""
    rc.emergence_law(*given(0.6, 0, 300), learning_rate=0.3 * 300**-1.5)
    teacher, start = given(0.6, 0, 300)
    fifth = rc.Teacher(teacher.a, rc.Link.hermite(5))
    with counted_compiles() as compiles:
        rc.emergence_law(fifth, start, learning_rate=0.3 * 300**-2.5)
    assert compiles.count <= 4
