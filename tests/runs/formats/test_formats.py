"""Formats: text of any delimiter, gzip, JSON lines, NPZ, Parquet; and files refused."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from logs import CONFIG, HEADER, ROWS, assert_clean, log, refusal

import riccati as rc


@pytest.mark.parametrize("mark", [",", ";", "\t", " ", "|", " , ", "   "])
def test_delimiters(tmp_path, mark):
    assert_clean(rc.Run.load(log(tmp_path, [line.replace(",", mark) for line in (HEADER, *ROWS)])))


@pytest.mark.parametrize("name", ["run.csv", "run.TSV", "run.txt", "run.dat", "run.log"])
def test_text_extensions(tmp_path, name):
    assert_clean(rc.Run.load(log(tmp_path, name=name)))


@pytest.mark.parametrize("name", ["run.csv.gz", "run.csv"])
def test_gzip_whatever_the_name(tmp_path, name):
    path = log(tmp_path, name=name)
    text = path.read_bytes()
    path.write_bytes(gzip.compress(text[:30]) + gzip.compress(text[30:]))  # a member per job
    assert_clean(rc.Run.load(path))


def test_gzip_cut_short_keeps_whole_lines(tmp_path):
    path = log(tmp_path, [HEADER, *(f"{i},{0.5 / (i + 1)!r},0.1,0.2" for i in range(2000))])
    whole = rc.Run.load(path)
    packed = gzip.compress(path.read_bytes())
    path.write_bytes(packed[: len(packed) // 2])
    run = rc.Run.load(path)
    assert 100 < len(run.steps) < 1999
    np.testing.assert_array_equal(run.loss, whole.loss[: len(run.steps)])
    assert run.notes == ("the gzip stream stops early: read up to its last whole line",)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(tmp_path, encoding):
    path = log(tmp_path)
    path.write_text(path.read_text(), encoding=encoding)
    sidecar = tmp_path / "run.json"
    sidecar.write_text(sidecar.read_text(), encoding="utf-8-sig")
    assert_clean(rc.Run.load(path))


def test_comments_blank_lines_windows_ends_and_spaces(tmp_path):
    lines = [
        "# a log",
        "",
        " Step , LOSS,Overlap_1, overlap_2 ",
        "# resumed",
        *(f" {r} # ok" for r in ROWS),
        "",
    ]
    path = log(tmp_path, lines)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert_clean(rc.Run.load(path))


def test_header_in_a_comment_as_numpy_writes_it(tmp_path):
    path = log(tmp_path)
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    np.savetxt(path, table, header="step loss overlap_1 overlap_2")
    assert_clean(rc.Run.load(path))


def test_extra_columns_are_ignored(tmp_path):
    lines = ["note,step,loss,time,overlap_1,overlap_2,note", *(f'"a, b",{r[: r.index(",0.")]},{r.split(",")[1]},x,'
             f'{",".join(r.split(",")[2:])},' for r in ROWS)]  # fmt: skip
    assert_clean(rc.Run.load(log(tmp_path, lines)))


def test_numbers_are_read_to_the_last_bit(tmp_path):
    values = np.random.default_rng(0).random(300) * 10.0 ** np.arange(-150, 150)
    run = rc.Run.load(log(tmp_path, ["step,loss", *(f"{i},{v!r}" for i, v in enumerate(values.tolist()))]))
    np.testing.assert_array_equal(run.loss, values)


def test_npz(tmp_path):
    log(tmp_path)
    table = np.loadtxt(tmp_path / "run.csv", delimiter=",", skiprows=1)
    columns = dict(zip(HEADER.split(","), table.T, strict=True))
    extra = {"second": np.ones(7), "names": np.array([{}], dtype=object), "scalar": np.array(1.0)}
    np.savez(tmp_path / "run.npz", **columns, **extra)
    assert_clean(rc.Run.load(tmp_path / "run.npz"))


@pytest.mark.parametrize("name", ["run.jsonl", "run.ndjson.gz"])
def test_json_lines(tmp_path, name):
    names = HEADER.split(",")
    lines = [json.dumps(dict(zip(names, map(float, row.split(",")), strict=True)) | {"tag": "x"}) for row in ROWS]
    path = log(tmp_path, lines, name=name)
    if name.endswith("gz"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert_clean(rc.Run.load(path))


def test_messy_json_lines(tmp_path):
    lines = [
        '{"step": 0, "loss": 0.5}',
        '{"step": 1, "acc": 1}',
        '{"step": 2, "loss": NaN}',
        "[1]",
        '{"step": 3, "lo',
    ]
    run = rc.Run.load(log(tmp_path, lines, name="run.jsonl"))
    assert run.steps.tolist() == [0]
    assert run.notes == (
        "dropped 2 lines that cannot be read as a JSON object",
        "dropped 1 row with an empty or unreadable loss (the first at step 1)",
        "diverged from step 2 on: dropped 1 row with NaN or inf loss",
    )


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    log(tmp_path)
    pd.read_csv(tmp_path / "run.csv").set_index("step").to_parquet(tmp_path / "run.parquet")
    assert_clean(rc.Run.load(tmp_path / "run.parquet"))
    (tmp_path / "run.parquet").write_bytes(b"PAR1 not at all")
    assert "`path` must be a Parquet file" in refusal(tmp_path / "run.parquet")


def test_parquet_has_nan_for_what_was_not_logged(tmp_path):
    pytest.importorskip("pyarrow")
    columns = {"step": [0, 5, 10, 15], "loss": [0.5, np.nan, 0.25, np.nan], "overlap_1": [0.1, 0.2, 0.3, 0.4]}
    pd.DataFrame(columns).to_parquet(tmp_path / "run.parquet")
    run = rc.Run.load(tmp_path / "run.parquet")
    np.testing.assert_array_equal(run.loss, [0.5, np.nan, 0.25, np.nan])
    assert not any("diverged" in note for note in run.notes)


@pytest.mark.parametrize("indexed", [True, False])
def test_parquet_frames_are_read_like_tables(tmp_path, monkeypatch, indexed):
    log(tmp_path, name="run.pq")
    frame = pd.DataFrame([list(map(float, row.split(","))) for row in ROWS], columns=HEADER.split(","))
    frame = frame.astype({"step": "Int64"})
    monkeypatch.setattr(pd, "read_parquet", lambda file: frame.set_index("step") if indexed else frame)
    assert_clean(rc.Run.load(tmp_path / "run.pq"))


@pytest.mark.parametrize(
    ("error", "words"),
    [(ImportError("no engine"), "riccati-sgd[parquet]"), (ValueError("bad\nfile"), "(bad file)")],
)
def test_parquet_refusals(tmp_path, monkeypatch, error, words):
    def fail(file):
        raise error

    monkeypatch.setattr(pd, "read_parquet", fail)
    message = refusal(log(tmp_path, name="run.parquet"))
    assert "`path`" in message
    assert words in message


def test_sidecar_is_found_beside_a_gzipped_file_with_dots(tmp_path):
    path = tmp_path / "run.v2.csv.gz"
    path.write_bytes(gzip.compress("\n".join([HEADER, *ROWS, ""]).encode()))
    (tmp_path / "run.v2.json").write_text(json.dumps(CONFIG))
    assert_clean(rc.Run.load(path))


def test_no_sidecar(tmp_path):
    run = rc.Run.load(log(tmp_path, config=None), learning_rate=0.1, loss="risk")
    assert run.config == {"learning_rate": 0.1, "loss": "risk"}
    assert run.risk[0] == 0.5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "`path` must hold a run"),
        (b" \n\n", "which is empty"),
        (b"# only a comment\n", "`step` must be a column"),
        (
            b"era,loss\n0,1\n",
            "or one named by step_column, but is missing: the columns are era, loss.",
        ),
        (b"step,acc\n0,1\n", "`loss` must be a column, or risk, test_loss, train_loss"),
        (b"step,loss,LOSS\n0,1,1\n", "`loss` must be the name of one column"),
        (b"step,loss\n", "`path` must hold a row with a step and a finite loss"),
        (b"step,loss\n0,nan\n1,inf\n", "diverged from step 0 on: dropped 2 rows"),
        (b"step,loss\nx,1\n", "dropped 1 row whose step"),
        (b"\x00\xff\x80" * 20, "`step` must be a column"),
        (b"\x1f\x8b\x08 not gzip", "`path` must be sound gzip"),
    ],
)
def test_unreadable_tables(tmp_path, content, words):
    path = tmp_path / "run.csv"
    path.write_bytes(content)
    assert words in refusal(path)


def test_paths_refused(tmp_path):
    assert "`path` must be a file or a sample run (anisotropic, " in refusal(tmp_path / "none.csv")
    assert "a folder" in refusal(tmp_path)
    assert "`path` must end in one of .csv" in refusal(log(tmp_path, name="run.xlsx"))
    assert "`path` must hold a row" in refusal(log(tmp_path, ['{"step": 1}', '{"loss": 1}'], name="run.jsonl"))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (
            {"step": np.arange(3), "loss": np.ones(2)},
            "`loss` must have as many entries as step, (3,), but is (2,)",
        ),
        ({"step": np.arange(3), "loss": np.ones((3, 2))}, "`loss` must be a vector in the NPZ file"),
        ({"loss": np.ones(2)}, "`step` must be a column"),
        (
            {"step": np.arange(1), "loss": np.array([{}], dtype=object)},
            "`path` must be an NPZ file of numbers",
        ),
    ],
)
def test_npz_refusals(tmp_path, arrays, words):
    np.savez(tmp_path / "run.npz", **arrays)
    assert words in refusal(tmp_path / "run.npz")


@pytest.mark.parametrize("cut", [3, 100, 300])
def test_broken_npz(tmp_path, cut):
    path = tmp_path / "run.npz"
    np.savez(path, step=np.arange(3), loss=np.ones(3))
    path.write_bytes(path.read_bytes()[:cut])
    assert "`path` must be an NPZ file of numbers" in refusal(path)


def test_npy_under_the_name_of_npz(tmp_path):
    with (tmp_path / "run.npz").open("wb") as file:
        np.save(file, np.ones(3))
    assert "`path` must be an NPZ file of numbers" in refusal(tmp_path / "run.npz")
