"""Thousands of small files and tables, many of them damaged: one line or a run, and no number that they do not hold."""

import gzip
import io
import json
import random
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import riccati as rc

STEPS = ["step", "iter", "Global_Step", "_step", "epoch"]
OTHERS = [
    "trainer/global_step", "samples", "lr", "lr-SGD", "learning_rate", "run_id", "epoch", "val_loss", "_step", "iter",
    "lr-Adam", "loss", "canonical_time",
]  # fmt: skip
ODD = [None, np.nan, np.inf, -1.0, 0.5, 1e300, "1,000", "0,5", "1.000", "x", True, 2**60, 1j, np.ma.masked, [1.0], b"1"]
LOSSES = ["loss", "risk", "test_loss", "train_loss", "acc"]
CELLS = ["", "nan", "inf", "-inf", "x", "1_0", "0x1p3", "１", "1e999", "1.000", "-1", "1e3", "9" * 400, "null", "#"]
JUNK = [b"\0", b"\xff\xfe", b"\n\n", b"\r", b"\r\n", b'"', b"# ", b",,", b"\x1b[31m", b"step,loss\n", b"e"]
KEYS = ["dim", "beta", "learning_rate", "loss", "overlap", "kind", "link", "second_layer", "lr", "initial_overlaps"]
VALUES = [1, -1, 2.5, 10**40, None, True, "relu", "he3", "risk", [], [1, 2], [[1]], {}, "x" * 1000, 1e999]


def table(random):
    """A log's column names and rows of text, mostly sound."""
    width = random.randrange(3)
    names = [random.choice(STEPS[:4]), random.choice(LOSSES[:4]), *(f"overlap_{m + 1}" for m in range(width))]
    rows = []
    for step in range(random.randrange(8)):
        row = [str(10 * step), *(repr(random.random()) for _ in names[1:])]
        if random.random() < 0.2:
            row[random.randrange(len(row))] = random.choice(CELLS)
        rows.append(row)
    if random.random() < 0.1:
        random.shuffle(rows)
    if random.random() < 0.1:
        names[random.randrange(len(names))] = random.choice([*names, "epoch", "acc", ""])
    return names, rows


def text_of(random, names, rows):
    mark = random.choice(",,,;\t| ")
    lines = [mark.join(names), *(mark.join(row) for row in rows)]
    if random.random() < 0.1:
        lines.insert(random.randrange(len(lines)), random.choice(lines))
    return ("\n".join(lines) + "\n" * random.randrange(2)).encode()


def lines_of(random, names, rows):
    return b"".join(json.dumps(dict(zip(names, row, strict=True))).encode() + b"\n" for row in rows)


def npz_of(random, names, rows):
    columns = {}
    for name, column in zip(names, zip(*rows, strict=True), strict=False):
        if name:
            numbers = [float(cell) if re.fullmatch(r"-?[0-9.e+]+", cell) else np.nan for cell in column]
            columns[name] = np.array(numbers)[: random.choice([None] * 20 + [1])]
    buffer = io.BytesIO()
    np.savez(buffer, **columns)
    return buffer.getvalue()


FORMS = [("run.csv", text_of), ("run.csv", text_of), ("run.txt", text_of), ("run.jsonl", lines_of), ("run.npz", npz_of)]


def damaged(random, raw):
    for _ in range(random.choice([0, 0, 1, 1, 2])):
        at = random.randrange(len(raw) + 1)
        kind = random.randrange(4)
        if kind == 0:
            raw = raw[:at]
        elif kind == 1:
            raw = raw[:at] + random.choice(JUNK) + raw[at:]
        elif raw[at : at + 1]:
            raw = raw[:at] + bytes([random.randrange(256)]) + raw[at + 1 :]
    return raw


def numbers_in(raw):
    """Every number that a text holds between its marks, to be compared with what was loaded."""
    held = set()
    for encoding in ("utf-8", "utf-16"):
        for token in re.split(r"[,;|\s\"#:{}\[\]]+", raw.decode(encoding, "replace")):
            if re.fullmatch(r"[1-9]\d{0,2}(\.\d{3})+", token):  # a point may part thousands in a column of steps
                held.add(float(token.replace(".", "")))
            try:
                held.add(float(token.strip("'\ufeff")))
            except ValueError:
                continue
    return held


