"""Runs: what is read, what is left out and said, what is refused, and that saving loses no bit."""

import gzip
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import riccati as rc

CONFIG = {
    "kind": "two_homogeneous",
    "information_exponent": 4,
    "dim": 50,
    "teacher_width": 2,
    "student_width": 3,
    "beta": 1.0,
    "learning_rate": 0.01,
    "batch_size": 8,
    "init_norm": 0.1,
    "loss": "0.5*(f*-f)^2",
}
STIEFEL = {
    "kind": "stiefel_quadratic",
    "teacher_width": 2,
    "student_width": 1,
    "beta": 1.0,
    "riccati_step": 0.01,
}
HEADER = "step,loss,overlap_1,overlap_2"
ROWS = ["0,0.5,0.01,0.02", "10,0.25,0.5,0.03", "20,0.125,0.9,0.4"]
GRAM = np.eye(3).tolist()
OVERLAPS = [[0.1, 0.2], [0.0, -0.1], [0.3, 0.0]]


def log(folder, lines=(HEADER, *ROWS), config=CONFIG, name="run.csv"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    if config is not None:
        (folder / f"{name.split('.')[0]}.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return path


def refusal(*args, **kwargs):
    with pytest.raises(rc.ArgumentError) as caught:
        rc.Run.load(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("Argument `")
    assert message.endswith(".")
    return message


def assert_clean(run):
    np.testing.assert_array_equal(run.steps, [0, 10, 20])
    np.testing.assert_array_equal(run.loss, [0.5, 0.25, 0.125])
    np.testing.assert_array_equal(run.overlaps, [[0.01, 0.02], [0.5, 0.03], [0.9, 0.4]])
    assert run.notes == ()


# --- samples -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "last", "directions", "neurons", "exponent"),
    [
        ("hermite4", 60.0, 6, 24, 4),
        ("quadratic-homogeneous", 60.0, 16, 12, 2),
        ("quadratic-stiefel", 112400 * 0.0005333333333333334 / 2, 16, 8, 2),
    ],
)
def test_samples(name, last, directions, neurons, exponent):
    run = rc.Run.load(name)
    assert run.steps.shape == (201,)
    assert run.steps.dtype == np.int64
    assert run.times[0] == 0
    assert run.times[-1] == pytest.approx(last, rel=1e-14)
    assert run.risk[0] == pytest.approx(1, abs=2e-3)
    assert run.risk[-1] < 0.1
    assert run.overlaps.shape == (201, directions)
    assert run.notes == ()
    assert run.teacher.width == directions
    assert run.teacher.link.degree == exponent
    assert run.start.teacher_overlaps.shape == (neurons, directions)
    assert run.start.dim == run.config["dim"]


def test_samples_are_listed_and_given_way_to_by_files_of_the_same_name(tmp_path, monkeypatch):
    assert set(rc.sample_runs()) == {"hermite4", "quadratic-homogeneous", "quadratic-stiefel"}
    assert all(path.is_file() and path.with_suffix(".json").is_file() for path in rc.sample_runs().values())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hermite4").write_text("step,loss\n")
    assert "`path` must end in one of .csv" in refusal("hermite4")


def test_hermite4_start_is_the_logged_one():
    run = rc.Run.load("hermite4")
    np.testing.assert_array_equal(run.start.teacher_overlaps, run.config["initial_overlaps"])
    np.testing.assert_allclose(run.start.student_gram, run.config["initial_student_gram"], atol=1e-12)
    np.testing.assert_array_equal(run.start.norms, np.full(24, 0.05))


def test_stiefel_start_is_transposed_orthonormal_and_of_unit_norm():
    run = rc.Run.load("quadratic-stiefel")
    np.testing.assert_array_equal(run.start.teacher_overlaps, np.transpose(run.config["initial_overlaps"]))
    np.testing.assert_allclose(run.start.student_gram, np.eye(8), atol=1e-12)
    np.testing.assert_array_equal(run.start.norms, np.ones(8))


def test_importing_runs_leaves_pandas_alone():
    code = "import sys, riccati.runs; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- clocks, risk, teacher, start --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "rate", "factor"), [("0.5*(f*-f)^2", 0.01, 2), ("(f*-f)^2", 0.02, 1), ("risk", 0.01, None)]
)
@pytest.mark.parametrize("link", ["he4", "relu"])  # relu has E f*^2 ≠ 1
def test_clock_and_risk_follow_the_convention(tmp_path, loss, rate, factor, link):
    config = {k: v for k, v in CONFIG.items() if k != "information_exponent"} | {"loss": loss, "link": link}
    run = rc.Run.load(log(tmp_path, config=config))
    np.testing.assert_allclose(run.times, rate * np.array([0, 10, 20]), rtol=1e-15)
    moment = float(run.teacher.second_moment)
    assert (link == "he4") == (abs(moment - 1) < 1e-12)
    expected = run.loss if factor is None else factor * run.loss / moment
    np.testing.assert_allclose(run.risk, expected, rtol=1e-15)


@pytest.mark.parametrize("loss", [None, "after the optimal radial fit", "0.5*(f*-f)^2"])
def test_stiefel_clock_and_risk(tmp_path, loss):
    run = rc.Run.load(log(tmp_path, config=STIEFEL | ({} if loss is None else {"loss": loss})))
    np.testing.assert_allclose(run.times, [0, 0.05, 0.1], rtol=1e-15)
    np.testing.assert_array_equal(run.risk, run.loss)
    assert run.teacher.link.degree == 2
    assert run.notes == ()


def test_link_by_coefficients_and_second_layer(tmp_path):
    config = {"link": [0, 0, 0.6, 0.8], "second_layer": [0.8, 0.6], "learning_rate": 1}
    run = rc.Run.load(log(tmp_path, config=config))
    np.testing.assert_allclose(run.teacher.a, [0.8, 0.6], rtol=1e-15)
    np.testing.assert_array_equal(run.teacher.link.coefficients, [0, 0, 0.6, 0.8])


def test_second_layer_of_another_norm_is_said(tmp_path):
    (note,) = rc.Run.load(log(tmp_path, config=CONFIG | {"second_layer": [3, 4]})).notes
    assert note.startswith("second_layer has norm 5:")


@pytest.mark.parametrize(("config", "kind"), [({}, "two_homogeneous"), ({"riccati_step": 1e-3}, "stiefel_quadratic")])
def test_kind_is_inferred(tmp_path, config, kind):
    assert rc.Run.load(log(tmp_path, config=config)).kind == kind


def test_overrides_replace_keys_unless_none(tmp_path):
    run = rc.Run.load(log(tmp_path), learning_rate=0.5, beta=None, information_exponent=2)
    assert run.times[-1] == 10
    assert run.config["beta"] == 1
    assert run.teacher.link.degree == 2


def test_an_override_beats_the_key_that_would_hide_it(tmp_path):
    path = log(tmp_path, config=CONFIG | {"link": [0, 0, 0, 0, 1], "second_layer": [0.8, 0.6]})
    run = rc.Run.load(path, beta=0.0, information_exponent=3)
    np.testing.assert_allclose(run.teacher.a, [0.5**0.5] * 2)
    assert run.teacher.link.degree == 3


def test_start_without_gram_is_said(tmp_path):
    run = rc.Run.load(log(tmp_path, config=CONFIG | {"initial_overlaps": OVERLAPS}))
    (note,) = run.notes
    assert "initial_student_gram" in note
    residual = np.asarray(run.start.student_gram) - np.asarray(OVERLAPS) @ np.transpose(OVERLAPS)
    np.testing.assert_allclose(residual - np.diag(np.diag(residual)), 0, atol=1e-15)
    np.testing.assert_allclose(np.diag(run.start.student_gram), 1)


def test_start_takes_a_list_of_norms(tmp_path):
    config = CONFIG | {"initial_overlaps": OVERLAPS, "initial_student_gram": GRAM, "init_norm": [1, 2, 3]}
    gram = (np.eye(3) + 0.0).tolist()
    run = rc.Run.load(log(tmp_path, config=config | {"initial_student_gram": gram}))
    np.testing.assert_array_equal(run.start.norms, [1, 2, 3])
    assert run.notes == ()


def test_no_initial_overlaps_no_start(tmp_path):
    assert rc.Run.load(log(tmp_path)).start is None


@pytest.mark.parametrize(
    ("key", "read"),
    [
        ("learning_rate", "times"),
        ("information_exponent", "teacher"),
        ("beta", "risk"),
        ("teacher_width", "teacher"),
        ("init_norm", "start"),
        ("riccati_step", "times"),
    ],
)
def test_missing_keys_are_refused_when_asked_for(tmp_path, key, read):
    config = CONFIG | {"initial_overlaps": OVERLAPS, "initial_student_gram": GRAM}
    if key == "riccati_step":
        config = STIEFEL
    run = rc.Run.load(log(tmp_path, config=config | {key: None}))
    with pytest.raises(rc.ArgumentError) as caught:
        getattr(run, read)
    where = "in the run's JSON file or on the command line"
    assert str(caught.value) == f"Argument `{key}` must be given, {where}, but is missing."


# --- loss columns ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["loss", "risk", "train_loss", "population_loss", "test_loss"])
def test_loss_columns(tmp_path, column):
    config = {k: v for k, v in CONFIG.items() if k != "loss"}
    run = rc.Run.load(log(tmp_path, [HEADER.replace("loss", column), *ROWS], config))
    if column == "risk":
        assert run.notes == ()
        np.testing.assert_array_equal(run.risk, run.loss)
    else:
        assert run.notes == (f"what the column {column} holds is not said: assumed 0.5*(f*-f)^2",)
        np.testing.assert_allclose(run.risk, 2 * run.loss)


def test_named_loss_column(tmp_path):
    path = log(tmp_path, ["step,loss,Mine", "0,9,0.5", "1,9,0.25"])
    np.testing.assert_array_equal(rc.Run.load(path, loss_column=" mine").loss, [0.5, 0.25])
    assert "`loss_column` must be a column, but is yours: the columns are step, loss, mine." in refusal(
        path, loss_column="yours"
    )


# --- formats -----------------------------------------------------------------------------------------------------


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
    path.write_bytes(gzip.compress("\n".join([HEADER, *ROWS]).encode()))
    (tmp_path / "run.v2.json").write_text(json.dumps(CONFIG))
    assert_clean(rc.Run.load(path))


def test_no_sidecar(tmp_path):
    run = rc.Run.load(log(tmp_path, config=None), learning_rate=0.1, loss="risk")
    assert run.config == {"kind": "two_homogeneous", "learning_rate": 0.1, "loss": "risk"}
    assert run.risk[0] == 0.5


# --- messy logs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "notes"),
    [
        (ROWS[::-1], ["steps were not in order: sorted"]),
        (
            [ROWS[0], "10,7,0,0", "20,7,0,0", *ROWS[1:]],
            [
                "steps were not in order: sorted",
                "dropped 2 rows of repeated steps, the later row of each is kept",
            ],
        ),
        ([*ROWS, "30,0.06"], ["dropped 1 line with fewer fields than the header (the last, cut short)"]),
        (
            [*ROWS, '30,"0.06,0.1,0'],
            ["dropped 1 line with fewer fields than the header (the last, cut short)"],
        ),
        (
            ["5", *ROWS, "30,0.06"],
            ["dropped 2 lines with fewer fields than the header (the first of them line 2)"],
        ),
        (
            [ROWS[0], "5,1,1,1,1", *ROWS[1:]],
            ["dropped 1 line with more fields than the header (the first of them line 3)"],
        ),
        ([*ROWS, "30,0.1.2,1,1"], ["dropped 1 row with an empty or unreadable loss (the first at step 30)"]),
        (
            [ROWS[0], "5,,0,0", *ROWS[1:]],
            ["dropped 1 row with an empty or unreadable loss (the first at step 5)"],
        ),
        ([*ROWS, "10,,0,0"], ["dropped 1 row with an empty or unreadable loss (the first at step 10)"]),
        (
            [*ROWS, "30,inf,0,0", "40,nan,0,0"],
            ["diverged from step 30 on: dropped 2 rows with NaN or inf loss"],
        ),
        ([ROWS[0], "5,-inf,0,0", *ROWS[1:]], ["dropped 1 row with NaN or inf loss"]),
        (
            [ROWS[0], "5,NaN,0,0", *ROWS[1:], "30,NaN,0,0"],
            [
                "diverged from step 30 on: dropped 1 row with NaN or inf loss",
                "dropped 1 row with NaN or inf loss",
            ],
        ),
        (
            [HEADER, "-1,1,0,0", "0.5,1,0,0", "inf,1,0,0", "1e30,1,0,0", ",1,0,0", *ROWS],
            ["dropped 6 rows whose step is no whole number ≥ 0"],
        ),
    ],
)
def test_what_is_dropped_is_said(tmp_path, rows, notes):
    path = log(tmp_path, [HEADER, *rows])
    before = path.read_bytes()
    run = rc.Run.load(path)
    assert list(run.notes) == notes
    np.testing.assert_array_equal(run.steps, [0, 10, 20])
    np.testing.assert_array_equal(run.loss, [0.5, 0.25, 0.125])
    np.testing.assert_array_equal(run.overlaps, [[0.01, 0.02], [0.5, 0.03], [0.9, 0.4]])
    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"run.csv", "run.json"}


