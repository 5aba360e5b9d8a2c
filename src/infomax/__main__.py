"""`python -m infomax` runs the command line."""

from infomax.cli import main

main()
