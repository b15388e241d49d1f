"""Gives one command to `riccati simulate` until it is done, then once more for another folder; to be signalled.

It prints a line as it begins, and one with each exit code.
"""

import signal
import sys

import riccati.cli


def simulated(command, out):
    """The exit code of `riccati simulate`."""
    print("begin", flush=True)
    sys.argv = ["riccati", "simulate", *command, "--out", out]
    try:
        riccati.cli.main()
    except SystemExit as end:
        print("exit", end.code, flush=True)
        return end.code


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # between two commands
    folders, command = sys.argv[1:3], sys.argv[3:]
    for out in folders:
        while simulated(command, out) != 0:
            pass