def test_an_earlier_finite_row_does_not_hide_a_later_divergence(tmp_path):
    run = rc.Run.load(log(tmp_path, [HEADER, *ROWS, "20,nan,0,0"]))
    assert run.steps.tolist() == [0, 10]
    assert run.notes[-1] == "diverged from step 20 on: dropped 1 row with NaN or inf loss"


def test_overlaps_not_logged(tmp_path):
    assert rc.Run.load(log(tmp_path, ["step,loss", "0,1"])).overlaps is None
    assert rc.Run.load(log(tmp_path, [HEADER, "0,1,,"])).overlaps is None


def test_overlaps_out_of_range_missing_and_clipped(tmp_path):
    rows = ["0,1,-5e-7,1.0000005", "1,1,0.5,1.1", "2,1,-0.01,0.5", "3,1,,0.5", "4,1,inf,0.5", "5,1,x,0.25"]
    run = rc.Run.load(log(tmp_path, [HEADER, *rows]))
    gone = [np.nan, np.nan]
    np.testing.assert_array_equal(run.overlaps, [[0, 1], gone, gone, [np.nan, 0.5], gone, [np.nan, 0.25]])
    assert run.notes == (
        "overlaps are missing or unreadable in 2 rows",
        "overlaps outside [0, 1] in 3 rows: taken as unknown there",
    )


