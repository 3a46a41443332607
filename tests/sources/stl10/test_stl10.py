"""STL-10 is fetched from a real server that fails in every way we know."""

import gzip
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from contextlib import suppress

import numpy as np
import pytest
from helpers import standin
from helpers.server import How, serving
from helpers.standin import entry

from whitepatch.data import layout
from whitepatch.errors import UserError
from whitepatch.params import Params
from whitepatch.sources import stl10
from whitepatch.sources.stl10.labelled import labelled, refuse_unreadable

CONTENT = standin.noise()
ARCHIVE = standin.archive(CONTENT)
QUICK = {
    "connect_timeout": 1.0,
    "stall_timeout": 0.3,
    "tries": 4,
    "pause": 0.01,
    "patience": 1.0,
    "most_bytes": 2**22,
}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()


@pytest.fixture
def fetch(everything, tmp_path):
    """Return a function that fetches from some addresses, and gives the files that it wrote."""

    def fetch(*urls, content=CONTENT, **settings):
        changed = everything.model_dump(mode="json")
        changed["sources"]["stl10"] = standin.members(content)
        changed["download"] |= {"urls": urls, **QUICK, **settings}
        changed["live"] = []
        for name in ("article", "corrected"):
            del changed["experiments"][name]  # they want more rows
        stl10.write(tmp_path / "out", Params.model_validate_json(json.dumps(changed)))
        return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    return fetch


def expected(content=CONTENT):
    return {f"{key}.bin": content[key] for key in ("train_X", "train_y", "test_X", "test_y")}


def left(tmp_path):
    """Return what is left in the scratch folder, the lock aside."""
    return {path.name for path in (tmp_path / "data/downloads").glob("*.*[!k]")}


def test_the_labelled_files_and_no_byte_more_than_a_buffer(fetch, tmp_path):
    with serving(ARCHIVE) as server:
        assert fetch(server.url) == expected()
    labelled_only = standin.archive(CONTENT, standin.ORDER[:4])
    assert server.asked == [None]
    assert not left(tmp_path)
    big = standin.archive(CONTENT | {"unlabeled_X": np.random.default_rng(1).bytes(2**24)})
    with serving(big) as server:
        assert fetch(server.url) == expected()
    # what sockets hold is sent, but not asked for
    assert server.sent < len(labelled_only) + 2**23


@pytest.mark.parametrize("seed", range(6))
def test_members_may_come_in_any_order(fetch, seed):
    order = [str(key) for key in np.random.default_rng(seed).permutation(standin.ORDER)]
    with serving(standin.archive(CONTENT, order)) as server:
        assert fetch(server.url) == expected()


