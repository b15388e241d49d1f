"""Starts: the law of random ones, the given ones, the typical ones, and greedy assignment."""

import jax
import numpy as np
import pytest
from compiles import counted_compiles
from systems import problem

import riccati as rc
from riccati.problem import greedy_assignment, isotropic, largest_overlap, overlap_scores


def test_random_start_has_the_law_of_uniform_directions():
    """Gram matrices in law against those of simulated weights, by their moments and two-sample tests.

    Five neurons and directions: in d = 5 nothing is left outside the teacher's, in d = 7 less than the neurons span.
    """
    from scipy.stats import ks_2samp

    keys = jax.vmap(jax.random.key)(np.arange(2000))
    drawn = jax.jit(jax.vmap(lambda key, outside: isotropic(key, outside, 5, 5), in_axes=(0, None)))
    for dim in (5, 7, 40):
        m, factor = (np.asarray(part) for part in drawn(keys, dim - 5))
        mine = factor @ factor.transpose(0, 2, 1)
        gram = m @ m.transpose(0, 2, 1) + mine
        np.testing.assert_allclose(np.diagonal(gram, axis1=1, axis2=2), 1, rtol=1e-12)
        np.testing.assert_allclose(np.mean(m**2), 1 / dim, rtol=0.03)  # five standard errors of 50 000 overlaps
        W = np.random.default_rng(1).normal(size=(2000, 5, dim))
        W /= np.linalg.norm(W, axis=2, keepdims=True)
        outside = W[:, :, 5:] @ W[:, :, 5:].transpose(0, 2, 1)
        pairs = {
            "overlap": (m[:, -1, -1], W[:, -1, 4]),
            "Gram": (gram[:, 0, -1], np.einsum("sd,sd->s", W[:, 0], W[:, -1])),
            "determinant": (np.linalg.slogdet(gram)[1], np.linalg.slogdet(W @ W.transpose(0, 2, 1))[1]),
            "outside": (mine[:, 0, -1], outside[:, 0, -1]),
        }
        for name, pair in pairs.items():
            assert ks_2samp(*pair).pvalue > 1e-3, (dim, name)
        # a seed's start is that of its key within another program, where nothing is shared
        teacher = rc.Teacher.power_law(5, 1, rc.Link.hermite(2))
        for seed in (0, 7):
            start = rc.Start.random(teacher, 5, dim, seed=seed)
            np.testing.assert_allclose(start.directions, np.concatenate([m, factor], axis=2)[seed], atol=1e-15)


def test_a_start_under_a_covariance_has_the_law_of_whitened_directions():
    """Each group's share of the Gram matrix: one larger than the student, one smaller, one that comes in two places."""
    from scipy.stats import ks_2samp

    covariance = rc.Covariance(np.r_[1.5, 0.8, 2.0, np.full(9, 0.7), np.full(3, 1.2), 2.0])
    teacher = rc.Teacher([1.0, 0.7], rc.Link.hermite(4), covariance=covariance)
    keys = jax.random.split(jax.random.key(2), 2000)
    starts = jax.vmap(lambda key: rc.Start.random(teacher, 4, 16, seed=key))(keys)
    eigenvalues = np.asarray(starts.residual_eigenvalues[0])
    np.testing.assert_array_equal(eigenvalues, [2.0, 2.0, *[0.7] * 4, *[1.2] * 3])
    W = np.random.default_rng(1).normal(size=(2000, 4, 16)) * np.sqrt(np.asarray(covariance.eigenvalues))
    W /= np.linalg.norm(W, axis=2, keepdims=True)
    for value in (0.7, 2.0, 1.2):
        ours = np.asarray(starts.residual_factor)[:, :, eigenvalues == value]
        theirs = W[:, :, np.r_[False, False, np.asarray(covariance.eigenvalues)[2:] == value]]
        for left, right in ((0, 0), (1, 3), (3, 3)):
            pair = (np.einsum("sd,sd->s", part[:, left], part[:, right]) for part in (ours, theirs))
            assert ks_2samp(*pair).pvalue > 1e-3


def test_small_starts_share_one_compiled_program():
    rc.Start.random(rc.Teacher([1.0], rc.Link.hermite(4)), 1, 50)
    for neurons, width in ((3, 7), (64, 2), (65, 3)):
        teacher = rc.Teacher.power_law(width, 1, rc.Link.hermite(4))
        with counted_compiles() as compiles:
            rc.Start.random(teacher, neurons, 200, seed=1)
        assert (compiles.count == 0) == (neurons <= 64)


