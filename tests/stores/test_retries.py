"""Network errors: tried again a few times, then one message; answers of a store are none."""

import errno

import pytest

from deftclean.core.errors import DeftcleanError, InputError, RunError
from deftclean.stores import retries
from deftclean.stores.retries import WAITS, retried, said
from deftclean.stores.urls import Url

URL = Url("s3", "bucket/key")


class Answers:
    """Raises one after the other, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


class ClientResponseError(Exception):
    """As aiohttp's."""

    __module__ = "aiohttp.client_exceptions"

    def __init__(self, status: int) -> None:
        super().__init__(f"{status}, url='https://me:hunter2@host/x?sig=hunter2'")
        self.status = status


class NoCredentialsError(Exception):
    """As botocore's."""

    __module__ = "botocore.exceptions"


class ConnectError(Exception):
    """As httpx's."""

    __module__ = "httpx2"


def absent(cause: Exception) -> FileNotFoundError:
    """As some packages answer whatever went wrong."""
    made = FileNotFoundError("https://host/x")
    made.__cause__ = cause
    return made


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(retries.time, "sleep", waited.append)
    return waited


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EBUSY, "SlowDown"), ConnectionResetError("reset"), TimeoutError("slow"),
        TimeoutError(), ClientResponseError(503), ClientResponseError(429),
        OSError("something of a proxy"), absent(ConnectionResetError("reset")),
        absent(ClientResponseError(503)), ConnectError("of a package that nobody has named"),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again(error: Exception, waits: list[float]) -> None:
    answers = Answers(*[error] * len(WAITS))
    assert retried(URL, "read", answers) == "answer"
    assert waits == list(WAITS)
    with pytest.raises(RunError) as given_up:
        retried(URL, "read", Answers(*[error] * (len(WAITS) + 1)))
    assert given_up.value.message.startswith(f"{URL} could not be read, in 4 tries: ")
    assert "hunter2" not in given_up.value.message


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError("no"), FileExistsError("there"), absent(ClientResponseError(404))],
)
def test_an_answer_is_no_network_error(error: Exception, waits: list[float]) -> None:
    with pytest.raises(type(error)):
        retried(URL, "read", Answers(error))
    assert waits == []


def test_a_write_that_is_to_make_and_not_to_replace_finds_something() -> None:
    with pytest.raises(FileExistsError):
        retried(URL, "written", Answers(ClientResponseError(412)))


@pytest.mark.parametrize(
    ("error", "kind", "part"),
    [
        (PermissionError("AccessDenied"), InputError, "may not be read: AccessDenied"),
        (ClientResponseError(403), InputError, "may not be read"),
        (absent(ClientResponseError(403)), InputError, "may not be read"),
        (NoCredentialsError("Unable to locate credentials"), InputError, "no credentials"),
        (ClientResponseError(400), RunError, "could not be read: 400"),
        (OSError(errno.ENOSPC, "No space left on device"), RunError, "No space left"),
    ],
)
def test_what_stays_is_said_at_once(
    error: Exception, kind: type[DeftcleanError], part: str, waits: list[float]
) -> None:
    with pytest.raises(kind) as refused:
        retried(URL, "read", Answers(error))
    assert part in refused.value.message
    assert "hunter2" not in f"{refused.value.message}{refused.value.hint}"
    assert waits == []


def test_a_bug_stays_one() -> None:
    with pytest.raises(AttributeError):
        retried(URL, "read", Answers(AttributeError("of ours")))


def test_nothing_secret_is_said() -> None:
    error = OSError("GET https://u:hunter2@h/x?sig=hunter2 by AKIAIOSFODNN7EXAMPLE\nhunter2")
    assert said(error) == "GET https://h/x?... by AKIA"
