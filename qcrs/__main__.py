"""`python -m qcrs` is the `qcrs` command."""

from qcrs.cli import main

if __name__ == "__main__":
    main()
