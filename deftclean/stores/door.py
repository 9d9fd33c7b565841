"""A public function whose arguments may be URLs: it works on a mirror, and never sees them.

What it reads is fetched or listed before, what it makes is uploaded after; in its messages and
results, URLs stand where the places of a mirror would.
"""

import contextlib
import functools
import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path, PurePath
from typing import Any, ParamSpec, TypeVar, cast

from deftclean.core.errors import DeftcleanError, RunError, UsageError
from deftclean.core.files import private_folder
from deftclean.core.progress import Advance, Progress
from deftclean.stores.urls import (
    Url,
    UrlPath,
    forbidden,
    mirror_of,
    mirrored,
    place_of,
    url_of,
    without_places,
)

Given = ParamSpec("Given")
Made = TypeVar("Made")

_MODELS = ("model", "weights")
_WHOLE = ("detector", "folder")  # folders that commands have made
_LOCAL = {"cache_dir": "--cache-dir: the cache lies on a disk of this machine."}


def opens_urls(
    *inputs: str, output: str | None = None, local: Mapping[str, str] | None = None
) -> Callable[[Callable[Given, Made]], Callable[Given, Made]]:
    """A function that takes URLs.

    Args:
        inputs: parameters that are read: paths, or dataclasses with fields that are.
        output: the parameter that is written.
        local: parameters that must be local paths, and why.
    """

    def wrap(function: Callable[Given, Made]) -> Callable[Given, Made]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def run(*args: Given.args, **kwargs: Given.kwargs) -> Made:
            bound = signature.bind(*args, **kwargs)
            call = _Call(bound.arguments, inputs, output, {**_LOCAL, **(local or {})})
            if not call.has_urls():
                return function(*args, **kwargs)
            with call.on_mirror():
                made = function(*bound.args, **bound.kwargs)
                return cast("Made", call.finished(made))

        return run

    return wrap


@contextlib.contextmanager
def opened_urls(
    given: Mapping[str, Any], *inputs: str
) -> Iterator[tuple[dict[str, Any], Path | None]]:
    """Arguments whose URLs are exchanged for places, as long as this lasts.

    For who cannot be a function of `opens_urls`: an actor, which works call by call.

    Args:
        given: arguments by name; `progress` is told in URLs.
        inputs: as `opens_urls`.

    Yields:
        the arguments; the private folder that places are in, None where there is no URL
    """
    call = _Call(dict(given), inputs, None, _LOCAL)
    if not call.has_urls():
        yield call.given, None
        return
    with call.on_mirror():
        yield call.given, call.mirror.parent


