"""`python -m figures`, the same as `riccati figures`."""

import sys

from riccati.cli import main

sys.argv[1:1] = ["figures"]
main()
