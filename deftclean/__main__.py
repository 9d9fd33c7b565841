"""`python -m deftclean`."""

from deftclean.cli import main

main()