@pytest.mark.parametrize("fault", ["drop", "close", "stall"])
def test_a_broken_connection_is_resumed_behind_the_last_byte(fetch, tmp_path, fault):
    places = [0, 1, 2, 9_999, 65_536, 300_001, len(ARCHIVE) // 2]
    with serving(ARCHIVE, *(How(**{fault: place}) for place in places), How()) as server:
        assert fetch(server.url, tries=8) == expected()
    starts = [int(asked[6:-1]) for asked in server.asked if asked]
    assert starts == sorted(starts)
    assert server.sent < len(ARCHIVE) + 2**20
    assert not left(tmp_path)


def test_many_drops_in_a_row_are_fine_as_long_as_each_brings_something(fetch):
    with serving(ARCHIVE, *(How(drop=20_000) for _ in range(20)), How()) as server:
        assert fetch(server.url) == expected()
    assert len(server.asked) == 21


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_server_in_trouble_is_asked_again(fetch, status):
    with serving(
        ARCHIVE, How(status=status), How(drop=70_000), How(status=status), How()
    ) as server:
        assert fetch(server.url) == expected()


@pytest.mark.parametrize(
    "second",
    [
        How(ranges=False),
        How(etag='"2"'),
        How(claim=-1),
        How(shift=5),
        How(cut=100_000),
        How(flip=400_000),
        How(status=416),
    ],
    ids=["no ranges", "changed", "short claim", "other bytes", "cut", "flipped", "416"],
)
def test_a_resumption_that_cannot_be_trusted_starts_over(fetch, tmp_path, second):
    with serving(ARCHIVE, How(drop=200_000), second, How()) as server:
        assert fetch(server.url) == expected()
    assert server.asked[-1] is None or second.claim, server.asked
    assert not left(tmp_path)


@pytest.mark.parametrize("seed", range(25))
def test_whatever_happens_on_the_way_the_files_are_the_same(fetch, tmp_path, seed):
    generator = np.random.default_rng(seed)
    faults = []
    for _ in range(generator.integers(1, 9)):
        place = int(generator.integers(len(ARCHIVE)))
        faults.append(
            (
                How(drop=place),
                How(close=place),
                How(status=503),
                How(ranges=False, drop=place),
                How(etag=f'"{place}"', drop=place),
                How(etag=None, length=False, drop=place),
                How(claim=int(generator.integers(-500, 500)), close=place),
            )[generator.integers(7)]
        )
    with serving(ARCHIVE, *faults, How()) as server:
        assert fetch(server.url, tries=20) == expected()
    assert not left(tmp_path)


def test_a_server_that_never_gets_further_is_given_up(fetch):
    with (
        serving(ARCHIVE, How(ranges=False, drop=200_000)) as server,
        pytest.raises(UserError, match="connections in a row brought nothing new"),
    ):
        fetch(server.url)
    assert len(server.asked) < 20


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (How(status=404), "answers 404 Not Found"),
        (How(status=403), "answers 403 Forbidden"),
        (How(status=500), "answers 500 Internal Server Error"),
        (How(page=True), "web page (text/html), no archive; a proxy's login page?"),
        (How(flip=0), "is no gzip file"),
        (How(flip=300_000), "must have MD5|gzip is corrupt"),
        (How(cut=300_000), "ends too early: the archive is cut off|cut off"),
        (How(stall=0), "no byte for 0.3 s"),
        (How(drop=0), "the connection broke"),
    ],
    ids=lambda x: None if isinstance(x, str) else "",
)
def test_what_cannot_be_mended_is_one_line_and_leaves_nothing_wrong(fetch, how, words):
    with serving(ARCHIVE, how) as server, pytest.raises(UserError) as refused:
        fetch(server.url)
    message = str(refused.value)
    assert "\n" not in message
    assert server.url in message
    assert "data/downloads/stl10_binary.tar.gz" in message
    assert "make demo" in message
    assert any(word in message for word in words.split("|")), message
    with serving(ARCHIVE) as server:
        assert fetch(server.url) == expected(), "what was kept does no harm"


