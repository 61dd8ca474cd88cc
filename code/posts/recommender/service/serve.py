"""The process that serves: `python -m posts.recommender.service.serve FOLDER LOG`, on a free port of this machine.

FOLDER holds a bundle (bundle.py). The port is the first line that the process prints. Operators' token comes on
standard input, so that no listing of processes shows it.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posts.recommender.service.app import Service, application
from posts.recommender.service.bundle import in_folder, load


def main(folder: str, log: str) -> None:
    """Serve until the process is told to end."""
    import uvicorn

    token = sys.stdin.readline().strip()
    bundle = load(in_folder(Path(folder)))
    service = Service({bundle.digest: bundle}, bundle.digest, Path(log), token)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(application(service), log_level="warning", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def running(folder: Path, log: Path, token: str) -> Iterator[int]:
    """The service as a process of its own; yields its port, and ends it."""
    code = str(Path(__file__).resolve().parents[3])
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {code!r}); import {main.__module__} as serve; "]
    command[-1] += f"serve.main({str(folder)!r}, {str(log)!r})"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        try:
            print(token, file=process.stdin, flush=True)
            yield int(process.stdout.readline())
        finally:
            process.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:])