def test_overlap_columns_in_any_order(tmp_path):
    run = rc.Run.load(log(tmp_path, ["overlap_02,step,overlap_1,loss", "0.2,0,0.1,1"]))
    np.testing.assert_array_equal(run.overlaps, [[0.1, 0.2]])


@pytest.mark.parametrize(
    ("columns", "config", "words"),
    [
        ("overlap_1,overlap_3", CONFIG, "`overlap_2` must be a column, as overlap_3 is, but is missing"),
        ("overlap_0,overlap_1", CONFIG, "`overlap_0` must be no column"),
        ("overlap_1,overlap_1", CONFIG, "`overlap_1` must be the name of one column, but is that of 2"),
        ("overlap_1,x", CONFIG, "`overlap_2` must be the last overlap column"),
        ("overlap_1,overlap_2", CONFIG | {"teacher_width": 1}, "`overlap_1` must be the last overlap column"),
        ("overlap_1,x", {"second_layer": [0.6, 0.8]}, "`overlap_2` must be the last overlap column"),
    ],
)
def test_overlap_columns_that_do_not_fit(tmp_path, columns, config, words):
    assert words in refusal(log(tmp_path, [f"step,loss,{columns}", "0,1,0.1,0.1"], config))


# --- files refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "`path` must hold a run"),
        (b" \n\n", "which is empty"),
        (b"# only a comment\n", "`step` must be a column"),
        (b"epoch,loss\n0,1\n", "`step` must be a column, but is missing: the columns are epoch, loss."),
        (b"step,acc\n0,1\n", "`loss` must be a column, or risk, train_loss"),
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
    assert "`path` must be a file or a sample run (hermite4, " in refusal(tmp_path / "none.csv")
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


