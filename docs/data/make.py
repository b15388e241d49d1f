"""The logs in this folder: one SGD run in plain numpy, written as Keras's CSVLogger and as an export of W&B write it.

`python docs/data/make.py` writes them again. The student is f(x) = Σ |w_i|² h_2(⟨x, w_i⟩/|w_i|), the loss that is
descended (f* - f)², a mean squared error without a half.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
D, M, N, BATCH, EVERY, STEPS, SEED = 100, 3, 4, 16, 100, 6000, 5
RATE, DECAYED = 2e-3, 5e-4
HALF = STEPS // 2


def main() -> None:
    """Run SGD twice, at a fixed and at a decayed learning rate, and write the two logs."""
    a = 1 / np.arange(1.0, M + 1)
    a /= np.linalg.norm(a)
    known = {
        "kind": "two_homogeneous", "information_exponent": 2, "dim": D, "teacher_width": M, "student_width": N,
        "beta": 1.0, "batch_size": BATCH, "training_loss": "mse", "loss": "mse", "init_norm": 0.1,
    }  # fmt: skip
    start, rows, _ = trained(a, lambda step: RATE)
    keras = [(n, f"{train:.6f}", f"{test:.6f}") for n, (_, train, test, _) in enumerate(rows[1:])]
    write(
        "keras", ("epoch", "loss", "val_loss"), keras, known | start | {"learning_rate": RATE, "steps_per_epoch": EVERY}
    )
    start, rows, overlaps = trained(a, lambda step: RATE if step < HALF else DECAYED)
    header = (
        "",
        "_runtime",
        "_timestamp",
        "_step",
        "lr",
        "train/loss",
        "test/loss",
        "overlap_1",
        "overlap_2",
        "overlap_3",
    )
    wandb = [
        (n, f"{2.1 * n:.1f}", f"{1.7e9 + 2.1 * n:.1f}", step, rate, f"{train:.6f}", f"{test:.6f}", *overlap)
        for n, ((step, train, test, rate), overlap) in enumerate(zip(rows, overlaps, strict=True))
    ]
    write("wandb", header, wandb, known | start | {"overlap": "subspace"})


def trained(a, rate):
    """Online SGD: the start's overlaps and Gram matrix as keys, rows (step, both losses, η), and ‖Pθ_m‖² at each."""
    rng = np.random.default_rng(SEED)
    W = rng.standard_normal((N, D))
    W *= 0.1 / np.linalg.norm(W, axis=1, keepdims=True)
    held = rng.standard_normal((4000, D))
    U = W / np.linalg.norm(W, axis=1, keepdims=True)
    start = {"initial_overlaps": U[:, :M].round(6).tolist(), "initial_student_gram": (U @ U.T).round(6).tolist()}
    rows, overlaps, losses = [], [], []
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            test = np.mean(error_of(held, W, a) ** 2)
            rows.append((step, np.mean(losses) if losses else test, test, rate(step)))
            overlaps.append([f"{np.sum(q**2):.6f}" for q in np.linalg.qr(W.T)[0][:M]])
            losses = []
        X = rng.standard_normal((BATCH, D))
        error = error_of(X, W, a)
        losses.append(np.mean(error**2))
        W = W + 2 * rate(step) * np.sqrt(2) * ((error[:, None] * (X @ W.T)).T @ X / BATCH - error.mean() * W)
    return start, rows, overlaps


def error_of(X, W, a):
    """f* - f at samples X (B, d)."""
    return ((X[:, :M] ** 2 - 1) @ a - ((X @ W.T) ** 2 - (W**2).sum(axis=1)).sum(axis=1)) / np.sqrt(2)


def write(name, header, rows, keys):
    """A CSV file, and the problem beside it as JSON."""
    with (HERE / f"{name}.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    (HERE / f"{name}.json").write_text(json.dumps(keys, indent=1) + "\n")


if __name__ == "__main__":
    main()
