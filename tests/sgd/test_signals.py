"""`riccati simulate` under signals at random times: it stops in order and resumes to the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import riccati as rc

_COMMAND = (
    "--teacher-width 2 --student-width 3 --dim 500 --norm 0.3 --link he3 --learning-rate 1e-6 --steps 300000 --rows 20"
)
_ROOT = Path(rc.__file__).parents[1]


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGTERM)


def started(*folders):
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, str(Path(__file__).with_name("worker.py")), *map(str, folders), *_COMMAND.split()]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def ending(process):
    """The exit code that the worker prints next, None if it is killed before."""
    for line in process.stdout:
        if line.startswith("exit"):
            return int(line.split()[1])
    return None


def test_signals_at_random_times_change_no_byte(tmp_path):
    out, whole, draw = tmp_path / "signalled", tmp_path / "whole", random.Random(0)
    process, codes, said = started(out, whole), [], ""
    for number in _SIGNALS:
        assert "begin" in next(line for line in process.stdout if not line.startswith("wrote"))
        time.sleep(draw.uniform(0.0, 0.3))
        process.send_signal(number)
        code = ending(process)
        codes.append(code)
        if code is None:
            said += process.communicate()[1]
            process = started(out, whole)
        assert not (out / "run.csv").exists()  # else the run is too short to be stopped
    assert ending(process) == 0
    assert ending(process) == 0
    said += process.communicate()[1]
    assert codes == [None if number == signal.SIGKILL else 128 + number for number in _SIGNALS]
    lines = [line for line in said.splitlines() if line.strip()]
    assert len(lines) == len(_SIGNALS) - 1
    assert all(line.startswith("Stopped by SIG") for line in lines)
    for folder in (out, whole):
        assert sorted(os.listdir(folder)) == ["run.csv", "run.json", "run.png"]
    for name in ("run.csv", "run.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
