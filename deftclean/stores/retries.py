"""Network errors: tried again, a few times and longer and longer, and then one message.

That something is not there is no network error, and the other way round: a store that does not
answer never makes a picture `missing`.
"""

import errno
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from deftclean.core.errors import DeftcleanError, InputError, RunError
from deftclean.stores.urls import Url

WAITS = (0.5, 1.5, 4.0)
"""Seconds between tries."""

DEFINITE = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)
"""Answers of a store, which another try would not change."""

_LOCAL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE)
_NOT_PASSING = ("NoCredentialsError", "PartialCredentialsError", "ParamValidationError")
_NO_CREDENTIALS = re.compile(r"credential|anonymous caller|DefaultAzure", re.IGNORECASE)
_THERE_ALREADY = 412  # of a write that is to make and not to replace
_ABSENT = (404, 410)
_REFUSED = (400, 401, 403, 405, 412, 416)  # statuses of HTTP that another try does not change

Answer = TypeVar("Answer")


def retried(url: Url, doing: str, call: Callable[[], Answer]) -> Answer:
    """What a call answers, tried again where the network may be to blame.

    Args:
        url: what it is about, for the message.
        doing: "read", "listed", "written".
        call: may be called several times.

    Raises:
        FileNotFoundError, FileExistsError: the store says so.
        InputError: it refuses us.
        RunError: it did not answer, or not well, in all tries; or the disk here is full.
    """
    for wait in (*WAITS, None):
        try:
            return call()
        except (*DEFINITE, DeftcleanError) as answer:
            if (hidden := hidden_in(answer)) is None:
                raise
            error: Exception = hidden
        except Exception as other:  # noqa: BLE001 - each package raises errors of its own
            error = other
        if _status(error) == _THERE_ALREADY:
            raise FileExistsError(str(url)) from error
        if not passing(error):
            raise refusal(url, doing, error) from error
        if wait is None:
            raise gave_up(url, doing, error) from error
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def each_retried(
    asked: Sequence[int],
    url_of: Callable[[int], Url],
    doing: str,
    ask: Callable[[Sequence[int]], Iterable[bytes | Exception]],
) -> dict[int, bytes | None]:
    """The same of many that are asked for together; those that fail are asked for again.

    Args:
        asked: their numbers.
        url_of: what a number is about, for the message.
        doing: as `retried`.
        ask: answers some numbers, in order.

    Returns:
        by number; None where the store says that there is nothing

    Raises:
        InputError, RunError: as `retried`.
    """
    found: dict[int, bytes | None] = {}
    left = list(asked)
    for wait in (*WAITS, None):
        again = []
        for at, answer in zip(left, ask(left), strict=True):
            if isinstance(answer, bytes):
                found[at] = answer
                continue
            error = hidden_in(answer) or answer
            if isinstance(error, FileNotFoundError):
                found[at] = None
            elif not passing(error):
                raise refusal(url_of(at), doing, error) from error
            elif wait is None:
                raise gave_up(url_of(at), doing, error) from error
            else:
                again.append(at)
        if not again:
            break
        left = again
        time.sleep(wait or 0)
    return found


def hidden_in(error: Exception) -> Exception | None:
    """The error that a package took for an absent file, though no store has said so."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or not isinstance(cause, Exception):
        return None
    network = isinstance(cause, OSError) or _of_packages(cause)
    said_so = isinstance(cause, DEFINITE) or _status(cause) in _ABSENT
    return cause if network and not said_so else None


def passing(error: BaseException) -> bool:
    """Whether an error may be gone with the next try.

    Raises:
        BaseException: it is a bug here, and no answer of a store.
    """
    if isinstance(error, PermissionError) or type(error).__name__ in _NOT_PASSING:
        return False
    if isinstance(error, OSError) and error.errno in _LOCAL:
        return False
    if not isinstance(error, OSError) and not _of_packages(error):
        raise error
    return _status(error) not in _REFUSED


def refusal(url: Url, doing: str, error: BaseException) -> DeftcleanError:
    """What to say of an error that stays; nothing in it is secret."""
    if isinstance(error, OSError) and error.errno in _LOCAL:
        return RunError(
            f"{url} could not be {doing}: {error.strerror}.", "Free space, or set TMPDIR."
        )
    if isinstance(error, PermissionError) or _status(error) in (401, 403):
        return InputError(
            f"{url} may not be {doing}: {said(error)}.",
            "Credentials are taken from the usual places (environment, ~/.aws and such); do they "
            "allow this?",
        )
    if _NO_CREDENTIALS.search(f"{type(error).__name__} {error}"):
        return InputError(
            f"{url} cannot be {doing}: there are no credentials for {url.scheme}://.",
            "Put them where its tools look: AWS_ACCESS_KEY_ID or ~/.aws for s3://, and such.",
        )
    return RunError(f"{url} could not be {doing}: {said(error)}.")


def gave_up(url: Url, doing: str, error: BaseException) -> RunError:
    """What to say where no try was the last that was needed."""
    return RunError(
        f"{url} could not be {doing}, in {len(WAITS) + 1} tries: {said(error)}.",
        "Is the network there, and the store? Run again.",
    )


def said(error: BaseException) -> str:
    """The first line of an error, without what may be secret in it."""
    text = str(error).strip() or type(error).__name__
    line = re.sub(r"\?\S+", "?...", text.splitlines()[0])
    line = re.sub(r"//[^/@\s]+@", "//", line)
    line = re.sub(r"\b(AKIA|ASIA)[A-Z0-9]{8,}", r"\1...", line)
    return line.rstrip(".")


def _of_packages(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] not in ("builtins", "deftclean")


def _status(error: BaseException) -> int | None:
    """The status of HTTP that an error tells of, if it does."""
    cause: BaseException | None = error
    while cause is not None:
        told = getattr(cause, "status", None) or getattr(cause, "status_code", None)
        answer = getattr(cause, "response", None)
        if not isinstance(told, int):
            told = getattr(answer, "status_code", None)
        if isinstance(answer, dict):
            told = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if isinstance(told, int):
            return told
        cause = cause.__cause__
    return None
