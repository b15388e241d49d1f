"""The competition of neurons for directions: probabilities and joint draws against known escapes."""

import jax
import jax.numpy as jnp
import numpy as np

from riccati.laws.search_phase import Competition, competition_step, messages, winners_of


@jax.jit
def unlearned_after(distributions):
    """P(direction without a neuron) at the end, from escape probabilities (T, N, M)."""

    def step(pairs, escaped):
        return competition_step(*pairs, escaped, messages(pairs[0])[:-1] * escaped), None

    ones = jnp.ones(distributions.shape[1:])
    return messages(jax.lax.scan(step, (ones, ones), jnp.diff(distributions, axis=0))[0][0])[-1]


def test_one_neuron_goes_to_one_direction():
    """Two equal hazards: half of the probability each, which multiplying hazards would make 1 - 1/e."""
    escapes = 1 - np.exp(-np.linspace(0, 30, 3001))
    np.testing.assert_allclose(unlearned_after(np.tile(escapes[:, None, None], (1, 1, 2))), 0.5, atol=3e-3)


def test_competition_against_drawn_escape_times():
    """Four neurons, four directions, wide laws, so that loops count: by drawing times and matching greedily."""
    rng = np.random.default_rng(0)
    middle, width = rng.normal(size=(4, 4)), 0.5
    draws = middle + width * rng.normal(size=(4000, 4, 4))
    last = 0.8
    unlearned = np.zeros(4)
    for times in draws:
        free, open_ = np.ones(4, bool), np.ones(4, bool)
        for pair in np.argsort(times, axis=None):
            i, p = divmod(int(pair), 4)
            if times[i, p] > last:
                break
            if free[i] and open_[p]:
                free[i] = open_[p] = False
        unlearned += open_
    grid = np.linspace(-6, last, 600)[:, None, None]
    from scipy.special import ndtr

    np.testing.assert_allclose(unlearned_after(ndtr((grid - middle) / width)), unlearned / len(draws), atol=0.05)


def test_one_neuron_goes_to_one_direction_and_a_late_one_shares_it():
    """Known escapes: neuron 0 first to direction 0, neuron 1 there within its delay, neuron 2 to direction 1."""
    mean = np.array([[1.0, 1.5], [1.2, 2.0], [9.0, 4.0]])
    competition = Competition(
        times=np.array([0.0, 20.0]),
        reached=np.zeros((2, 3, 2)),
        mean=mean,
        spread=np.full(mean.shape, 1e-12),
        given=np.ones(2),
        delays=np.array([0.5, 0.5]),
        shared=np.asarray(1.0),
    )
    winners = winners_of(competition, 2, 0)
    np.testing.assert_allclose(winners.emerged, [[1.0, 4.0]] * 2)
    np.testing.assert_array_equal(winners.neuron, [[0, 2]] * 2)
    assert not winners.free.any()
    alone = winners_of(competition._replace(shared=np.asarray(0.0)), 1, 0)
    np.testing.assert_allclose(alone.emerged, [[1.0, 1.5]])
