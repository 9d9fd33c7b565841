"""Files of the Hugging Face hub: those on this machine, and those that may be fetched."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from deftclean.core.errors import WeightsError


def hub_file(
    repository: str,
    names: tuple[str, ...],
    offline: bool,
    announce: Callable[[str], None],
    ways_out: str,
) -> Path:
    """The first of `names` that the local cache holds, or else that can be fetched.

    Args:
        repository: of the Hugging Face hub.
        names: files, the preferred one first.
        offline: never fetch.
        announce: told before anything is fetched.
        ways_out: what else the user can do.

    Raises:
        WeightsError: none can be had; the message says what was tried.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )
    from huggingface_hub.utils import logging as hub_logging

    for name in names:
        # Not hf_hub_download with local_files_only: it asks the hub who is asking.
        with contextlib.suppress(OSError, ValueError, EntryNotFoundError):
            found = try_to_load_from_cache(repository, name)
            if isinstance(found, str):
                return Path(found)
    tried = f"the local Hugging Face cache ({', '.join(names)})"
    if offline:
        raise WeightsError(
            f"The weights of {repository} are not on this machine; tried {tried}; --offline "
            "forbids fetching them.",
            ways_out,
        )
    announce(f"fetching {names[0]} of {repository} from the Hugging Face hub (once)")
    cast(Any, hub_logging).set_verbosity_error()  # it would tell of every retry
    reason = ""
    for name in names:
        try:
            # The newest, as the user named it; a detector then knows its weights by their hash.
            return Path(hf_hub_download(repository, name))  # nosec B615
        except LocalEntryNotFoundError as error:  # no network
            reason = _first_line(error)
            break
        except EntryNotFoundError as error:  # no such file: try the next name
            reason = _first_line(error)
        except (OSError, ValueError, RuntimeError, HfHubHTTPError, HFValidationError) as error:
            reason = _first_line(error)
            break
    raise WeightsError(
        f"The weights of {repository} cannot be had; tried {tried} and the hub: {reason}",
        ways_out,
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def sha256_of(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
