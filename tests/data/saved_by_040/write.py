"""Write the files of this folder anew, with riccati 0.4.0 and nothing else: python write.py FOLDER

The numbers that each file must load to, or go on to, are written to expected.json as 0.4.0 finds them.
"""

import json
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import riccati as rc
from riccati import sgd
from riccati.sgd import driver
from riccati.support import Stopped, package_versions

H2, H3, H4, RELU = rc.Link.hermite(2), rc.Link.hermite(3), rc.Link.hermite(4), rc.Link.named("relu")


def numbers(values):
    """Nested lists of Python's own numbers; infinities and NaN as strings, which JSON has not."""
    if values is None:
        return None
    array = np.asarray(values)
    if array.ndim:
        return [numbers(v) for v in array]
    value = array.item()
    return value if not isinstance(value, float) or np.isfinite(value) else str(value)


# -------------------------------------------------------------------------------------------------------- trajectories


def rows(seed, width, dim):
    """Gaussian rows, to four digits."""
    return np.round(np.random.default_rng(seed).normal(size=(width, dim)), 4)


def problems():
    """name: (flow, teacher, start, times)."""
    two = rc.Teacher.power_law(3, 1.0, H2)
    start_2 = rc.Start.random(two, 4, 40, norm=0.1, seed=1)
    three = rc.Teacher.power_law(3, 1.0, H3)
    start_3 = rc.Start.random(three, 4, 40, norm=0.3, seed=2)
    long = np.geomspace(0.1, 20, 12)
    signed = rc.Teacher([0.8, -0.5, 0.3], H2)
    signed_3 = rc.Teacher([0.8, -0.6], H3)
    Theta, W = rows(3, 3, 20), rows(4, 4, 20) / 10
    correlated = rc.Teacher.from_directions(Theta, [1.0, 0.7, -0.4], H2)
    both = rc.Link.from_coefficients([0, 0, 0.8, 0, 0.6])
    mixed = rc.Teacher([0.9, 0.5, -0.3], both, links=[H2, both, H4])
    covariance = rc.Covariance([1.0, 0.6, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3, 0.1], preconditioned=False)
    under = rc.Teacher.power_law(2, 1.0, H2, covariance=covariance)
    both_under = rc.Teacher.from_directions(rows(5, 2, 10), [1.0, -0.5], H2, covariance=covariance)
    two_layer = rc.Teacher([0.8, -0.6], RELU)
    begun = rc.Start.random(two_layer, 4, 30, norm=0.4, seed=6).with_second_layer([0.4, -0.4, 0.3, -0.2])
    many = rc.Teacher.power_law(8, 0.8, H3)
    wide = rc.Teacher.power_law(5, 1.0, H4)
    return {
        "riccati": (rc.Riccati(), two, start_2, long),
        "quadratic": (rc.Quadratic(), two, start_2, long),
        "decoupled": (rc.Decoupled(), three, start_3, np.geomspace(0.1, 60, 12)),
        "decoupled_typical": (rc.Decoupled(), many, rc.Start.typical(many, 12, 10**4, 1e-2), np.geomspace(1, 400, 12)),
        "coupled": (rc.Coupled(), three, start_3, np.geomspace(0.1, 60, 12)),
        "correlation": (rc.Correlation(), wide, rc.Start.random(wide, 8, 50, seed=4), np.geomspace(0.1, 60, 12)),
        "finite_step_left_out": (rc.FiniteStep(0.05), two, start_2, long),
        "finite_step_stiefel": (rc.FiniteStep(0.05, "stiefel", student_scale=0.4), two, start_2, long),
        "finite_step_homogeneous": (rc.FiniteStep(0.05, "homogeneous"), two, start_2, long),
        "finite_step_own": (rc.FiniteStep(0.01, pairs="own"), three, start_3, np.geomspace(0.1, 60, 12)),
        "finite_step_all": (rc.FiniteStep(0.01, pairs="all", rtol=1e-7), three, start_3, np.geomspace(0.1, 60, 12)),
        "signed_quadratic": (rc.Quadratic(), signed, rc.Start.random(signed, 4, 40, norm=0.1, seed=5), long),
        "signed_decoupled": (rc.Decoupled(), signed_3, rc.Start.random(signed_3, 6, 40, norm=0.3, seed=5),
                             np.geomspace(0.1, 60, 12)),
        "correlated": (rc.Quadratic(), correlated, rc.Start.from_weights(W, Theta), long),
        "mixed_links": (rc.Coupled(), mixed, rc.Start.random(mixed, 4, 30, norm=0.4, seed=6),
                        np.geomspace(0.1, 20, 12)),
        "covariance": (rc.Coupled(), under, rc.Start.random(under, 3, 10, norm=0.2, seed=12),
                       np.geomspace(0.1, 30, 12)),
        "covariance_directions": (rc.Coupled(), both_under, rc.Start.from_weights(rows(8, 3, 10) / 10, rows(5, 2, 10),
                                  covariance), np.geomspace(0.1, 30, 12)),
        "two_layer": (rc.Coupled(), two_layer, begun, np.geomspace(0.1, 20, 12)),
    }  # fmt: skip