def test_random_start_at_enormous_dimension_and_reproducible():
    teacher = rc.Teacher.power_law(4, 1, rc.Link.hermite(2))
    start = rc.Start.random(teacher, 3, 10**9, seed=5)
    again = rc.Start.random(teacher, 3, 10**9, seed=5)
    np.testing.assert_array_equal(start.directions, again.directions)
    assert np.abs(start.teacher_overlaps).max() < 1e-3
    np.testing.assert_allclose(start.student_gram, np.eye(3), atol=1e-3)
    other = rc.Start.random(teacher, 3, 10**9, seed=6)
    assert not np.array_equal(start.teacher_overlaps, other.teacher_overlaps)


def test_weights_and_gram_matrix_give_the_same_start():
    rng = np.random.default_rng(0)
    Theta = np.linalg.qr(rng.normal(size=(30, 4)))[0].T
    W = rng.normal(size=(6, 30)) * rng.uniform(0.1, 2, (6, 1))
    one = rc.Start.from_weights(W, Theta)
    norms = np.linalg.norm(W, axis=1)
    U = W / norms[:, None]
    two = rc.Start(U @ Theta.T, U @ U.T, norms)
    np.testing.assert_allclose(one.student_gram, two.student_gram, atol=1e-14)
    np.testing.assert_allclose(one.teacher_overlaps, two.teacher_overlaps, atol=1e-15)
    np.testing.assert_allclose(one.norms, two.norms)
    np.testing.assert_allclose(
        one.residual_factor @ one.residual_factor.T, two.residual_factor @ two.residual_factor.T, atol=1e-13
    )


def test_gram_matrix_inside_the_teacher_span_is_factored():
    """Neurons with no part outside the teacher: q - m mᵀ = 0."""
    m = np.array([[0.6, 0.8], [1.0, 0.0]])
    start = rc.Start(m, m @ m.T)
    np.testing.assert_allclose(start.residual_factor, 0, atol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"teacher_overlaps": [1.0]}, "`teacher_overlaps` must be of shape"),
        ({"teacher_overlaps": [[np.nan]]}, "`teacher_overlaps` must be finite"),
        ({"teacher_overlaps": [[0.8, 0.8]]}, "`teacher_overlaps` must have rows of norm ≤ 1"),
        ({"teacher_overlaps": [[0.1]], "student_gram": np.eye(2)}, "`student_gram` must be of shape"),
        ({"teacher_overlaps": [[0.1]], "student_gram": [[2.0]]}, "`student_gram` must have ones"),
        (
            {"teacher_overlaps": [[0.1], [0.2]], "student_gram": [[1, 0.3], [0, 1]]},
            "`student_gram` must be symm",
        ),
        ({"teacher_overlaps": [[0.9], [0.9]], "student_gram": np.eye(2)}, "positive semidefinite"),
        ({"teacher_overlaps": [[0.1]], "norms": -1.0}, "`norms` must be > 0"),
        ({"teacher_overlaps": [[0.1]], "norms": [1.0, 2.0]}, "`norms` must be one number or 1"),
    ],
)
def test_given_starts_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(rc.ArgumentError, match=message) as caught:
        rc.Start(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"student_width": -2}, "`student_width` must be a whole number ≥ 1, but is -2."),
        ({"student_width": 31}, "`student_width` must be ≤ dim = 30, but is 31."),
        ({"dim": 3, "student_width": 2}, "`dim` must be ≥ the teacher's width 4, but is 3."),
        ({"norm": 0.0}, "`norm` must be > 0"),
        ({"norm": 1e-320}, "`norm` must be ≥ 1e-150, so that its square is a normal number"),
        ({"seed": -1}, "`seed` must be a whole number ≥ 0"),
        ({"seed": "a"}, "`seed` must be a whole number or a JAX key"),
    ],
)
def test_random_starts_that_cannot_be_are_refused(arguments, message):
    teacher = rc.Teacher.power_law(4, 1, rc.Link.hermite(2))
    with pytest.raises(rc.ArgumentError, match=message):
        rc.Start.random(teacher, **{"student_width": 3, "dim": 30, **arguments})


