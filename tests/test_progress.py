import time

import pytest
from tqdm import tqdm

from whitepatch.progress import Forecast


@pytest.mark.parametrize(
    ("total", "words"),
    [
        # 50 images in 10 s, and as much again for the held-out ones
        (50 + 18_000, "About 2.0 hours to go for all seeds of this variant, at 5 images a second"),
        (50 + 8_000, ""),
    ],
)
def test_a_wait_of_hours_is_said_once(monkeypatch, capsys, total, words):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with tqdm(total=total, disable=True) as bar:
        forecast = Forecast(bar, extra=2.0, _start=now[0])
        bar.n = 0
        for _ in range(5):
            now[0] += 2
            forecast.update(10)
            bar.n += 10  # a disabled bar does not count
        now[0] += 100
        forecast.update(10)
    said = capsys.readouterr().err
    assert words in said
    assert said.count("hours") == bool(words)