def write_trajectories(folder):
    folder.mkdir()
    found = {}
    for name, (flow, teacher, start, times) in problems().items():
        seen = rc.solve(flow, teacher, start, times)
        seen.save(folder / f"{name}.npz")
        seen = rc.Trajectory.load(folder / f"{name}.npz")
        found[name] = {
            "flow": type(seen.flow).__name__,
            "settings": seen.provenance["settings"],
            "outcome": name_of(seen),
            "times": numbers(seen.times[::4]),
            "risk": numbers(seen.risk[::4]),
            "emergence_times": numbers(seen.emergence_times()),
            "final_alignment": numbers(seen.alignment[-1]),
            "final_radius": None if seen.radius is None else numbers(seen.radius[-1]),
            "a": numbers(seen.teacher.a),
            "information_exponents": numbers(seen.teacher.information_exponents),
            "second_moment": numbers(seen.teacher.second_moment),
            "start": type(seen.start).__name__,
            "student_width": int(seen.start.student_width),
            "dim": seen.start.dim,
            "norms": numbers(seen.start.norms),
        }
        # what the flow, teacher and start that were read lead to when they are solved again
        again = rc.solve(seen.flow, seen.teacher, seen.start, seen.times)
        found[name]["final_risk_again"] = numbers(again.risk[-1])
    return found


def name_of(seen):
    from riccati.numerics import name_of as of

    return of(seen.outcome)


# --------------------------------------------------------------------------------------------------------- checkpoints

EXPERIMENTS = {
    "direct": {"degree": 3, "engine": "direct", "batch_size": 2},
    "in_law": {"degree": 3, "engine": "in_law", "batch_size": 1},
    "stiefel": {"degree": 2, "engine": "stiefel", "batch_size": 4},
    "stiefel_direct": {"degree": 2, "engine": "stiefel_direct", "batch_size": 1},
    "two_layer": {"link": "relu", "second_layer": [0.4, -0.3, 0.5], "engine": "in_law", "batch_size": 4},
    "power_law": {"degree": 3, "engine": "in_law", "batch_size": 1, "schedule": {"exponent": 0.5, "scale": 100.0}},
    "per_direction": {"degree": 3, "engine": "direct", "batch_size": 1, "follows": True},
    "three_seeds": {"degree": 2, "engine": "in_law", "batch_size": 1, "seeds": [0, 3, 7]},
    "finished": {"degree": 2, "engine": "in_law", "batch_size": 1, "finished": True},
}
RATE, STEPS, HALF = 2e-3, 120, 60
LOGGED = tuple(range(0, STEPS + 1, 12))


def experiment_of(said):
    """Teacher of two directions, three neurons in R^50 with |w| = 0.5."""
    link = rc.Link.named(said["link"]) if "link" in said else rc.Link.hermite(said["degree"])
    teacher = rc.Teacher.power_law(2, 1.0, link)
    start = rc.Start.random(teacher, 3, 50, norm=0.5, seed=1)
    if "second_layer" in said:
        start = start.with_second_layer(said["second_layer"])
    rate = sgd.PowerLaw(RATE, **said["schedule"]) if "schedule" in said else RATE
    rate = sgd.PerDirection(RATE) if said.get("follows") else rate
    experiment = sgd.Experiment(
        teacher=teacher, start=start, learning_rate=rate, steps=STEPS, logged=LOGGED, engine=said["engine"],
        batch_size=said["batch_size"],
    )  # fmt: skip
    return experiment


def interrupted_half_way(experiment, seeds, path):
    """As by Ctrl-C at the first call of the compiled loop from step HALF on."""
    steps = driver.take_steps

    def interrupting(dynamics, keys, chains, rates, count):
        if int(chains.step) >= HALF:
            signal.raise_signal(signal.SIGINT)
        return steps(dynamics, keys, chains, rates, count)

    driver.take_steps = interrupting
    try:
        experiment.ensemble(seeds, path)
    except Stopped:
        return
    finally:
        driver.take_steps = steps
    raise RuntimeError(f"{path.name} was not interrupted")