@pytest.mark.parametrize(
    ("sidecar", "words"),
    [
        ('{"dim": 3,\n "beta" 1}', "`run.json` must be valid JSON, but is broken at line 2, column 9 ("),
        ("", "broken at line 1, column 1"),
        ("[1]", "`run.json` must hold one JSON object"),
        ("3", "`run.json` must hold one JSON object"),
    ],
)
def test_sidecars_refused(tmp_path, sidecar, words):
    assert words in refusal(log(tmp_path, config=sidecar))


# --- keys refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "adam"),
        *((key, bad) for key in ("information_exponent", "dim", "teacher_width", "student_width", "batch_size")
          for bad in (0, -1, 1.5, "many", True, [1])),
        *((key, bad) for key in ("learning_rate", "riccati_step", "student_scale", "init_norm")
          for bad in (0, -1, float("nan"), float("inf"), "much", {})),
        *(("beta", bad) for bad in (-1, float("nan"), "steep")),
        ("dim", 1),
        ("dim", 2),  # < student_width
        ("loss", "mse"),
        ("loss", 1),
        ("link", "tanhh"),
        ("link", [0, 0]),
        ("link", [1]),
        ("link", ["a"]),
        ("link", 4),
        ("link", "relu"),  # information exponent 1, not 4
        ("second_layer", [1, -1]),
        ("second_layer", [1, 0]),
        ("second_layer", [1, 2, 3]),
        ("second_layer", []),
        ("second_layer", 1),
        ("second_layer", [1, float("nan")]),
        ("init_norm", [1, 2]),
        ("init_norm", [1, 2, -3]),
        ("initial_overlaps", 1),
        ("initial_overlaps", [[0.1, 0.2], [0.3]]),
        ("initial_overlaps", [[0.1, 0.2]]),
        ("initial_overlaps", np.transpose(OVERLAPS).tolist()),
        ("initial_overlaps", [[0.1, float("inf")], [0, 0], [0, 0]]),
        ("initial_overlaps", [[0.1, "x"], [0, 0], [0, 0]]),
        ("initial_overlaps", [[1, 1], [0, 0], [0, 0]]),
        ("initial_student_gram", np.eye(2).tolist()),
        ("initial_student_gram", [[1, 0, 0]]),
        ("initial_student_gram", (2 * np.eye(3)).tolist()),
        ("initial_student_gram", [[1, 0.5, 0], [0, 1, 0], [0, 0, 1]]),
        ("initial_student_gram", [[1, 2, 0], [2, 1, 0], [0, 0, 1]]),
    ],
)  # fmt: skip
def test_keys_that_cannot_be_meant(tmp_path, key, value):
    config = CONFIG | ({"initial_overlaps": OVERLAPS} if key == "initial_student_gram" else {})
    named = "information_exponent" if (key, value) == ("link", "relu") else key
    message = refusal(log(tmp_path, config=config | {key: value}))
    assert message.startswith(f"Argument `{named}` must ")
    assert "teacher_overlaps" not in message
    assert "`student_gram" not in message
    assert refusal(log(tmp_path, config=config), **{key: value}) == message


