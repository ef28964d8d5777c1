"""`python -m jorney`."""

from jorney.cli import program

program()