def write_checkpoints(folder):
    folder.mkdir()
    found = {}
    for name, said in EXPERIMENTS.items():
        experiment, seeds, path = experiment_of(said), said.get("seeds", [2]), folder / f"{name}.checkpoint"
        if said.get("finished"):
            experiment.ensemble(seeds, path)
        else:
            interrupted_half_way(experiment, seeds, path)
        # the start, to the bit, for versions that draw others; its flow and times do not matter
        begin = folder / f"start_{said['link'] if 'link' in said else said['degree']}.npz"
        if not begin.exists():
            rc.solve(rc.Coupled(rtol=1e-3), experiment.teacher, experiment.start, [0.01]).save(begin)
        whole, held = experiment.ensemble(seeds), checkpoint_of(path)
        found[name] = {
            **said,
            "seeds": seeds,
            "learning_rate": RATE,
            "steps": STEPS,
            "logged": list(LOGGED),
            "stopped_at_step": int(held["chains_step"]),
            "start": begin.name,
            "logged_steps": numbers(whole.steps),
            "times": numbers(whole.times),
            "risk": numbers(whole.risk),
            "overlaps": numbers(whole.overlaps[:, -1]),
            "final_overlaps": numbers(whole.final_overlaps),
        }
    return found


def checkpoint_of(path):
    """The arrays of a checkpoint: a line, the SHA-256 digest of what follows, and an NPZ archive."""
    import io

    with np.load(io.BytesIO(path.read_bytes()[len(b"riccati checkpoint\n") + 32 :])) as held:
        return dict(held)


# ---------------------------------------------------------------------------------------------------------------- runs


def small(teacher, start, **settings):
    """A short simulated run."""
    return sgd.simulate(
        teacher, start, **{"learning_rate": 5e-3, "batch_size": 16, "steps": 2000, "rows": 25, "seed": 3} | settings
    )


def simulated():
    """name: a run of 0.4.0's own simulation."""
    two, three = rc.Teacher.power_law(2, 1.0, H2), rc.Teacher.power_law(2, 1.0, H3)
    start_2, start_3 = (rc.Start.random(t, 3, 60, norm=0.3, seed=1) for t in (two, three))
    groups = rc.Covariance(np.repeat([1.0, 0.5, 0.2], [2, 30, 30]))
    under = rc.Teacher.power_law(2, 1.0, H2, covariance=groups)
    layer = rc.Teacher([0.8, -0.6], RELU)
    Theta = rows(9, 2, 40)
    correlated = rc.Teacher.from_directions(Theta, [1.0, -0.5], H2)
    both = rc.Link.from_coefficients([0, 0, 0.8, 0, 0.6])
    mixed = rc.Teacher([0.9, 0.5], both, links=[H2, both])
    return {
        "homogeneous": small(two, start_2),
        "stiefel": small(two, start_2, engine="stiefel"),
        "schedule": small(three, start_3, learning_rate=sgd.PowerLaw(6e-3, 0.3, 300.0)),
        "covariance": small(under, rc.Start.random(under, 3, 62, norm=0.3, seed=1)),
        "two_layer": small(layer, rc.Start.random(layer, 3, 60, norm=0.4, seed=1).with_second_layer([0.4, -0.4, 0.3])),
        "correlated": small(correlated, rc.Start.from_weights(rows(10, 3, 40) / 20, Theta)),
        "mixed_links": small(mixed, rc.Start.random(mixed, 3, 60, norm=0.3, seed=1),
                             learning_rate=5e-4),
        "diverged": small(three, start_3, learning_rate=0.05, batch_size=1, engine="direct"),
    }  # fmt: skip


def plain_loop(rng, Theta, W, b, error, steps, log):
    """Plain SGD, logged every 40 steps: b is None for f = Σ |w|² h_2(<x,w>/|w|), else f = Σ b relu(<x,w>)."""
    eta, a, batch = 4e-3, np.array([0.8, 0.6]), 32
    for step in range(steps + 1):
        if step % 40 == 0:
            log(step, W) if b is None else log(step, W, b)
        X = rng.standard_normal((batch, W.shape[1])) * error
        inside = X @ W.T
        if b is None:
            along = X @ (Theta / np.linalg.norm(Theta * error, axis=1, keepdims=True)).T
            wrong = (along**2 - 1) @ a / np.sqrt(2) - (inside**2 - ((W * error) ** 2).sum(1)).sum(1) / np.sqrt(2)
            W = W + eta * np.sqrt(2) * ((wrong[:, None] * inside).T @ X / batch - wrong.mean() * W * error**2)
        else:
            wrong = np.maximum(X @ Theta.T, 0) @ a - np.maximum(inside, 0) @ b
            step_b = eta * np.maximum(inside, 0).T @ wrong / batch
            W = W + eta * b[:, None] * ((wrong[:, None] * (inside > 0)).T @ X) / batch
            b = b + step_b


