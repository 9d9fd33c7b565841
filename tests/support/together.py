"""A function in several processes at once, as torchrun would start them.

Loading torch takes seconds of each, so one process loads it and forks:
`python -m tests.support.together MODULE FUNCTION SIZE FOLDER`. What the function returns is left in
the folder.
"""

import importlib
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from deftclean.core.run import Launch
from tests.support.processes import start_python


def run_together(function: Any, size: int = 2) -> list[Any]:
    """What a function of a module gives in each of several processes; it is given the ranks."""
    with tempfile.TemporaryDirectory() as folder:
        words = (function.__module__, function.__name__, size, folder)
        process = start_python(
            "-m", "tests.support.together", *words, stderr=subprocess.PIPE, OMP_NUM_THREADS="1"
        )
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        files = [Path(folder) / f"{rank}" for rank in range(size)]
        return [pickle.loads(file.read_bytes()) for file in files]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def environment(rank: int, size: int, port: int) -> dict[str, str]:
    """What torchrun says to one of the processes that it starts on this machine."""
    return {
        **{"RANK": f"{rank}", "WORLD_SIZE": f"{size}"},
        **{"LOCAL_RANK": f"{rank}", "LOCAL_WORLD_SIZE": f"{size}"},
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{port}"},
    }


def _forked(function: Any, rank: int, size: int, port: int, folder: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    from deftclean.training.process_group import joined

    os.environ.update(environment(rank, size, port))
    code = 1
    try:
        with joined(Launch(rank, size, rank, size)) as ranks:
            found = function(ranks)
        (folder / f"{rank}").write_bytes(pickle.dumps(found))
        code = 0
    except BaseException:  # noqa: BLE001 - the child must not go on as its parent
        traceback.print_exc()
    os._exit(code)


def main() -> None:
    module, name, size, folder = sys.argv[1:]
    function, port = getattr(importlib.import_module(module), name), free_port()
    children = [_forked(function, rank, int(size), port, Path(folder)) for rank in range(int(size))]
    sys.exit(max(os.waitpid(pid, 0)[1] for pid in children) != 0)


if __name__ == "__main__":
    main()
