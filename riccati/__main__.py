"""`python -m riccati`, the same as the command `riccati`."""

from .cli import main

if __name__ == "__main__":  # which processes that it starts do not run again
    main()
