"""Where things lie."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""

PACKAGE = ROOT / "deftclean"
SCHEMAS = Path(__file__).parent / "schemas"

SHARED_DATA = ROOT.parent / "shared" / "data"
"""Research data sets beside the checkout; tests that use them skip where it is absent."""
