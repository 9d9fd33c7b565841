"""`python -m deftclean`, and the command `deftclean`."""

import sys

from deftclean.core.signals import Signals, occupy_standard_streams


def main() -> None:
    """Run the command line and exit with its code; Ctrl-C is heard before anything is loaded."""
    signals = Signals()
    signals.install()
    occupy_standard_streams()
    from deftclean.cli.main import run_process

    sys.exit(run_process(sys.argv[1:], signals))


if __name__ == "__main__":
    main()