def test_an_unknown_loss_names_the_known_ones(tmp_path):
    message = refusal(log(tmp_path), loss="mse")
    assert message == "Argument `loss` must be one of 0.5*(f*-f)^2, (f*-f)^2, risk, but is 'mse'."


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("information_exponent", 3),
        ("link", "relu"),
        ("initial_overlaps", [[0.1, 0.2]]),
        ("initial_overlaps", [[1.0], [0.1]]),
    ],
)
def test_stiefel_keys_that_cannot_be_meant(tmp_path, key, value):
    assert refusal(log(tmp_path, config=STIEFEL | {key: value})).startswith(f"Argument `{key}` must ")


@pytest.mark.parametrize(
    ("arrays", "name"),
    [
        (([], [], None), "steps"),
        (([0, 0], [1.0, 1.0], None), "steps"),
        (([0, 1], [1.0], None), "loss"),
        (([0, 1], [1.0, 1.0], [0.1, 0.2]), "overlaps"),
        (([0], [1.0], [[0.1], [0.2]]), "overlaps"),
    ],
)
def test_runs_made_by_hand_are_checked(arrays, name):
    steps, loss, overlaps = (None if a is None else np.array(a) for a in arrays)
    with pytest.raises(rc.ArgumentError, match=f"^Argument `{name}` must "):
        rc.Run(steps, loss, overlaps, {})


# --- saving ------------------------------------------------------------------------------------------------------


def assert_same(a, b):
    assert a.steps.tobytes() == b.steps.astype(np.int64).tobytes()
    assert a.loss.tobytes() == b.loss.tobytes()
    assert (a.overlaps is None) == (b.overlaps is None)
    if a.overlaps is not None:
        np.testing.assert_array_equal(a.overlaps, b.overlaps)
    assert a.config == b.config
    assert a.notes == b.notes


