"""The law of one pair against its diffusion, simulated by diffrax's Euler-Maruyama (Itô)."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import riccati as rc
from riccati.laws.search_phase import diffusion_at, rest_energy, step_size

X0 = 2.4


@eqx.filter_jit
def simulated(teacher, overlap, step, level, horizon, keys, steps):
    """Canonical emergence times of the first direction, inf where not by the horizon, to horizon/steps.

    Nothing but the direction itself is learned on the way. Each path stops where it crosses, and carries its time.
    """
    link, a = teacher.link, teacher.a[0]
    rest = rest_energy(link.dual(1.0) * teacher.a**2, jnp.ones(teacher.width))[0]

    def on_way(m):
        return ((jnp.abs(m) if link.either_sign else m) < jnp.sqrt(level)).astype(float)

    def drift(_, state, __):
        here = diffusion_at(link, jnp.clip(state[0], -1.0, 1.0), step)
        return on_way(state[0]) * jnp.stack([here.drift(a, rest), jnp.ones(())])

    def spread(_, state, __):
        here = diffusion_at(link, jnp.clip(state[0], -1.0, 1.0), step)
        return on_way(state[0]) * jnp.stack([jnp.sqrt(here.variance(a, rest)), jnp.zeros(())])

    def path(key):
        noise = diffrax.ControlTerm(spread, diffrax.UnsafeBrownianPath((), key))
        end = diffrax.diffeqsolve(
            diffrax.MultiTerm(diffrax.ODETerm(drift), noise), diffrax.Euler(),
            t0=0.0, t1=horizon, dt0=horizon / steps, y0=jnp.stack([overlap, jnp.zeros(())]),
            saveat=diffrax.SaveAt(t1=True), adjoint=diffrax.DirectAdjoint(), max_steps=steps + 2,
        ).ys[0]  # fmt: skip
        return jnp.where(on_way(end[0]) > 0, jnp.inf, end[1])

    return jax.lax.map(path, keys, batch_size=1000)


@pytest.mark.large
@pytest.mark.parametrize(("degree", "strength"), [(3, 0.5), (4, 0.3)])
def test_against_simulated_diffusions(degree, strength):
    """Kolmogorov's distance of 1500 paths: √n D < 1.63 in 99 of 100 samples."""
    dim, samples = 1200, 1500
    scale = dim ** (degree / 2 - 1)
    teacher = rc.Teacher([1.0], rc.Link.hermite(degree))
    start = rc.Start([[X0 / np.sqrt(dim)]], norms=1e-2, dim=dim)
    sgd = rc.SGD(strength * dim ** (-degree / 2))
    law = rc.emergence_law(teacher, start, sgd)
    horizon = float(law.quantile(0.95)[0])
    at = [jnp.asarray(value) for value in (X0 / np.sqrt(dim), 0.5, horizon)]
    keys = jax.random.split(jax.random.key(0), samples)
    times = np.asarray(simulated(teacher, at[0], step_size(sgd, dim), at[1], at[2], keys, 1500))
    emerged = np.sort(times[np.isfinite(times)])
    assert emerged[-1] <= horizon < 10 * scale
    expected = np.interp(emerged, law.times, law.distribution[:, 0])
    rank = np.arange(len(emerged)) / samples
    assert np.sqrt(samples) * np.abs(expected - rank).max() < 1.7