def bomb():
    header = entry("stl10_binary/pax")
    header.pax_headers = {"comment": "x" * 2**21}
    return header


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (standin.archive(CONTENT, standin.ORDER[1:]), "it has no stl10_binary/test_X.bin"),
        (
            standin.archive(CONTENT, ("test_y", "test_y", *standin.ORDER)),
            "stl10_binary/test_y.bin twice",
        ),
        (
            standin.archive(CONTENT, extra=[(entry("/etc/passwd", b"x"), b"x")]),
            "'/etc/passwd' would leave",
        ),
        (
            standin.archive(CONTENT, extra=[(entry("stl10_binary/../x", b"x"), b"x")]),
            "'stl10_binary/../x' would leave",
        ),
        (
            standin.archive(
                CONTENT, extra=[(entry("stl10_binary/train_y.bin", kind=tarfile.SYMTYPE), b"")]
            ),
            "is a link",
        ),
        (
            standin.archive(CONTENT, extra=[(entry("stl10_binary/x", kind=tarfile.LNKTYPE), b"")]),
            "is a link",
        ),
        (
            standin.archive(CONTENT | {"train_y": bytes(2**20)}),
            "train_y.bin must have 7 bytes, the archive has 1048576",
        ),
        (standin.archive(CONTENT | {"train_y": b"0123456"}), "train_y.bin must have MD5"),
        (
            standin.archive(CONTENT | {"unlabeled_X": bytes(2**23)}, standin.ORDER[::-1]),
            "decompression bomb",
        ),
        (standin.archive(CONTENT, extra=[(bomb(), b"")]), "header"),
        (standin.archive({}, ()), "it has no"),
    ],
    ids=[
        "missing",
        "twice",
        "absolute",
        "parent",
        "link",
        "hard link",
        "size",
        "sum",
        "bomb",
        "header",
        "empty",
    ],
)
@pytest.mark.parametrize("local", [False, True])
def test_an_archive_that_breaks_a_rule_is_refused_and_nothing_is_kept(
    fetch, tmp_path, broken, words, local
):
    if local:
        (tmp_path / "own.tar.gz").write_bytes(broken)
        with pytest.raises(UserError, match=words.replace("(", r"\(")):
            fetch((tmp_path / "own.tar.gz").as_uri())
    else:
        with (
            serving(broken) as server,
            pytest.raises(UserError, match=words.replace("(", r"\(")),
        ):
            fetch(server.url)
        assert len(server.asked) == 1, "asking again would not help"
    assert not left(tmp_path)


def pax(**values):
    header = entry("stl10_binary/pax", b"x")
    header.pax_headers = values
    return standin.archive(CONTENT, extra=[(header, b"x")])


def chained(kind):
    """Return an archive that begins with 900 headers which only announce the next."""
    block = entry("x", kind=kind).tobuf(tarfile.GNU_FORMAT)
    return gzip.compress(block * 900 + gzip.decompress(ARCHIVE), 1, mtime=0)


@pytest.mark.parametrize(
    "broken",
    [
        pax(size="-100000"),
        pax(**{"GNU.sparse.map": "x,y", "GNU.sparse.size": "9"}),
        pax(**{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "y"}),
        pax(**{"GNU.sparse.map": "0,0", "GNU.sparse.size": str(10**15)}),
        pax(**{"GNU.sparse.size": str(10**15), "GNU.sparse.map": "0,1"}),
        chained(tarfile.GNUTYPE_LONGNAME),
        chained(tarfile.XGLTYPE),
        standin.archive(
            CONTENT, extra=[(entry("stl10_binary/train_y.bin", kind=tarfile.DIRTYPE), b"")]
        ),
        gzip.compress(b"", mtime=0),
        gzip.compress(bytes(10**6), mtime=0),
        gzip.compress(np.random.default_rng(1).bytes(10**6), mtime=0),
    ],
)
def test_headers_that_make_no_sense_are_one_line(fetch, tmp_path, broken):
    with serving(broken, How()) as server, pytest.raises(UserError) as refused:
        fetch(server.url)
    assert "\n" not in str(refused.value)
    assert not left(tmp_path), "the next run must not stumble over it"


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_is_refused_or_harmless(fetch, tmp_path, seed):
    generator = np.random.default_rng(seed)
    content = bytearray(gzip.decompress(ARCHIVE))
    heads = [
        place
        for place in range(0, len(content), 512)
        if content[place + 257 : place + 262] == b"ustar"
    ]
    start = int(generator.choice(heads))
    for place in generator.integers(start, start + 512, size=3):
        content[place] = generator.integers(256)
    (tmp_path / "own.tar.gz").write_bytes(gzip.compress(bytes(content), 1, mtime=0))
    with suppress(UserError):
        assert fetch((tmp_path / "own.tar.gz").as_uri()) == expected()


