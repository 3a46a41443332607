"""What others may have to serve: STL-10, and MLflow's store."""

__all__ = ["mlflow", "stl10"]

import os
import re
import sqlite3
from contextlib import closing
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.parse import urlsplit
from urllib.request import url2pathname

from whitepatch import paths
from whitepatch.doctor.finding import Finding
from whitepatch.errors import short
from whitepatch.params import Params
from whitepatch.sources.stl10.download import shown
from whitepatch.tracking.address import shown_uri, tracking_uri
from whitepatch.tracking.own import refuse_damage
from whitepatch.tracking.trouble import cure

SECONDS = 5.0
"""For a server to answer."""


def stl10(everything: Params | None) -> list[Finding]:
    """Say whether STL-10 is here, or its archive, or a server that has it."""
    if everything is None:
        return []
    members, settings = everything.sources.stl10.members(), everything.download
    files = {paths.raw("stl10") / name: member.bytes for name, member in members.items()}
    if all(path.is_file() and path.stat().st_size == size for path, size in files.items()):
        return [Finding("STL-10", "ok", f"is in {paths.raw('stl10')}")]
    if Path(settings.archive).is_file():
        return [Finding("STL-10", "ok", f"not fetched yet; its archive is {settings.archive}")]
    said = []
    for url in settings.urls:
        good, words = _head(url)
        if good:
            return [Finding("STL-10", "ok", f"not fetched yet; {shown(url)} has its archive")]
        said.append(f"{shown(url)}: {words}")
    cure = f"put the archive at {settings.archive}: docs/stl10.md"
    only = "not needed for demo and photos"
    return [Finding("STL-10", "look", f"not here ({only}); {'; '.join(said)}", cure)]


def mlflow(_: Params | None) -> list[Finding]:
    """Say whether MLflow's store can be used: by this version, from this folder."""
    if (uri := tracking_uri()).startswith("http"):
        good, words = _asked("GET", uri.rstrip("/") + "/health")
        if good:
            return [Finding("MLflow", "ok", f"{shown_uri()}: {words}")]
        mends = "start that server, or unset MLFLOW_TRACKING_URI"
        return [Finding("MLflow", "bad", f"{shown_uri()}: {words}", mends)]
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return [Finding("MLflow", "ok", f"a store of yours: {shown_uri()}; not looked at")]
    store, anew = paths.MLFLOW / "mlflow.db", f"rm -r {paths.MLFLOW}, then: whitepatch publish"
    if not store.exists():
        return [Finding("MLflow", "ok", f"{store} is not here; make ui makes it")]
    try:
        refuse_damage()
        address = f"{store.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, timeout=1, uri=True)) as tables:
            made = tables.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            places = [
                row[0]
                for row in tables.execute(
                    "SELECT artifact_location FROM experiments WHERE name LIKE 'whitepatch-%'"
                )
            ]
    except sqlite3.OperationalError as error:
        said = f"{store} cannot be read: {error}"
        return [Finding("MLflow", "look" if "locked" in said else "bad", said, cure(error))]
    except (sqlite3.Error, TypeError) as error:
        return [Finding("MLflow", "bad", f"{store} cannot be read: {short(str(error), 100)}", anew)]
    if made != (newest := _newest()):
        have = f"tables {made}, MLflow {version('mlflow')} has {newest}"
        words = f"{store} is of another version ({have})"
        return [Finding("MLflow", "bad", words, anew)]
    here = paths.MLFLOW.absolute().as_uri()
    if any(not place.startswith(f"{here}/") for place in places):
        return [Finding("MLflow", "bad", f"{store} was made in another folder", anew)]
    return [
        Finding("MLflow", "ok", f"{store}: {len(places)} experiments, of this version and folder")
    ]


def _newest() -> str:
    """Return the version of the tables that this MLflow makes, without importing it."""
    spec = find_spec("mlflow")
    folder = Path(((spec and spec.submodule_search_locations) or [""])[0])
    texts = [
        path.read_text(encoding="utf-8")
        for path in folder.glob("store/db_migrations/versions/*.py")
    ]
    made = {x for text in texts for x in re.findall(r'^revision\b[^=]*= *["\'](\w+)', text, re.M)}
    before = {
        x for text in texts for x in re.findall(r'^down_revision\b[^=]*= *["\'](\w+)', text, re.M)
    }
    return ", ".join(sorted(made - before))


def _head(url: str) -> tuple[bool, str]:
    if url.startswith("file:"):
        here = Path(url2pathname(urlsplit(url).path)).is_file()
        return here, "is here" if here else "no such file"
    return _asked("HEAD", url)


def _asked(method: str, url: str) -> tuple[bool, str]:
    """Say whether a server answers well, and what; no body is read."""
    import requests

    answers: SimpleQueue[tuple[bool, str]] = SimpleQueue()

    def get() -> None:
        try:
            with requests.request(
                method, url, timeout=SECONDS, stream=True, allow_redirects=True
            ) as answer:
                answers.put((answer.ok, f"answers {answer.status_code}"))
        except (requests.RequestException, ValueError) as error:
            answers.put((False, f"does not answer ({type(error).__name__})"))

    # a thread, because looking up a name has no limit of its own
    Thread(target=get, daemon=True).start()
    try:
        return answers.get(timeout=2 * SECONDS)
    except Empty:
        return False, f"no answer within {2 * SECONDS:.0f} s"
