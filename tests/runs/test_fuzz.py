"""Three thousand small files, most of them damaged: one line or a run, and no number that the file does not hold."""

import gzip
import io
import json
import random
import re

import numpy as np
import pytest

import riccati as rc

STEPS = ["step", "iter", "Global_Step", "_step", "epoch"]
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