def test_weights_that_cannot_be_are_refused():
    with pytest.raises(rc.ArgumentError, match="`W` must have no zero row"):
        rc.Start.from_weights(np.zeros((1, 3)), np.eye(3)[:1])
    with pytest.raises(rc.ArgumentError, match="`Theta` must have no zero row"):
        rc.Start.from_weights(np.ones((1, 3)), np.zeros((1, 3)))
    with pytest.raises(rc.ArgumentError, match="`Theta` must be of shape"):
        rc.Start.from_weights(np.ones((1, 3)), np.eye(4))


@pytest.mark.parametrize("either_sign", [True, False])
@pytest.mark.parametrize(("count", "dim", "quantile"), [(1, 5, 0.2), (7, 20, 0.5), (200, 60, 0.9)])
def test_largest_overlap_matches_simulated_directions(count, dim, quantile, either_sign):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, count))
    rest = rng.chisquare(dim - 1, size=(4000, count))
    x = z / np.sqrt(z**2 + rest)
    largest = (np.abs(x) if either_sign else x).max(axis=1)
    below = np.mean(largest < largest_overlap(count, dim, quantile, either_sign))
    assert abs(below - quantile) < 4 * np.sqrt(quantile * (1 - quantile) / 4000)


def test_typical_start_follows_the_order_of_choice():
    teacher = rc.Teacher.power_law(6, 1, rc.Link.hermite(4))
    start = rc.Start.typical(teacher, student_width=4, dim=10**4)
    m = np.asarray(start.overlaps)
    assert np.all(np.diff(m[:4]) < 0)
    np.testing.assert_array_equal(m[4:], 0)
    np.testing.assert_allclose(m[:4], largest_overlap(np.array([4, 3, 2, 1]), 10**4, 0.5, True), rtol=1e-14)
    np.testing.assert_allclose(largest_overlap(10**6, 10**9, 0.5, True) ** 2, 2 * np.log(10**6) / 10**9, rtol=0.15)
    with pytest.raises(rc.ArgumentError, match="`quantile` must be < 1"):
        rc.Start.typical(teacher, 4, 100, quantile=1.0)


def brute_force(scores):
    scores, out = np.array(scores), np.full(scores.shape[1], -1)
    for _ in range(min(scores.shape)):
        i, p = np.unravel_index(scores.argmax(), scores.shape)
        out[p], scores[i, :], scores[:, p] = i, -9, -9
    return out


@pytest.mark.parametrize("k", [3, 4, 6])
@pytest.mark.parametrize(("neurons", "width"), [(1, 1), (7, 7), (20, 8), (8, 20)])
def test_greedy_assignment_is_the_brute_force_one(k, neurons, width):
    teacher, start = problem(width, neurons, 50, 0.4, degree=k, seed=k)
    assigned = np.asarray(start.assignment(teacher))
    scores = np.asarray(overlap_scores(teacher.a, start.teacher_overlaps, teacher.link))
    expected = brute_force(scores)
    # a score of 0 is an overlap that cannot grow, and gives nobody a direction
    grows = (expected >= 0) & (scores[np.maximum(expected, 0), np.arange(width)] > 0)
    np.testing.assert_array_equal(assigned, np.where(grows, expected, -1))
    if k != 3:
        assert grows.sum() == min(neurons, width)


def test_greedy_assignment_of_odd_links_wants_positive_overlaps():
    a, m = np.array([1.0, 0.5]), np.array([[-0.9, 0.1], [0.2, 0.3]])
    third, fourth = rc.Link.hermite(3), rc.Link.hermite(4)
    np.testing.assert_array_equal(greedy_assignment(a, m, third), [1, 0])
    np.testing.assert_array_equal(greedy_assignment(a, m, fourth), [0, 1])
    np.testing.assert_array_equal(greedy_assignment(a, -abs(m), third), [-1, -1])


def test_typical_starts_take_either_sign_where_either_grows():
    """h_4 + 0.3 h_5: small overlaps of either sign grow, so a direction chooses among their sizes."""
    teacher = rc.Teacher([1.0], rc.Link.from_coefficients([0, 0, 0, 0, 1, 0.3]))
    np.testing.assert_allclose(rc.Start.typical(teacher, 9, 50).overlaps, largest_overlap(9, 50, 0.5, True))
