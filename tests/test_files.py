import pytest

from whitepatch.files import digest, replacing, write_json, write_text


def fail_halfway(target):
    with replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError):
        fail_halfway(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()
    with replacing(target) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("left", ["a file", "a folder"])
def test_what_a_killed_process_left_is_gone_with_the_next_write(tmp_path, left):
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("")
    if left == "a file":
        temporary.write_text("half")
    else:
        temporary.mkdir()
        (temporary / "half").touch()
    write_text(tmp_path / "a.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert temporary.name.startswith("."), "DVC and Git ignore it"
    assert temporary.suffix == ".txt", "writers choose their format by it"


def test_json_refuses_what_json_cannot_say(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_digest_sees_content_order_and_borders(tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_bytes(b"ab")
    second.write_bytes(b"c")
    assert digest(first, second) == digest(b"ab", second)
    assert digest(first, second) != digest(second, first)
    assert digest(b"ab", b"c") != digest(b"a", b"bc")


def test_a_file_never_takes_the_place_of_a_folder(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "kept").touch()
    with pytest.raises(IsADirectoryError), replacing(folder) as temporary:
        temporary.write_text("a file")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "kept"]
