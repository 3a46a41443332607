"""What was found, and how programs are asked."""

__all__ = ["Finding", "State", "ask"]

import signal
import subprocess
from dataclasses import dataclass
from typing import Literal, TypeAlias

from whitepatch import programs

State: TypeAlias = Literal["ok", "look", "bad"]
"""Fine; works, but somebody should know; something that is needed cannot work."""

PATIENCE = 12.0
"""Seconds for one program."""


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        what: Was looked at.
        state: How it is.
        said: In words.
        cure: A command, or what to do; of what is not ok.
    """

    what: str
    state: State
    said: str
    cure: str = ""


def ask(*command: str, seconds: float = PATIENCE) -> tuple[int | None, str, str]:
    """Run a program; return its status (None: no answer in time), its output and its errors.

    Raises:
        FileNotFoundError: There is no such program.
    """
    quiet = {"DVC_NO_ANALYTICS": "true", "GIT_TERMINAL_PROMPT": "0", "NO_COLOR": "1"}
    with subprocess.Popen(  # noqa: S603 -- commands of ours
        command,
        env=programs.environment(**quiet),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            said, error = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # asked first, so that DVC leaves its files whole
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=1)
            except subprocess.TimeoutExpired:
                process.kill()
            return None, "", ""
        return process.returncode, said, error
