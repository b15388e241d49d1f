"""The cache of compiled programs: where it lies, that it can be turned off, and that it is never a failure."""

import os
import subprocess
import sys

import pytest

from riccati.cli import use_cache

ASK = "from riccati.cli import use_cache; print(use_cache()); import jax; print(jax.config.jax_compilation_cache_dir)"


def ask(**environment):
    mine = ("RICCATI_CACHE", "XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR", "LOCALAPPDATA")
    env = {key: value for key, value in os.environ.items() if key not in mine} | environment
    return subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("inside", ["", "a/b"])
def test_a_named_folder_is_made_and_used(tmp_path, inside):
    folder = str(tmp_path / inside)
    assert ask(RICCATI_CACHE=folder) == [folder, folder]
    assert os.path.isdir(folder)


def test_the_users_folder_by_default(tmp_path):
    home = {name: str(tmp_path) for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME")}
    ours, jaxs = ask(**home)
    assert ours == jaxs
    assert ours.startswith(str(tmp_path))
    assert f"{os.sep}riccati{os.sep}" in ours


def test_off_and_a_users_own_choice(tmp_path):
    assert ask(RICCATI_CACHE="off") == ["None", "None"]
    theirs = str(tmp_path / "theirs")
    assert ask(RICCATI_CACHE=str(tmp_path / "ours"), JAX_COMPILATION_CACHE_DIR=theirs)[1] == theirs


def test_a_folder_that_cannot_be_made_is_no_failure(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "o"):
        monkeypatch.setenv("RICCATI_CACHE", str(folder))
        assert use_cache() is None
