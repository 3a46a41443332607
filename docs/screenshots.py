"""Take the pictures of MLflow that docs/mlflow.md shows.

    python docs/screenshots.py

Needs Chromium or Chrome, and the results of the experiment; publishes them first, like `make ui`.
"""

import base64
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import requests
import typer
from PIL import Image
from scipy.spatial import KDTree

from whitepatch.tracking import views

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FOLDER = Path("docs/mlflow")
WIDTH = 1440
BYTES = 150_000
"""The most that a picture may have with all its colours."""
SECONDS = 60
"""In which a page must show what it should."""


UNNAMED = """{
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode())
        texts.currentNode.data = texts.currentNode.data.replaceAll(%s, "/...");
}"""
"""JavaScript that takes the name of this folder off a page."""


def main(
    experiment: Annotated[str, typer.Option(help="Whose pages.")] = "photos",
) -> None:
    """Write docs/mlflow/*.png."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f"a browser is needed, one of: {', '.join(BROWSERS)}", file=sys.stderr)
        sys.exit(2)
    FOLDER.mkdir(exist_ok=True)
    with served() as server, Browser(program) as browser:
        # a browser that has been here before: its panel of an assistant is closed
        browser.open(f"{server}/#/experiments", "Experiments")
        browser.run("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
        browser.run("localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false')")
        for name, (address, text, height) in pages(server, experiment).items():
            browser.resize(height)
            browser.open(f"{server}/{address}", text)
            browser.run(UNNAMED % json.dumps(str(Path.cwd())))
            path = FOLDER / f"{name}.png"
            save(browser.picture(), path)
            print(f"{path}: {path.stat().st_size // 1000} kB")


def pages(server: str, experiment: str) -> dict[str, tuple[str, str, int]]:
    """Return the address of each page, a text that it shows when it is there, and its height."""
    number = ask(server, "experiments/get-by-name", experiment_name=f"whitepatch-{experiment}")
    number = number["experiment"]["experiment_id"]
    table, variants, seeds = views.links(number).values()
    seed = only(server, number, "tags.variant = 'cbam_spatial' AND tags.seed = '1'")
    summary = only(server, number, "tags.kind = 'summary'")
    runs, training = f"#/experiments/{number}/runs", "?workflowType=machine_learning"
    return {
        "table": (table, "matching runs", 800),
        "variants": (variants, "Learning curves", 1690),
        "seeds": (seeds, "Learning curves", 1390),
        "run": (f"{runs}/{seed}{training}", "Parameters", 1000),
        "maps": (f"{runs}/{seed}/artifacts/maps.png{training}", "maps.png", 720),
        "model": (f"#/models/whitepatch-{experiment}{training}", "Aliases", 560),
        "report": (f"{runs}/{summary}/artifacts/report.html{training}", "report.html", 900),
    }


def ask(server: str, what: str, **query: str) -> Any:
    """Return MLflow's answer, never by way of a proxy."""
    with requests.Session() as session:
        session.trust_env = False
        reply = session.get(f"{server}/api/2.0/mlflow/{what}", params=query, timeout=SECONDS)
    reply.raise_for_status()
    return reply.json()


def only(server: str, number: str, condition: str) -> str:
    """Return the id of the only run that fits."""
    body = {"experiment_ids": [number], "filter": condition}
    with requests.Session() as session:
        session.trust_env = False
        address = f"{server}/api/2.0/mlflow/runs/search"
        [run] = session.post(address, json=body, timeout=SECONDS).json()["runs"]
    return str(run["info"]["run_id"])


@contextmanager
def served() -> Iterator[str]:
    """Run `whitepatch ui` on a free port while the block lasts; return its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "whitepatch.cli", "ui", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                print(line, end="", file=sys.stderr)
                if "Ctrl-C" in line:
                    yield f"http://127.0.0.1:{port}"
                    break
            else:
                sys.exit("MLflow did not start, for the reason above")
        finally:
            process.terminate()


def save(drawn: bytes, path: Path) -> None:
    """Write a picture; one with many bytes gets the 256 colours that it has most often.

    Any other choice of few colours would mix those of the variants.
    """
    with Image.open(io.BytesIO(drawn)) as image:
        flat = image.convert("RGB")
    flat.save(path, format="png", optimize=True)
    if path.stat().st_size > BYTES:
        pixels = np.asarray(flat)
        colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
        kept = colours[np.argsort(-counts, kind="stable")[:256]].astype(float)
        nearest = KDTree(kept).query(pixels.reshape(-1, 3))[1]
        few = Image.fromarray(nearest.reshape(pixels.shape[:2]).astype(np.uint8), "P")
        few.putpalette(kept.astype(np.uint8).tobytes())
        few.save(path, format="png", optimize=True)


class Browser:
    """A browser without a window, steered by its DevTools protocol over two pipes."""

    def __init__(self, program: str) -> None:
        self.program = program

    def __enter__(self) -> "Browser":
        self.folder = tempfile.TemporaryDirectory()
        theirs, self.to = os.pipe()
        self.back, answers = os.pipe()
        options: list[str] = [
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            "--remote-debugging-pipe",
        ]
        options += [f"--user-data-dir={self.folder.name}", "--disable-background-networking"]
        # with a mouse, as at a desk: tools of a chart show only when it is pointed at
        options += [
            "--blink-settings=primaryHoverType=2,availableHoverTypes=2,"
            "primaryPointerType=4,availablePointerTypes=4"
        ]
        if os.geteuid() == 0:
            options += ["--no-sandbox"]  # it refuses to run as root with one
        # the protocol's pipes are 3 and 4
        shell = f'exec "$0" "$@" 3<&{theirs} 4>&{answers}'
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", shell, self.program, *options, "about:blank"],
            pass_fds=(theirs, answers),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(answers)
        self.number, self.rest, self.session = 0, b"", ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        self.call("Page.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        os.close(self.to)
        os.close(self.back)
        self.folder.cleanup()

    def call(self, method: str, **params: Any) -> Any:
        """Return the answer to a call of the protocol; events are passed over."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                more = os.read(self.back, 1 << 20)
                if not more:
                    sys.exit(f"{self.program} ended; run it alone to see why")
                self.rest += more
            answer, self.rest = self.rest.split(b"\0", 1)
            read = json.loads(answer)
            if read.get("id") == self.number:
                if "error" in read:
                    sys.exit(f"{method}: {read['error']['message']}")
                return read["result"]

    def resize(self, height: int) -> None:
        """Give the pages from now on this many rows of pixels."""
        size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def run(self, script: str) -> Any:
        """Return the value of a piece of JavaScript."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    def open(self, address: str, text: str) -> None:
        """Go to a page; return when it shows a text and stops changing."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        end = time.monotonic() + SECONDS
        before = ""
        while time.monotonic() < end:
            time.sleep(3)
            now = str(self.run("document.body.innerHTML"))
            if text in str(self.run("document.body.innerText")) and now == before:
                return
            before = now
        print(f"{address} still changes, or lacks: {text}", file=sys.stderr)

    def picture(self) -> bytes:
        """Return what the page looks like, a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


if __name__ == "__main__":
    typer.run(main)
