"""`python -m riccati`, the same as the command `riccati`."""

from .cli import main

main()
