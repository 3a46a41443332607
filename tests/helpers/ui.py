"""`whitepatch ui`, started for real."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.project import environment


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def opened(
    project: Path, port: int, **variables: str
) -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """Start the UI in a copy of the project; it ends with the block, whatever happens there.

    Args:
        project: Where.
        port: On which it is to listen.
        **variables: Added to the environment.

    Yields:
        The process, and what it has said when it answers.
    """
    command = [sys.executable, "-m", "whitepatch.cli", "ui", "--port", str(port)]
    with subprocess.Popen(
        command,
        cwd=project,
        env=environment(project) | variables,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            said = ""
            while "Ctrl-C" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            yield process, said
        finally:
            process.terminate()