@pytest.mark.parametrize("name", ["hermite4", "quadratic-homogeneous", "quadratic-stiefel"])
def test_samples_survive_saving(tmp_path, name):
    run = rc.Run.load(name)
    run.save(tmp_path / "sub" / "again.csv")
    again = rc.Run.load(tmp_path / "sub" / "again.csv")
    assert_same(again, run)
    assert sorted(p.name for p in (tmp_path / "sub").iterdir()) == ["again.csv", "again.json"]


def test_notes_and_unknown_overlaps_survive_saving(tmp_path):
    config = {k: v for k, v in CONFIG.items() if k != "loss"}
    run = rc.Run.load(log(tmp_path, [HEADER, "5,1,,0.5", "0,1,0.1,0.2", "9,nan,0,0"], config))
    assert len(run.notes) == 4
    run.save(tmp_path / "clean.csv")
    assert_same(rc.Run.load(tmp_path / "clean.csv"), run)


@given(
    steps=st.lists(st.integers(0, 2**53 - 1), min_size=1, max_size=8, unique=True),
    width=st.integers(0, 3),
    data=st.data(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_saving_loses_no_bit(tmp_path, steps, width, data):
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    shares = st.floats(0, 1).map(abs)  # no -0.0, which is clipped to 0.0
    loss = data.draw(st.lists(numbers, min_size=len(steps), max_size=len(steps)))
    row = st.lists(shares, min_size=width, max_size=width)
    overlaps = data.draw(st.lists(row, min_size=len(steps), max_size=len(steps)))
    config = {"kind": "two_homogeneous", "loss": "risk", "learning_rate": data.draw(st.floats(1e-300, 1e200))}
    notes = tuple(data.draw(st.lists(st.text(), unique=True, max_size=2)))
    run = rc.Run(np.sort(steps), np.array(loss), np.array(overlaps) if width else None, config, notes)
    run.save(tmp_path / "run.csv")
    again = rc.Run.load(tmp_path / "run.csv")
    assert_same(again, run)
    np.testing.assert_array_equal(again.times, run.times)


def test_numpy_values_in_the_config_can_be_saved(tmp_path):
    config = CONFIG | {
        "initial_overlaps": np.array(OVERLAPS),
        "init_norm": np.full(3, 0.1),
        "dim": np.int64(50),
    }
    run = rc.Run(np.arange(2), np.ones(2), None, config | {"initial_student_gram": np.eye(3)})
    run.save(tmp_path / "run.csv")
    again = rc.Run.load(tmp_path / "run.csv")
    assert again.config["initial_overlaps"] == OVERLAPS
    np.testing.assert_array_equal(again.start.weights, run.start.weights)


@pytest.mark.parametrize("name", ["run.csv.gz", "run.npz", "run"])
def test_only_csv_is_written(tmp_path, name):
    with pytest.raises(rc.ArgumentError, match=r"^Argument `path` must end in \.csv, but is "):
        rc.Run.load("hermite4").save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["run.csv", "run.csv.gz", "run.jsonl"])
def test_the_users_files_are_not_replaced(tmp_path, name):
    lines = ['{"step": 0, "loss": 1}'] if name.endswith("jsonl") else [HEADER, *ROWS]
    run = rc.Run.load(log(tmp_path, lines, name=name))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(rc.ArgumentError, match=r"^Argument `path` must have another name than the run's own file"):
        run.save(tmp_path / "run.csv")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_failed_save_leaves_nothing(tmp_path):
    run = rc.Run(np.arange(2), np.ones(2), None, {"odd": object()})
    with pytest.raises(AttributeError):
        run.save(tmp_path / "run.csv")
    assert list(tmp_path.iterdir()) == []


def test_repr_is_an_aligned_block(tmp_path):
    run = rc.Run.load(log(tmp_path, [HEADER, *ROWS[::-1]]))
    lines = repr(run).splitlines()
    assert lines[0] == "Run"
    assert "  kind     two_homogeneous" in lines
    assert "  steps    3 from 0 to 20" in lines
    assert "  loss     0.5 to 0.125 (0.5*(f*-f)^2)" in lines
    assert "  overlaps of 2 directions" in lines
    assert "  note     steps were not in order: sorted" in lines