def test_a_polite_end_without_a_length_is_not_taken_for_the_end(fetch):
    silent = {"length": False, "etag": None}
    with serving(ARCHIVE, How(close=40_000, **silent), How(close=90_000), How()) as server:
        assert fetch(server.url) == expected()
    assert server.asked[1] == "bytes=40000-"
    short = ARCHIVE[:100_000]
    with serving(short, How(**silent)) as server, pytest.raises(UserError, match="cut off"):
        fetch(server.url)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "how",
    [
        How(status=302, headers={"Location": "\u00ff\u00fe"}),
        How(status=302, headers={"Location": "http://[::1"}),
        How(status=302, headers={"Location": "file:///etc/passwd"}),
        How(status=302, headers={"Location": "/again"}),
        How(status=300),
        How(raw=b"HTTP/1.1 abc\r\n\r\n"),
        How(raw=b"\x16\x03\x01 no http\r\n"),
        How(raw=b""),
    ],
)
def test_answers_that_make_no_sense_are_one_printable_line(fetch, how):
    with serving(ARCHIVE, how) as server, pytest.raises(UserError) as refused:
        fetch(server.url, tries=2)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("length", ["\u00b2", "9" * 5000, "-1", "words"])
def test_a_length_that_makes_no_sense_is_passed_over(fetch, length):
    with serving(ARCHIVE, How(headers={"Content-Length": length})) as server:
        assert fetch(server.url) == expected()


@pytest.mark.parametrize(
    "said",
    [
        {"Content-Range": "bytes " + "9" * 5000 + "-1/2"},
        {"Content-Range": "bytes 200000-1/" + "9" * 5000},
        {"Content-Range": "words"},
    ],
)
def test_ranges_that_make_no_sense_start_over(fetch, said):
    with serving(ARCHIVE, How(close=200_000), How(headers=said), How()) as server:
        assert fetch(server.url) == expected()
    assert server.asked == [None, "bytes=200000-", None]


def test_a_redirect_is_followed_and_its_body_left_unread(fetch):
    with serving(ARCHIVE) as second:
        hint = How(status=302, headers={"Location": second.url}, fill=2**26)
        with serving(ARCHIVE, hint) as first:
            assert fetch(first.url) == expected()
            assert first.sent < 2**24


@pytest.mark.parametrize(
    "note",
    [
        '{"etag": 7}',
        '{"etag": "\u20ac"}',
        '{"etag": "a\\nb"}',
        '{"length": "x"}',
        "[" * 100_000,
        "x",
    ],
)
def test_a_note_that_makes_no_sense_starts_over(fetch, tmp_path, note):
    folder = tmp_path / "data/downloads"
    folder.mkdir(parents=True)
    (folder / "stl10_binary.tar.part").write_bytes(ARCHIVE[:50_000])
    with serving(ARCHIVE) as server:
        whole = {"url": server.url, "length": None, "etag": None, "last_modified": None}
        with suppress(ValueError, RecursionError):
            note = json.dumps(whole | json.loads(note))
        (folder / "stl10_binary.tar.json").write_text(note)
        assert fetch(server.url) == expected()
        assert server.asked == [None]


@pytest.mark.parametrize("damage", ["zeros", "cut", "longer", "other"])
def test_kept_bytes_that_have_changed_do_no_harm(fetch, tmp_path, damage):
    folder = tmp_path / "data/downloads"
    folder.mkdir(parents=True)
    kept = {
        "zeros": ARCHIVE[:50_000] + bytes(50_000),
        "cut": ARCHIVE[:50_000],
        "longer": ARCHIVE + b"x" * 1000,
        "other": standin.archive(standin.noise(5, 3))[:80_000],
    }[damage]
    (folder / "stl10_binary.tar.part").write_bytes(kept)
    with serving(ARCHIVE) as server:
        note = {"url": server.url, "length": len(ARCHIVE), "etag": '"1"', "last_modified": None}
        (folder / "stl10_binary.tar.json").write_text(json.dumps(note))
        assert fetch(server.url) == expected()


def test_names_that_are_looked_up_forever_are_given_up(fetch, monkeypatch):
    import socket

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(60))
    before = time.monotonic()
    with pytest.raises(UserError, match="no connection within 1 s"):
        fetch("http://stl10.invalid/a", "http://stl10.invalid/b", patience=1.0)
    assert time.monotonic() - before < 5


