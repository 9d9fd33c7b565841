"""A store of S3's protocol on this machine, which can be told to fail, and pictures in it.

moto answers as S3 does, If-None-Match too; what stands before it refuses, waits or hangs up.
"""

import contextlib
import os
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BUCKET = "bucket"
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTEST0000",
    "AWS_SECRET_ACCESS_KEY": "secret/of/the/tests",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

Fault = Callable[[dict[str, Any]], str | None]
"""What becomes of a request, by its WSGI environment: a status, or None to let it through."""


@dataclass
class Store:
    """A server, and what it was asked.

    Attributes:
        address: its URL.
        faults: asked about each request, in order.
        requests: method and path of each.
    """

    address: str = ""
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wrapped(self, app: Any) -> Any:
        """The application behind the faults."""

        def answer(environ: dict[str, Any], start: Any) -> Any:
            with self.lock:
                self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
            for fault in self.faults:
                status = fault(environ)
                if status is not None:
                    start(status, [("Content-Type", "application/xml")])
                    code = "SlowDown" if status.startswith("503") else "AccessDenied"
                    return [f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()]
            return app(environ, start)

        return answer

    def files(self) -> Any:
        """fsspec's file system, as a test looks into the store."""
        import fsspec

        return fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)

    def put_folder(self, folder: Path, key: str) -> str:
        """Every file of a folder below a key; the URL."""
        opened = self.files()
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = path.relative_to(folder).as_posix()
                opened.pipe_file(f"{BUCKET}/{key}/{name}", path.read_bytes())
        return f"s3://{BUCKET}/{key}"

    def names(self, key: str = "") -> list[str]:
        """What is below a key, sorted, relative to the bucket."""
        found = self.files().find(f"{BUCKET}/{key}" if key else BUCKET)
        return sorted(name.removeprefix(f"{BUCKET}/") for name in found)

    @contextlib.contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """While this lasts, requests meet a fault."""
        self.faults.append(fault)
        try:
            yield
        finally:
            self.faults.remove(fault)


def first_times(count: int, status: str, part: str, method: str = "GET") -> Fault:
    """The first so many requests of each such path are answered with a status."""
    seen: dict[str, int] = {}
    lock = threading.Lock()

    def fault(environ: dict[str, Any]) -> str | None:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != method or part not in path:
            return None
        with lock:
            seen[path] = seen.get(path, 0) + 1
            return status if seen[path] <= count else None

    return fault


def slow(seconds: float, part: str) -> Fault:
    """Answers to such requests take long."""

    def fault(environ: dict[str, Any]) -> None:
        if part in environ["PATH_INFO"]:
            time.sleep(seconds)

    return fault


def hanging_up(count: int, part: str) -> Fault:
    """The connection of the first so many such requests ends without an answer."""
    counted = first_times(count, "hang up", part)

    def fault(environ: dict[str, Any]) -> str | None:
        if counted(environ) is not None:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return None

    return fault


@contextlib.contextmanager
def running_store() -> Iterator[Store]:
    """A server on loopback, an empty bucket in it, and the credentials in the environment."""
    pytest.importorskip("s3fs", reason="s3:// needs s3fs: pip install 'deftclean[test]'")
    pytest.importorskip("moto", reason="the store of the tests is moto: pip install 'moto[server]'")
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    store = Store()
    app = DomainDispatcherApplication(create_backend_app)
    quiet = type("Quiet", (WSGIRequestHandler,), {"log": lambda *_: None})
    wrapped = store.wrapped(app)
    server = make_server("127.0.0.1", 0, wrapped, threaded=True, request_handler=quiet)
    store.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**_CREDENTIALS, "AWS_ENDPOINT_URL": store.address}.items():
            patch.setenv(name, value)
        _forget_sessions()
        _empty(store)
        store.files().mkdir(BUCKET)
        try:
            yield store
        finally:
            _forget_sessions()
            server.shutdown()
            thread.join()
            server.server_close()


def _empty(store: Store) -> None:
    """What earlier servers of this process were given."""
    asked = urllib.request.Request(f"{store.address}/moto-api/reset", method="POST")
    with urllib.request.urlopen(asked) as answer:
        assert answer.status == 200


def _forget_sessions() -> None:
    """A file system of fsspec's lives as long as the process, with the address it was made for."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
