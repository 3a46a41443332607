"""STL-10 is fetched from a real server that fails in the ways that servers and networks do."""

import resource
import time
import tracemalloc
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from helpers import standin
from helpers.server import How, serving

from whitepatch.errors import CURES, UserError
from whitepatch.params.sources import Stl10
from whitepatch.sources import stl10

CONTENT = standin.noise()
EXPECTED = {f"{key}.bin": CONTENT[key] for key in ("train_X", "train_y", "test_X", "test_y")}
ARCHIVE = standin.archive(CONTENT)
QUICK = {"connect_timeout": 1.0, "stall_timeout": 0.2, "tries": 3, "pause": 1e-4}
OWN = Path("data/downloads/stl10_binary.tar.gz")
PART = OWN.with_suffix(".part")
NOWHERE = "http://127.0.0.1:1/stl10_binary.tar.gz"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()


@pytest.fixture
def configured(everything):
    """Return a function that gives the parameters which fetch some content from some addresses."""

    def configured(*urls, content=CONTENT, **settings):
        download = everything.download.model_copy(update={"urls": urls} | QUICK | settings)
        pinned = Stl10.model_validate(standin.members(content))
        sources = everything.sources.model_copy(update={"stl10": pinned})
        return everything.model_copy(update={"download": download, "sources": sources})

    return configured


@pytest.fixture
def fetch(configured):
    """Return a function that fetches from some addresses, and gives the files that it wrote."""

    def fetch(*urls, **settings):
        stl10.write(Path("out"), configured(*urls, **settings))
        assert not PART.exists(), "what is complete is not kept"
        return {path.name: path.read_bytes() for path in Path("out").iterdir()}

    return fetch


def test_the_labelled_files_and_hardly_a_byte_more(fetch):
    big = standin.archive(CONTENT | {"unlabeled_X": np.random.default_rng(1).bytes(2**24)})
    with serving(big) as server:
        assert fetch(server.url) == EXPECTED
    # what sockets hold is sent, but not asked for
    assert server.sent < len(standin.archive(CONTENT, standin.ORDER[:4])) + 2**23


def test_redirects_are_followed_and_nothing_is_decoded(fetch):
    with serving(ARCHIVE, How(headers={"Content-Encoding": "gzip"})) as second:
        moved = How(status=302, headers={"Location": second.url})
        with serving(b"", moved) as first:
            assert fetch(first.url) == EXPECTED


@pytest.mark.parametrize("fault", ["drop", "close", "stall"])
def test_a_broken_connection_is_resumed_behind_the_last_byte(fetch, fault):
    places = [0, 1, 9_999, 65_536, 300_001]
    with serving(ARCHIVE, *(How(**{fault: place}) for place in places), How()) as server:
        assert fetch(server.url) == EXPECTED
    starts = [int(asked[6:-1]) for asked in server.asked if asked]
    assert starts == sorted(starts)
    if fault != "drop":  # a reset takes with it what was not read yet
        assert starts == [1, 10_000, 75_536, 375_537]
    assert server.sent < len(ARCHIVE) + 2**20


