"""Teachers of any directions and links, starts that fit them, and what refuses them by name."""

import numpy as np
import pytest

import riccati as rc
from riccati.solver import best_flow

RNG = np.random.default_rng(0)
THETA, W = RNG.normal(size=(3, 9)), RNG.normal(size=(2, 9))
A = [1.0, 0.6, 0.4]
UNITS = THETA / np.linalg.norm(THETA, axis=1)[:, None]
SECOND, THIRD, FOURTH = (rc.Link.hermite(k) for k in (2, 3, 4))


def test_directions_of_any_length_make_the_gram_matrix_of_their_units():
    teacher = rc.Teacher.from_directions(THETA, A, THIRD, lengths="divided")
    np.testing.assert_allclose(teacher.gram, UNITS @ UNITS.T, atol=1e-14)
    np.testing.assert_allclose(teacher.frame, rc.Teacher(A, THIRD, gram=UNITS @ UNITS.T).frame, atol=1e-14)
    np.testing.assert_allclose(teacher.second_moment, teacher.a @ (UNITS @ UNITS.T) ** 3 @ teacher.a, rtol=1e-13)
    assert rc.Teacher.from_directions(2 * np.eye(3, 9), A, THIRD, lengths="divided").frame is None


@pytest.mark.parametrize("case", ["isotropic", "singular", "spanning", "covariance"])
def test_a_start_from_weights_has_the_overlaps_of_the_weights(case):
    """Also where two directions agree, and where there are more directions than dimensions."""
    Theta = {"singular": THETA[[0, 1, 0]], "spanning": RNG.normal(size=(12, 9))}.get(case, THETA)
    covariance = rc.Covariance.power_law(9, 0.7) if case == "covariance" else None
    root = np.ones(9) if covariance is None else np.sqrt(np.asarray(covariance.eigenvalues))
    teacher = rc.Teacher.from_directions(Theta, np.ones(len(Theta)), FOURTH, covariance=covariance, lengths="divided")
    start = rc.Start.from_weights(W, Theta, covariance)
    rc.Problem(teacher, start)
    u, v = ((x * root) / np.linalg.norm(x * root, axis=1)[:, None] for x in (W, Theta))
    np.testing.assert_allclose(start.teacher_overlaps, u @ v.T, atol=1e-13)
    np.testing.assert_allclose(start.student_gram, u @ u.T, atol=1e-13)
    np.testing.assert_allclose(teacher.overlaps(start.directions), u @ v.T, atol=1e-13)
    np.testing.assert_allclose(start.norms, np.linalg.norm(W * root, axis=1))


def test_overlaps_and_gram_matrices_make_the_start_of_the_weights():
    u = W / np.linalg.norm(W, axis=1)[:, None]
    given = rc.Start(u @ UNITS.T, u @ u.T, teacher_gram=UNITS @ UNITS.T)
    of_weights = rc.Start.from_weights(W, THETA)
    np.testing.assert_allclose(given.teacher_coordinates, of_weights.teacher_coordinates, atol=1e-12)
    np.testing.assert_allclose(given.student_gram, of_weights.student_gram, atol=1e-12)


def test_each_links_exponent_is_the_least_degree_it_shares_with_the_students():
    student = rc.Link.from_coefficients([0, 0, 0.6, 0.0, 0.8])
    teacher = rc.Teacher(A, student, links=[SECOND, FOURTH, rc.Link.from_coefficients([0.1, 0.5, 0, 0.2, 1])])
    assert teacher.information_exponents == (2, 4, 4)
    assert rc.Teacher(A, THIRD).information_exponents == (3, 3, 3)


