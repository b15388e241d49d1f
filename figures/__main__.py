"""`python -m figures`, the same as `riccati figures`."""

import sys

from riccati.cli import main

if __name__ == "__main__":  # which processes that it starts do not run again
    sys.argv[1:1] = ["figures"]
    main()