def test_tries_count_in_a_row_and_pauses_are_bounded(fetch, monkeypatch, capsys):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with serving(ARCHIVE, *[How(close=20_000)] * 9, How(status=503)) as server:
        with pytest.raises(UserError, match="answers 503 Service Unavailable, 8 tries in a row"):
            fetch(server.url, tries=8, pause=1.0)
        assert pauses == [1.0] * 9 + [2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
        assert "IncompleteRead" in capsys.readouterr().err
        assert len(server.asked) == 17
        server.script = [How(status=429), How()]
        assert fetch(server.url) == EXPECTED
        assert server.asked[17:] == ["bytes=180000-"] * 2
    said = capsys.readouterr().err
    assert "429 Too Many Requests; again from byte 180000 in" in said
    assert "STL-10" in said
    assert "100%" in said


DATE = {"Last-Modified": "Thu, 05 May 2011 10:00:00 GMT"}


@pytest.mark.parametrize(
    ("first", "second", "resumed"),
    [
        ({}, {}, True),
        ({}, {"headers": {"ETag": ""}}, True),
        ({"etag": 'W/"1"', "headers": DATE}, {"etag": 'W/"1"', "headers": DATE}, True),
        ({"etag": None, "headers": DATE}, {"etag": None, "headers": DATE}, True),
        ({"etag": 'W/"1"'}, {"etag": 'W/"1"'}, False),
        ({"etag": None}, {"etag": None}, False),
        ({}, {"etag": '"2"', "headers": {"ETag": ""}}, False),
        ({}, {"headers": {"ETag": '"2"'}}, False),
        ({}, {"ranges": False}, False),
        ({}, {"headers": {"Content-Range": "bytes 5-9/10"}}, False),
        ({}, {"status": 416}, False),
    ],
    ids=[
        *("same", "same, unsaid", "weak and date", "date", "weak", "nothing"),
        *("changed", "condition ignored", "no ranges", "another range", "416"),
    ],
)
def test_pieces_are_only_joined_where_the_validator_says_so(fetch, first, second, resumed):
    other = standin.archive({key: content[::-1] for key, content in CONTENT.items()})
    begin = How(close=150_000, **first)
    with serving(ARCHIVE if resumed else other, begin, How(status=404)) as server:
        with pytest.raises(UserError, match="404 Not Found"):
            fetch(server.url)
        server.content, server.script = ARCHIVE, [How(**second), How()]
        assert fetch(server.url) == EXPECTED
    asked = server.asked[2:]
    assert asked == ["bytes=150000-"] if resumed else asked[-1] is None, asked


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_on_the_way_the_files_are_the_same(fetch, seed):
    generator = np.random.default_rng(seed)
    faults = []
    for place in map(int, generator.integers(len(ARCHIVE), size=generator.integers(1, 9))):
        kinds = (
            {"drop": place},
            {"close": place},
            {"status": 503},
            {"ranges": False, "drop": place},
            {"etag": f'"{place}"', "drop": place},
            {"etag": None, "length": False, "drop": place},
            {"claim": int(generator.integers(500)), "close": place},
        )
        faults.append(How(**kinds[generator.integers(len(kinds))]))
    with serving(ARCHIVE, *faults, How()) as server:
        assert fetch(server.url, tries=20) == EXPECTED


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (How(status=404), "it answers 404 Not Found"),
        (How(status=500), "it answers 500 Internal Server Error, 3 tries in a row"),
        (How(page=True), "a web page comes instead of the file; is it a network's login page?"),
        (How(flip=0), "not a gzip file"),
        (How(cut=300_000), "damaged or cut off (unexpected end of data)"),
        (How(ranges=False, close=200_000), "its file changes, or it cannot resume"),
        (How(stall=0), "the connection broke (timed out)"),
        (How(raw=b""), "no connection (Remote end closed connection without response)"),
        (
            How(status=302, headers={"Location": "file:///x"}),
            "No connection adapters were found for 'file:///x'; run this",
        ),
    ],
    ids=["missing", "error", "page", "no gzip", "cut", "no ranges", "stalled", "empty", "nowhere"],
)
def test_what_cannot_be_mended_is_one_line_and_does_no_harm(fetch, how, words):
    with serving(ARCHIVE, how) as server:
        with pytest.raises(UserError) as refused:
            fetch(server.url)
        message = str(refused.value)
        assert message.isprintable()
        for part in (server.url, words, f"or put the archive at {OWN} (make demo needs neither"):
            assert part in message
        server.script = [How()]
        assert fetch(server.url) == EXPECTED


def test_a_mirror_that_fails_takes_nothing_from_another(fetch, capsys):
    with (
        serving(ARCHIVE, How(close=400_000), How(page=True)) as first,
        serving(ARCHIVE, How(status=404)) as second,
    ):
        with pytest.raises(UserError, match=rf"{first.url}: a web page .*; {second.url}: it ans"):
            fetch(first.url, second.url)
        first.script = [How(etag='"2"', status=503)]
        second.script = [How()]
        assert fetch(first.url, second.url) == EXPECTED
    assert "498k/498k" in capsys.readouterr().err, "the bar begins anew, too"
    assert first.asked == [None] + ["bytes=400000-"] * 4
    assert second.asked == [None, None]


