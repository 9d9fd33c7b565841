"""Ctrl-C and SIGTERM, from the first moment on: always an end by their exit code.

Loads nothing but what every interpreter has, so that it can stand before all other imports.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

Handler = Callable[[int, FrameType | None], object]

_AGAIN = 0.05  # seconds until an interruption is tried again
_PARENT_FIRST = 3.0  # seconds that a worker lives on after a signal
_GRACE = 0.5  # seconds in which a signal may arrive after what it has already done to the workers


class Signals:
    """Knows whether the process was told to stop, and turns that into an exception.

    Attributes:
        received: the first such signal; None where there was none.
        installed: whether it listens.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.installed = False

    def install(self) -> None:
        """Listen, until `finish`."""
        self.installed = True
        for number in (signal.SIGINT, signal.SIGTERM):
            # A command in the background of a shell is not to hear Ctrl-C, and goes on so.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)
        sys.unraisablehook = self._unraised

    def finish(self) -> None:
        """From now on a signal ends the process at once: everything is written or removed."""
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) == self._stop:
                signal.signal(number, lambda which, _frame: os._exit(128 + which))

    def forget(self) -> None:
        """A signal, received or to come, is what follows from something else, which is the news."""
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) == self._stop:
                # Not a function of ours: at its very end Python puts the default in its place.
                signal.signal(number, signal.SIG_IGN)
        self.received = None

    def code(self) -> int | None:
        """The exit code of a process that was told to stop; None where it was not."""
        return None if self.received is None else 128 + self.received

    def code_soon(self) -> int | None:
        """The same, after a moment: a signal to a whole group may reach the workers first."""
        end = time.monotonic() + _GRACE
        while self.received is None and time.monotonic() < end:
            time.sleep(_AGAIN)
        return self.code()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or number
        if _importing(frame):
            # In the middle of an import the exception might be swallowed or taken for another.
            _send_soon(number)
            return
        # Workers got the signal too; that they end is no news any more.
        if hasattr(signal, "SIGCHLD") and callable(signal.getsignal(signal.SIGCHLD)):
            signal.signal(signal.SIGCHLD, _nothing)
        _raise(number)

    def _unraised(self, lost: "sys.UnraisableHookArgs") -> None:
        """An exception that could not go on, from a destructor or from what C has called.

        Where it was the interruption, that comes again; nobody is to read of the first one.
        """
        if self.received is not None and isinstance(lost.exc_value, KeyboardInterrupt | SystemExit):
            _send_soon(self.received)
        else:
            sys.__unraisablehook__(lost)


def _send_soon(number: int) -> None:
    again = threading.Timer(_AGAIN, _send, (number,))
    again.daemon = True
    again.start()


def _send(number: int) -> None:
    """The signal to the main thread, which it wakes up if it waits."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


def _raise(number: int) -> NoReturn:
    # Exceptions, so that temporary files are removed on the way out.
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    pass


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def leave_to_the_parent() -> None:
    """In a worker: a signal to the whole group is answered by the parent, which ends its workers.

    One that died first would be news of a failure.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: _end_soon())


def _end_soon() -> None:
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, _PARENT_FIRST)


def occupy_standard_streams() -> None:
    """Put the null device where standard input, output or errors are closed.

    The next file that is opened would get their number, and what is printed would end in it.
    """
    with contextlib.suppress(OSError):
        while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(opened)
