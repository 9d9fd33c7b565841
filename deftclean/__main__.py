"""`python -m deftclean`."""

from deftclean.cli.main import main

main()