def test_kept_bytes_that_were_damaged_are_thrown_away(fetch):
    with serving(ARCHIVE, How(close=150_000), How(status=404), How()) as server:
        with pytest.raises(UserError, match="404 Not Found"):
            fetch(server.url)
        with PART.open("r+b") as part:
            part.seek(100_000)
            part.write(bytes(20_000))
        with pytest.raises(UserError, match=r"must have MD5|damaged or cut off"):
            fetch(server.url)
        assert not PART.exists()
        assert fetch(server.url) == EXPECTED


def test_a_killed_fetch_is_resumed_by_the_next(configured, fetch):
    with serving(ARCHIVE, How(stall=250_000), How()) as server:
        arguments = Path("out"), configured(server.url, stall_timeout=60)
        child = get_context("spawn").Process(target=stl10.write, args=arguments)
        child.start()
        for _ in range(3000):
            if PART.exists() and PART.stat().st_size > 200_000:
                break
            time.sleep(0.01)
        child.kill()
        child.join()
        received = PART.stat().st_size - len(f'{server.url}\n"1"\n')
        assert fetch(server.url) == EXPECTED
        assert server.asked == [None, f"bytes={received}-"]


def test_a_full_disk_is_said_and_keeps_nothing_from_the_next(fetch):
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serving(ARCHIVE) as server:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most[1]))
        try:
            with pytest.raises(OSError, match="File too large") as full:
                fetch(server.url)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, most)
        assert full.value.errno in CURES
        assert fetch(server.url) == EXPECTED
    assert server.asked[0] is None
    assert server.asked[1].startswith("bytes=99"), "what found room was kept"


@pytest.mark.parametrize(
    ("url", "environment", "words"),
    [
        (NOWHERE, {}, r"no connection \(\[Errno 111\] Connection refused\), 2 tries in a row"),
        ("http://stl10.invalid/x", {}, r"no connection \(\[Errno -\d+\] .*; run this again"),
        (
            "http://stl10.invalid/x",
            {"HTTP_PROXY": "http://me:secret@127.0.0.1:1"},
            r"no connection to the proxy \(.*Connection refused; mend or unset HTTP_PROXY.*\), 2",
        ),
        (
            "https://127.0.0.1:1/x",
            {"REQUESTS_CA_BUNDLE": "/nowhere.pem"},
            r"certificate bundle, invalid path: /nowhere\.pem; mend or unset REQUESTS_CA_BUNDLE",
        ),
    ],
    ids=["refused", "unknown name", "dead proxy", "no certificates"],
)
def test_without_a_network_one_line_says_why(fetch, monkeypatch, url, environment, words):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=words) as refused:
        fetch(url, tries=2)
    assert "secret" not in str(refused.value)
    assert str(refused.value).isprintable()


def test_an_archive_of_ones_own_needs_no_network_and_stays(fetch):
    OWN.parent.mkdir(parents=True)
    OWN.write_bytes(ARCHIVE)
    assert fetch(NOWHERE) == EXPECTED
    OWN.write_bytes(ARCHIVE[:1000])
    with pytest.raises(UserError, match=rf"^{OWN}: .*cut off.*; replace it, or remove it"):
        fetch(NOWHERE)
    assert OWN.read_bytes() == ARCHIVE[:1000]


def test_memory_does_not_grow_with_the_archive(configured, monkeypatch):
    content = standin.noise(num_train=3, num_test=2500)
    # torchvision reads whole files
    monkeypatch.setattr("whitepatch.sources.stl10.fetch.refuse_unreadable", lambda _: None)
    with serving(standin.archive(content), How(close=40 * 2**20), How()) as server:
        tracemalloc.start()
        stl10.write(Path("out"), configured(server.url, content=content))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(content["test_X"]) > 60 * 2**20
    assert peak < 20 * 2**20