def recorded():
    """name: a recorder that has logged a plain loop."""
    found = {}
    for name, link, covariance in (
        ("recorder_h2", H2, None),
        ("recorder_relu", RELU, None),
        ("recorder_covariance", H2, rc.Covariance(np.linspace(1.5, 0.5, 12))),
    ):
        rng, dim = np.random.default_rng(11), 12 if covariance is not None else 40
        teacher = rc.Teacher([0.8, 0.6], link, covariance=covariance)
        Theta = np.eye(2, dim)
        log = rc.Recorder(teacher, Theta, learning_rate=4e-3, batch_size=32, training_loss="0.5*(f*-f)^2")
        W = 0.3 * rng.standard_normal((3, dim)) / np.sqrt(dim) * (1 if link is H2 else 2)
        b = None if link is H2 else np.array([0.5, -0.3, 0.4])
        scale = 1.0 if covariance is None else np.sqrt(np.asarray(covariance.eigenvalues))
        plain_loop(rng, Theta, W, b, scale, 1000, log)
        found[name] = log
    return found


def write_runs(folder):
    folder.mkdir()
    for name, run in simulated().items():
        run.save(folder / f"{name}.csv")
    for name, log in recorded().items():
        log.save(folder / f"{name}.csv")
    for suffix in ("npz", "jsonl", "parquet"):  # the same table and keys, as other programs would write them
        kept = pd.read_csv(folder / "homogeneous.csv")
        path = folder / f"as_{suffix}.{suffix}"
        if suffix == "npz":
            np.savez(path, **{column: kept[column].to_numpy() for column in kept})
        elif suffix == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in kept.to_dict("records")))
        else:
            kept.to_parquet(path)
        path.with_suffix(".json").write_text((folder / "homogeneous.json").read_text())
    found = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix != ".json"):
        run = rc.Run.load(path)
        found[path.name] = {
            "kind": run.kind,
            "overlap": run.overlap,
            "steps": numbers(run.steps[::6]),
            "times": numbers(run.times[::6]),
            "risk": numbers(run.risk[::6]),
            "final_overlaps": numbers(run.overlaps[-1]),
            "time_per_step": None if run.clock is not None else numbers(run.time_per_step),
            "init_norm": numbers(run.init_norm),
            "assumed": list(run.assumed),
            "notes": list(run.notes),
            "second_moment": numbers(run.teacher.second_moment),
            "a": numbers(run.teacher.a),
            "start_overlaps": numbers(run.start.teacher_overlaps),
            "start_norms": numbers(run.start.norms),
            "start_second_layer": numbers(run.start.second_layer),
        }
    return found


# -------------------------------------------------------------------------------------------------------------- sweeps

SWEPT = """
def swept(seed, beta):
    import numpy as np

    draws = np.random.default_rng(seed).normal(size=4) * beta
    return {"mean": draws.mean(), "draws": draws, "late": np.inf if seed else -0.0, "label": f"beta {beta}", "even": 2}
"""
GRID = {"seed": [0, 1, 2], "beta": [0.5, 1.0]}


def write_sweeps(folder):
    """A finished table, and the journal of one that stopped after three points."""
    folder.mkdir()
    held = {"__name__": "swept"}  # of no file, so that its source does not tell sweeps apart
    exec(SWEPT, held)
    table = rc.sweep(held["swept"], GRID, folder / "finished.parquet", workers=0)
    provenance = table.attrs["provenance"]
    columns = [c for c in table if c not in GRID]
    lines = [json.dumps(provenance)]
    for index in range(3):
        result = {c: v.tolist() if isinstance(v := table[c][index], np.ndarray) else v for c in columns}
        lines.append(json.dumps([index, {c: v.item() if isinstance(v, np.generic) else v for c, v in result.items()}]))
    (folder / "stopped.parquet.journal").write_text("\n".join(lines) + "\n")
    return {
        "source": SWEPT,
        "grid": GRID,
        "provenance": provenance,
        "columns": list(table),
        "mean": numbers(table["mean"].to_numpy()),
        "draws": numbers(np.stack(list(table["draws"]))),
    }


def main(folder):
    assert rc.__version__ == "0.4.0", f"these are files of 0.4.0, not {rc.__version__}"
    assert package_versions()["riccati-sgd"] == "0.4.0"
    folder.mkdir(parents=True, exist_ok=True)
    found = {"versions": package_versions()}
    for name, write in (
        ("trajectories", write_trajectories),
        ("checkpoints", write_checkpoints),
        ("runs", write_runs),
        ("sweeps", write_sweeps),
    ):
        found[name] = write(folder / name)
    text = json.dumps(found, allow_nan=False)
    (folder / "expected.json").write_text(text + "\n", encoding="utf-8")
    whole = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    print(f"{sum(p.is_file() for p in folder.rglob('*'))} files, {whole / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