def test_random_starts_of_correlated_teachers_are_uniform_directions():
    teacher = rc.Teacher(A, FOURTH, gram=UNITS @ UNITS.T)
    starts = [rc.Start.random(teacher, 50, 900, seed=seed) for seed in range(8)]  # few enough to share a program
    m = np.concatenate([start.teacher_overlaps for start in starts])
    np.testing.assert_allclose(m.T @ m / 400 * 900, UNITS @ UNITS.T, atol=0.25)
    np.testing.assert_allclose(np.linalg.norm(starts[0].directions, axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: rc.Teacher(A, THIRD, gram=np.eye(2)), r"`gram` must be of shape \(3, 3\)"),
        (lambda: rc.Teacher([1, 1], THIRD, gram=[[1, 0.5], [0, 1]]), "`gram` must be symmetric"),
        (lambda: rc.Teacher([1, 1], THIRD, gram=[[1, 0], [0, 2]]), "`gram` must have ones on its diagonal"),
        (lambda: rc.Teacher([1, 1], THIRD, gram=[[1, 2], [2, 1]]), "`gram` must be positive semidefinite"),
        (lambda: rc.Teacher([1, -1], THIRD, gram=[[1, 1], [1, 1]]), "`a` must not cancel over the directions"),
        (lambda: rc.Teacher.from_directions([[1, 0], [1, 0]], [1, -1], THIRD), "`a` must not cancel"),
        (lambda: rc.Teacher.from_directions(THETA, [1, 1], THIRD), "`Theta` must have 2 rows"),
        (lambda: rc.Teacher(A, THIRD, links=[THIRD]), "`links` must have 3 entries"),
        (lambda: rc.Teacher([1], THIRD, links=[rc.Link.named("relu")]), "`links` must be finite Hermite series"),
        (lambda: rc.Teacher([1], THIRD, links=[FOURTH]), "`links` must share a Hermite degree"),
        (lambda: rc.Teacher(A, THIRD, covariance=rc.Covariance([1, 1])), "`covariance` must have 3 eigenvalues"),
        (lambda: rc.Teacher(A, THIRD, covariance=np.ones(3)), "`covariance` must be a riccati.Covariance"),
        (lambda: rc.Teacher([1], THIRD, gram=[[1]], covariance=rc.Covariance([1])), "`gram` must be left out"),
        (lambda: rc.Covariance([1.0, 0.0]), "`eigenvalues` must be > 0 in every entry"),
        (lambda: rc.Covariance.power_law(5, -1), "`exponent` must be ≥ 0"),
        (lambda: rc.Start([[0.9, 0.9]], teacher_gram=[[1, -0.9], [-0.9, 1]]), "`teacher_overlaps` must have rows"),
        (lambda: rc.Start([[0.1]], second_layer=[1, 2]), "`second_layer` must be one number or 1"),
    ],
)
def test_teachers_and_starts_that_cannot_be_are_refused(build, message):
    with pytest.raises(rc.ArgumentError, match=message):
        build()


def test_a_start_for_another_teacher_is_refused():
    correlated = rc.Teacher.from_directions(THETA, A, FOURTH, lengths="divided")
    plain = rc.Teacher(A, FOURTH)
    spread, other = (rc.Teacher(A, FOURTH, covariance=rc.Covariance.power_law(9, power)) for power in (0.5, 0.6))
    drawn, under, under_other = (rc.Start.random(teacher, 2, 9) for teacher in (plain, spread, other))
    directions, input_law = "made for the teacher's directions .* ", "under the teacher's covariance .* "
    for teacher, start, message in (
        (plain, rc.Start.from_weights(W, THETA), f"{directions}for correlated ones"),
        (correlated, drawn, f"{directions}for orthonormal ones"),
        (correlated, rc.Start.from_weights(W, THETA[::-1]), f"{directions}overlaps off by"),
        (plain, under, "for isotropic input, as the teacher is"),
        (spread, drawn, f"{input_law}one for isotropic input"),
        (spread, under_other, f"{input_law}one under another"),
    ):
        with pytest.raises(rc.ArgumentError, match=message):
            rc.Problem(teacher, start)


def beyond(degree):
    """Problems that each depart in one way, by what names it."""
    link = rc.Link.hermite(degree)
    both = rc.Link.from_coefficients(np.eye(degree + 2)[degree] + 0.1 * np.eye(degree + 2)[degree + 1])
    return {
        "negative a": rc.Teacher([1, -0.6, 0.4], link),
        "correlated directions": rc.Teacher.from_directions(THETA, A, link, lengths="divided"),
        "a link for each direction": rc.Teacher(A, link, links=[link, both, link]),
        "anisotropic input": rc.Teacher(A, link, covariance=rc.Covariance.power_law(9, 0.5)),
    }


def test_two_layer_students_are_coupled_alone():
    teacher = rc.Teacher(A, rc.Link.named("relu"))
    start = rc.Start.random(teacher, 2, 9).with_second_layer(-0.1)
    assert isinstance(best_flow(rc.Problem(teacher, start)), rc.Coupled)
    with pytest.raises(
        rc.ArgumentError, match="`start` must be of a 2-homogeneous student, without `second_layer`, for"
    ):
        rc.solve(rc.Correlation(), teacher, start, [1.0])


def test_the_best_flow_is_the_one_that_covers_the_problem():
    flows = {
        2: (rc.Quadratic, rc.Quadratic, rc.Coupled, rc.Coupled),
        4: (rc.Decoupled, rc.Coupled, rc.Coupled, rc.Decoupled),
    }
    for degree, expected in flows.items():
        for teacher, flow in zip(beyond(degree).values(), expected, strict=True):
            start = rc.Start.random(teacher, 2, 9)
            assert isinstance(best_flow(rc.Problem(teacher, start)), flow)