@pytest.mark.parametrize("seed", range(6))
def test_fuzzed_files(tmp_path, seed):
    draw, loaded = random.Random(seed), 0
    for _ in range(500):
        name, form = draw.choice(FORMS)
        raw = damaged(draw, form(draw, *table(draw)))
        path, sidecar = tmp_path / name, tmp_path / "run.json"
        path.write_bytes(gzip.compress(raw, 1) if draw.random() < 0.1 else raw)
        config = {draw.choice(KEYS): draw.choice(VALUES) for _ in range(draw.choice([0, 0, 0, 1]))}
        sidecar.write_bytes(damaged(draw, json.dumps(config).encode()) if config else b"{}")
        try:
            run = rc.Run.load(path)
        except rc.ArgumentError as error:
            message = str(error)
            problem = None if message.isprintable() and len(message) <= 600 else message
            assert problem is None
            continue
        loaded += 1
        assert run.loss is None or not np.isinf(run.loss).any()
        if form is not npz_of:
            held = numbers_in(raw)
            assert set(run.steps.tolist()) <= held
            assert run.loss is None or set(run.loss[np.isfinite(run.loss)].tolist()) <= held
    assert loaded > 150


def column(random, rows):
    """What a loop appends to a list, step after step, with few odd things among it."""
    kind = random.randrange(6)
    values = [
        [10 * i, 1 + i, i % 3, 0.5 ** i, 0.25, str(10 * i)][kind]
        for i in range(rows)
    ]  # fmt: skip
    for _ in range(random.choice([0, 0, 0, 1, 2])):
        values[random.randrange(rows)] = random.choice(ODD)
    return values if random.random() < 0.9 else values[:-1]


def frame_of(random):
    """A table in memory; of the library's own refusals there is none, as it could then not be made."""
    rows = random.randrange(1, 8)
    names = random.sample([*STEPS, *LOSSES, *OTHERS, "overlap_1", "overlap_2", "overlaps"], random.randrange(1, 6))
    columns = {name: column(random, rows) for name in ["step", "loss"][: random.randrange(3)] + names}
    make = random.choice([dict, dict, pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.table, "rows"])
    if make == "rows":
        return [{name: held[i] for name, held in columns.items() if i < len(held)} for i in range(rows)]
    try:
        return make(columns)
    except Exception:
        return columns


@pytest.mark.parametrize("seed", range(3))
def test_fuzzed_tables(tmp_path, seed):
    draw, loaded = random.Random(seed), 0
    for _ in range(200):
        keys = {key: value for key, value in (("batch_size", 8), ("steps_per_epoch", 100)) if draw.random() < 0.7}
        frame = frame_of(draw)
        try:
            run = rc.Run.from_frame(frame, **keys)
        except rc.ArgumentError as error:
            message = str(error)
            assert message.isprintable()
            assert len(message) <= 600
            continue
        loaded += 1
        assert run.loss is None or not np.isinf(run.loss).any()
        assert "Run" in repr(run)
        assert np.all(np.diff(run.steps) > 0)
        run.save(tmp_path / "run.csv")
        again = rc.Run.load(tmp_path / "run.csv")
        np.testing.assert_array_equal(again.steps, run.steps)
        np.testing.assert_array_equal(again.loss, run.loss)
        assert again.config == run.config
        assert again.assumed == run.assumed
        assert (again.clock is None) == (run.clock is None)
        assert run.clock is None or again.times.tolist() == run.times.tolist()
    assert loaded > 40


@pytest.mark.parametrize("seed", range(2))
def test_fuzzed_logs_with_many_columns(tmp_path, seed):
    draw, loaded = random.Random(seed), 0
    for _ in range(300):
        names, rows = table(draw)
        more = draw.sample(OTHERS, draw.randrange(1, 4))
        cells = [[draw.choice([str(i), "0.5", "", *CELLS[:6], "1,5"]) for _ in more] for i in range(len(rows))]
        rows = [row + other for row, other in zip(rows, cells, strict=True)]
        (tmp_path / "run.csv").write_bytes(damaged(draw, text_of(draw, names + more, rows)))
        keys = ("batch_size", "steps_per_epoch", "learning_rate", "schedule", "optimizer", "training_loss", "kind")
        odd = {draw.choice(keys): draw.choice(VALUES)} if draw.random() < 0.3 else {}
        try:
            run = rc.Run.load(tmp_path / "run.csv", **{"batch_size": 8, "steps_per_epoch": 100} | odd)
        except rc.ArgumentError as error:
            message = str(error)
            problem = None if message.isprintable() else message
            assert problem is None
            continue
        loaded += 1
        assert np.all(np.diff(run.steps) > 0)
        assert run.clock is None or np.all(np.diff(run.clock) > 0)
    assert loaded > 60
