"""How long will it take? Said once, as soon as it is known."""

__all__ = ["Forecast"]

import sys
import time
from dataclasses import dataclass, field

from tqdm import tqdm

WATCH = 10.0
"""Seconds to watch before saying anything."""

LONG = 3600.0
"""Seconds; of a shorter wait only the bar speaks."""


@dataclass
class Forecast:
    """A progress bar that says at once when the wait will be hours.

    Attributes:
        bar: Counts images that are learned.
        extra: Time for everything, divided by the time for learning alone.
    """

    bar: "tqdm[None]"
    extra: float
    _start: float = field(default_factory=time.monotonic)
    _done: int = 0
    _said: bool = False

    def update(self, count: int) -> None:
        """Count some images."""
        self.bar.update(count)
        self._done += count
        passed = time.monotonic() - self._start
        if self._said or passed < WATCH:
            return
        self._said = True
        seconds = (self.bar.total - self.bar.n) * passed / self._done * self.extra
        if seconds > LONG:
            self.bar.write(
                f"About {seconds / 3600:.1f} hours to go for all seeds of this variant, at "
                f"{self._done / passed:.0f} images a second. You can stop it at any time; "
                "the next run continues after the last finished epoch.",
                file=sys.stderr,
            )