class _Call:
    """One call with URLs among its arguments, which are exchanged for places."""

    def __init__(
        self,
        given: dict[str, Any],
        inputs: tuple[str, ...],
        output: str | None,
        local: Mapping[str, str],
    ) -> None:
        self.given = given
        self.inputs = inputs
        self.output = output
        self.local = local
        self.mirror = Path()

    def has_urls(self) -> bool:
        """Whether there is any; the rest of the program need not hear of URLs where not.

        Raises:
            UsageError: one is not opened, or not for this parameter.
        """
        found = [name for name in self.given if self._urls_of(name)]
        for name in found:
            if name in self.local:
                raise UsageError(self.local[name], "Give a local path.")
        return bool(found)

    def _urls_of(self, name: str) -> dict[str, Url]:
        """The URLs in an argument, by field; by no name where it is one itself."""
        value = self.given.get(name)
        if name not in (*self.inputs, self.output, *self.local):
            return {}
        if not is_dataclass(value):
            url = _url(value)
            return {} if url is None else {"": url}
        members = {each.name: _url(getattr(value, each.name)) for each in fields(value)}
        urls = {member: url for member, url in members.items() if url is not None}
        for member in urls:
            if member in self.local:
                raise UsageError(self.local[member], "Give a local path.")
        return urls

    @contextlib.contextmanager
    def on_mirror(self) -> Iterator[None]:
        """Bring what is read, make room for what is written; URLs in messages."""
        from deftclean.stores.uploads import snapshot

        with contextlib.ExitStack() as stack:
            try:
                home = Path(tempfile.gettempdir()).resolve()
                run = stack.enter_context(private_folder(home))
            except OSError as error:
                raise RunError(
                    f"There is no temporary folder to work in: {error.strerror or error}.",
                    "Set TMPDIR to a folder that can be written to.",
                ) from error
            self.mirror = mirror_of(run)
            with self._speaking_of_urls():
                self._refuse_offline()
                self._prepare_output()
                self._bring_inputs()
                if (progress := self.given.get("progress")) is not None:
                    self.given["progress"] = _OfUrls(progress, self._shown)
                self.before = snapshot(self.mirror)
                yield

    @contextlib.contextmanager
    def _speaking_of_urls(self) -> Iterator[None]:
        try:
            yield
        except DeftcleanError as error:
            error.message, error.hint = self._shown(error.message), self._shown(error.hint)
            error.args = (error.message,)
            raise

    def _shown(self, text: str) -> str:
        return without_places(text, self.mirror)

    def _refuse_offline(self) -> None:
        if not getattr(self.given.get("run"), "offline", False):
            return
        urls = [url for name in self.given for url in self._urls_of(name).values()]
        raise forbidden(urls[0])

    def _prepare_output(self) -> None:
        self.uploads = []
        for url in self._urls_of(self.output).values() if self.output else ():
            from deftclean.stores.uploads import Upload

            if self.given.get("resume"):
                raise UsageError(
                    f"--resume cannot go with -o {url}: what a stopped run keeps lies beside its "
                    "output, on a local disk.",
                    "Write to a local path, and copy it.",
                )
            place = place_of(url, self.mirror)
            self.uploads = [Upload(url, place, bool(self.given.get("overwrite")))]
            self.uploads[0].prepare()
            self.given[str(self.output)] = place

    def _bring_inputs(self) -> None:
        from deftclean.stores.mirror import bring

        for name in self.inputs:
            for member, url in self._urls_of(name).items():
                place: Path | str = place_of(url, self.mirror)
                if (member or name) in _MODELS:
                    place = self._model(member, url)
                else:
                    self._say(f"opening {url}")
                    bring(url, Path(place), (member or name) in _WHOLE, self._say)
                self.given[name] = replace(self.given[name], **{member: place}) if member else place

    def _model(self, member: str, url: Url) -> str:
        from deftclean.stores.models import kept_model

        return kept_model(url, member == "model", self._say)

    def _say(self, text: str) -> None:
        if (progress := self.given.get("progress")) is not None:
            progress.say(text)

    def finished(self, made: Any) -> Any:
        """Upload, and the result as its reader should see it."""
        from deftclean.stores.uploads import upload

        with self._speaking_of_urls():
            for each in self.uploads:
                self._say(f"uploading to {each.url.parent}/")
            upload(self.uploads, self.mirror, self.before)
        return _with_urls(made, self._shown)


def _url(value: Any) -> Url | None:
    return url_of(value) if isinstance(value, str | PurePath) else None


class _OfUrls:
    """Progress that speaks of URLs."""

    def __init__(self, progress: Progress, shown: Callable[[str], str]) -> None:
        self._progress, self._shown = progress, shown

    def stage(self, title: str, total: int) -> contextlib.AbstractContextManager[Advance]:
        """As it is told."""
        return self._progress.stage(title, total)

    def say(self, text: str) -> None:
        """With URLs."""
        self._progress.say(self._shown(text))

    def epoch(self, text: str) -> None:
        """With URLs."""
        self._progress.epoch(self._shown(text))

    def warn(self, text: str) -> None:
        """With URLs."""
        self._progress.warn(self._shown(text))


def _with_urls(value: Any, shown: Callable[[str], str]) -> Any:
    """A result, and what stands in it, with URLs where places of a mirror were."""
    if isinstance(value, Path):
        return UrlPath(value) if mirrored(value) is not None else value
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(_with_urls(each, shown) for each in value)
    if isinstance(value, list):
        return [_with_urls(each, shown) for each in value]
    if isinstance(value, dict):
        return {key: _with_urls(each, shown) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        changed = {
            each.name: new
            for each in fields(value)
            if each.init and (new := _with_urls(old := getattr(value, each.name), shown)) is not old
        }
        return replace(value, **changed) if changed else value
    return value