def test_a_mirror_gets_its_own_patience_if_there_is_a_network(fetch):
    with serving(ARCHIVE, How(status=404)) as first, serving(ARCHIVE) as second:
        assert fetch(first.url, "http://127.0.0.1:1/nobody", second.url) == expected()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd/x", "cannot be read"),
        ("file:///" + "x" * 300, "cannot be read"),
        ("file:///a%00b", "cannot be read"),
        ("file://host/etc/passwd", "names no machine"),
        ("http://me:secret@127.0.0.1:1/a", "http://127.0.0.1:1/a: no connection"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line_and_keeps_secrets(fetch, url, words):
    with pytest.raises(UserError, match=words) as refused:
        fetch(url)
    assert "secret" not in str(refused.value)


def test_an_interruption_while_torchvision_looks_keeps_what_was_received(
    fetch, tmp_path, monkeypatch
):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("whitepatch.sources.stl10.fetch.refuse_unreadable", interrupt)
    with serving(ARCHIVE) as server:
        with pytest.raises(SystemExit) as ended:
            fetch(server.url)
        assert ended.value.code == 130
        monkeypatch.undo()
        monkeypatch.chdir(tmp_path)
        assert fetch(server.url) == expected()
        assert server.asked == [None], "all of it was there already"


def test_mirrors_are_tried_in_order_and_go_on_where_the_first_stopped(fetch):
    with (
        serving(ARCHIVE, How(drop=150_000), How(status=404)) as first,
        serving(ARCHIVE, How(etag='"other"')) as second,
    ):
        assert fetch(first.url, second.url) == expected()
    assert len(first.asked) == 2
    (start,) = second.asked
    assert 0 < int(start[6:-1]) <= 150_000


def test_an_archive_of_ones_own_needs_no_network(fetch, tmp_path):
    own = tmp_path / "data/downloads/stl10_binary.tar.gz"
    own.parent.mkdir(parents=True)
    own.write_bytes(ARCHIVE)
    assert fetch("http://127.0.0.1:1/nobody") == expected()
    assert own.read_bytes() == ARCHIVE
    own.write_bytes(ARCHIVE[:1000])
    with pytest.raises(UserError, match=r"cut off.*remove or replace data/downloads"):
        fetch("http://127.0.0.1:1/nobody")
    assert own.exists()


def test_without_a_network_it_ends_soon_and_says_what_to_do(fetch):
    before = time.monotonic()
    with pytest.raises(UserError, match=r"no connection .*or put the archive at .*make demo"):
        fetch("http://127.0.0.1:1/nobody", "http://stl10.invalid/x.tar.gz")
    assert time.monotonic() - before < 10


def test_a_dead_proxy_is_named_for_the_address_is_not_at_fault(fetch, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:1")
    with pytest.raises(
        UserError, match=r"proxy http://127\.0\.0\.1:1, which .* Connection refused"
    ):
        fetch(urls=["http://no.such.host/a"])


def test_certificates_that_are_not_here_are_named(fetch, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with pytest.raises(UserError, match=r"TLS CA certificate bundle, invalid path: /nowhere\.pem"):
        fetch("https://127.0.0.1:1/a")


def test_a_missing_file_is_named(fetch, tmp_path):
    with pytest.raises(UserError, match=r"nothing\.tar\.gz: it cannot be read"):
        fetch((tmp_path / "nothing.tar.gz").as_uri())


PROGRAM = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits "ignore"
from whitepatch.params import Params
from whitepatch.sources import stl10
stl10.write(Path("out"), Params.model_validate_json(sys.stdin.read()))
"""


@pytest.mark.skipif("COVERAGE_RUN" in os.environ, reason="coverage could not write, either")
def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(tmp_path, edited):
    changes = {"sources.stl10": standin.members(CONTENT), "live": []}
    changes |= {f"experiments.{name}": ... for name in ("article", "corrected")}
    limited = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (100_000, 100_000));"
    with serving(ARCHIVE) as server:
        edited(changes | {"download.urls": [server.url]})
        done = subprocess.run(
            [
                *(sys.executable, "-c"),
                f"{limited} from whitepatch.stages import fetch, run; run(fetch.fetch)",
                "stl10",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "File too large; free some space" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "data/raw").iterdir())


MEMORY = """
import re, sys
from pathlib import Path
from whitepatch.params import Params
from whitepatch.sources.stl10 import fetch
fetch.refuse_unreadable = lambda folder: None  # torchvision reads whole files into memory
def peak():  # of this process; getrusage would begin with its parent's
    return int(re.search("VmHWM:[^0-9]*([0-9]+)", Path("/proc/self/status").read_text())[1])
before = peak()
fetch.write(Path("out"), Params.model_validate_json(sys.stdin.read()))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_memory_does_not_grow_with_the_archive(everything):
    content = standin.noise(num_train=3, num_test=2500)
    changed = everything.model_dump(mode="json")
    changed["sources"]["stl10"] = standin.members(content)
    changed["live"] = []
    for name in ("article", "corrected"):
        del changed["experiments"][name]
    with serving(standin.archive(content)) as server:
        changed["download"] |= {"urls": [server.url]}
        done = subprocess.run(
            [sys.executable, "-c", MEMORY],
            input=json.dumps(changed),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    kibibytes = int(done.stdout)
    assert len(content["test_X"]) > 60 * 2**20
    assert kibibytes < 20 * 2**10


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_fetch_is_resumed_by_the_next(everything, fetch, tmp_path, kind):
    changed = everything.model_dump(mode="json")
    changed["sources"]["stl10"] = standin.members(CONTENT)
    changed["live"] = []
    for name in ("article", "corrected"):
        del changed["experiments"][name]
    with serving(ARCHIVE, How(stall=250_000), How()) as server:
        changed["download"] |= {"urls": [server.url], **QUICK, "stall_timeout": 60.0}
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            child.stdin.write(json.dumps(changed))
            child.stdin.close()
            part = tmp_path / "data/downloads/stl10_binary.tar.part"
            for _ in range(1000):
                if part.exists() and part.stat().st_size == 250_000:
                    break
                time.sleep(0.01)
            os.kill(child.pid, kind)
            said = child.stderr.read()
        if kind == signal.SIGINT:
            assert child.returncode == 130
            assert "250kB are kept" in said
            assert "Traceback" not in said
        assert fetch(server.url) == expected()
        assert server.asked == [None, "bytes=250000-"]
    assert not left(tmp_path)


def test_torchvision_reads_what_we_read(fetch, tmp_path):
    (tmp_path / "own.tar.gz").write_bytes(ARCHIVE)
    fetch((tmp_path / "own.tar.gz").as_uri())
    for split in ("train", "test"):
        theirs = labelled(tmp_path / "out", split)
        np.testing.assert_array_equal(layout.read_images(tmp_path / "out", split), theirs.data)
        np.testing.assert_array_equal(
            layout.read_labels(tmp_path / "out", split), theirs.labels + 1
        )


def test_a_label_that_is_none_is_refused(tmp_path):
    for key in ("train_X", "train_y", "test_X", "test_y"):
        (tmp_path / "out" / f"{key}.bin").write_bytes(CONTENT[key])
    (tmp_path / "out/test_y.bin").write_bytes(bytes([11]) * 11)
    with pytest.raises(UserError, match=r"test_y\.bin must hold a label from 1 to 10"):
        refuse_unreadable(tmp_path / "out")


def test_the_pinned_sums_are_torchvisions(everything):
    from torchvision.datasets import STL10

    theirs = dict([*STL10.train_list, *STL10.test_list])
    for file, member in everything.sources.stl10.members().items():
        assert member.md5 == theirs[file]
        assert member.name == f"{STL10.base_folder}/{file}"
    assert everything.download.urls == (STL10.url,)
