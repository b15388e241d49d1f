"""Files that are not, or are far too much: refused before they are read, or at a stated bound."""

import gzip
import io
import os
import zipfile

import numpy as np
import pytest
from logs import HEADER, ROWS, log, refusal

import riccati as rc
from riccati.runs import is_run_file


@pytest.fixture
def small(monkeypatch):
    """A bound that a test reaches in no time."""
    monkeypatch.setattr("riccati.runs.formats.files.LARGEST", 2**20)
    monkeypatch.setattr("riccati.runs.formats.structured.LARGEST", 2**20)


@pytest.mark.parametrize("content", [b"\0", b"\n", b"step,loss\n" + b"0,1\n"])
def test_gzip_bombs_end_at_the_bound(small, tmp_path, content):
    path = tmp_path / "run.csv"
    path.write_bytes(gzip.compress(content * 2**21))
    assert "`path` must unpack to at most 1 MiB: log fewer rows" in refusal(path)


def test_npz_bombs_end_before_they_are_unpacked(small, tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(2**18))
    with zipfile.ZipFile(tmp_path / "run.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("step", "loss"):
            archive.writestr(f"{name}.npy", buffer.getvalue())
    assert "`path` must unpack to at most 1 MiB" in refusal(tmp_path / "run.npz")


def test_large_files_are_refused(monkeypatch, tmp_path):
    path = log(tmp_path)
    monkeypatch.setattr("riccati.runs.formats.files.read_file.__defaults__", (8,))
    assert "`path` must hold at most 0 MiB: log fewer rows" in refusal(path)


def test_pipes_and_devices_are_never_opened(tmp_path):
    os.mkfifo(tmp_path / "run.csv")
    assert "a pipe, socket or device" in refusal(tmp_path / "run.csv")
    os.symlink(tmp_path / "run.csv", tmp_path / "linked.csv")
    assert "a pipe, socket or device" in refusal(tmp_path / "linked.csv")
    os.symlink("/dev/zero", tmp_path / "zero.csv")
    assert "a pipe, socket or device" in refusal(tmp_path / "zero.csv")
    good = tmp_path / "good.csv"
    good.write_text("\n".join([HEADER, *ROWS, ""]))
    os.mkfifo(tmp_path / "good.json")
    assert "a pipe, socket or device" in refusal(good)


@pytest.mark.parametrize("name", ["a\0b.csv", "x" * 5000 + ".csv"])
def test_names_that_no_file_has(name):
    assert "`path` must be a file or a sample run" in refusal(name)


def test_what_a_file_holds_is_not_echoed_raw(tmp_path):
    (tmp_path / "run.csv").write_bytes(b"a\x00b\x1b[31m,c\n0,1\n")
    message = refusal(tmp_path / "run.csv")
    assert message.isprintable()
    assert "\x1b" not in message


def test_a_message_has_an_end(tmp_path):
    (tmp_path / "run.csv").write_text(",".join(f"column{i}" for i in range(5000)) + "\n0\n")
    assert len(refusal(tmp_path / "run.csv")) <= 600


def test_sample_runs_are_files():
    assert all(is_run_file(path) for path in rc.sample_runs().values())
