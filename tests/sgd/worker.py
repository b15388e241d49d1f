"""Gives one command to `riccati simulate` until it is done, then once more for another folder; to be signalled.

It prints a line when a signal will be heeded, and one with each exit code.
"""

import sys

import riccati.cli
from riccati.support import orderly_stop


def simulated(command, out):
    """The exit code of `riccati simulate`."""
    sys.argv = ["riccati", "simulate", *command, "--out", out]
    with orderly_stop():
        print("begin", flush=True)
        try:
            riccati.cli.main()
        except SystemExit as end:
            code = end.code
    print("exit", code, flush=True)
    return code


if __name__ == "__main__":
    folders, command = sys.argv[1:3], sys.argv[3:]
    for out in folders:
        while simulated(command, out) != 0:
            pass
