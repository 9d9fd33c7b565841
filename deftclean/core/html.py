"""What every HTML page of ours is made with: templates that escape, and rules by content.

Knows no page.
"""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def page_environment(assets: Path, **filters: Callable[..., Any]) -> Environment:
    """Templates of a folder; every text is escaped, and a name that is not given is an error.

    Args:
        assets: folder of the templates.
        filters: by the name that templates call them.
    """
    environment = Environment(
        loader=FileSystemLoader(assets),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment


def content_hash(text: str) -> str:
    """What a page's rules call a style or script that it holds: `sha256-…`."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
