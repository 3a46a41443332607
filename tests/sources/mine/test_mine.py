import numpy as np
import pytest
from helpers.sources import params_of, sections
from PIL import Image

from whitepatch import sources
from whitepatch.data import layout
from whitepatch.errors import UserError
from whitepatch.sources import mine


def picture(path, width=120, height=100, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Three scenes, of which one has two pictures."""
    picture(tmp_path / "mine" / "c.png", seed=1)
    picture(tmp_path / "mine" / "b" / "2.JPEG", seed=2)
    picture(tmp_path / "mine" / "b" / "1.webp", seed=3)
    picture(tmp_path / "mine" / "a.tif", seed=4)
    (tmp_path / "mine" / ".DS_Store").write_bytes(b"x")
    return tmp_path / "mine"


def params(folder, **changes):
    content = sections()
    content["mine"] = {"folder": str(folder), "seed": 1, "sides": [96], "crops": 5} | changes
    return params_of(content)


def test_a_file_is_a_scene_and_a_folder_is_one(folder):
    found = params(folder).sources.mine.found()
    assert {name: [path.name for path in paths] for name, paths in found.items()} == {
        "a.tif": ["a.tif"],
        "b": ["1.webp", "2.JPEG"],
        "c.png": ["c.png"],
    }
    assert list(found) == ["a.tif", "b", "c.png"]


def test_a_pool_is_written_and_its_labels_are_the_scenes(folder, tmp_path):
    settings = params(folder)
    assert sources.find("mine") is mine
    mine.write(tmp_path, settings)
    labels = layout.read_labels(tmp_path, "train").tolist()
    assert labels == [1] * 5 + [2] * 5 + [3] * 5
    assert len(layout.read_images(tmp_path, "train")) == 15
    assert not (tmp_path / "test_X.bin").exists()
    assert mine.subjects([1, 3, 2], settings) == ["a.tif", "c.png", "b"]
    assert mine.drawable([1, 2], settings) == [True, True]
    assert "of 3 scenes" in mine.describe(settings).words


def test_a_scene_that_goes_changes_no_crop_of_another(folder, tmp_path):
    mine.write(tmp_path, params(folder))
    before = np.array(layout.read_images(tmp_path, "train"))
    (folder / "a.tif").unlink()
    mine.write(tmp_path, params(folder))
    assert (layout.read_images(tmp_path, "train") == before[5:]).all()


def test_a_picture_is_turned_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    upright = Image.new("RGB", (120, 100), "blue")
    upright.paste("red", (0, 0, 120, 50))
    upright.save(tmp_path / "x.png", exif=exif)
    turned = mine.read(tmp_path / "x.png")
    assert turned.size == (100, 120)
    assert turned.getpixel((99, 60)) == (255, 0, 0)
    assert turned.getpixel((0, 60)) == (0, 0, 255)


def test_a_picture_that_is_grey_or_transparent_is_read_as_colours(tmp_path):
    for mode in ("L", "RGBA", "P", "CMYK", "1"):
        path = tmp_path / f"{mode}.tif"
        Image.new(mode, (100, 100)).save(path)
        assert mine.read(path).mode == "RGB"


def unreadable(folder):
    (folder / "c.png").write_bytes(b"no picture")


def cut_off(folder):
    path = folder / "c.png"
    path.write_bytes(path.read_bytes()[:5000])


def small(folder):
    picture(folder / "c.png", 200, 95)


def deep(folder):
    Image.fromarray(np.zeros((100, 100), np.uint16)).save(folder / "c.png")


def film(folder):
    (folder / "film.mp4").touch()


def nested(folder):
    picture(folder / "b" / "more.png" / "x.png")


def hollow(folder):
    (folder / "d").mkdir()


def gone(folder):
    folder.rename(folder.with_name("elsewhere"))


def bare(folder):
    for name in ("a.tif", "b/1.webp", "b/2.JPEG", "c.png"):
        (folder / name).unlink()
    (folder / "b").rmdir()


def many(folder):
    for number in range(253):
        (folder / f"{number}.png").touch()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (unreadable, r"c\.png is no readable picture \(cannot identify.*take it out"),
        (cut_off, r"c\.png is no readable picture \(.*truncated.*take it out"),
        (small, r"c\.png is too small: sides .* at most 95 pixels, got \[96\]"),
        (deep, r"c\.png must have 8 bits a channel, got I;16"),
        (film, r"film\.mp4 must be a file of \.jpg, .*take it out"),
        (nested, r"more\.png must be a file of \.jpg, .*take it out"),
        (hollow, r"/d is empty; take it out"),
        (gone, r"sources\.mine\.folder: there is no folder .*mine; make it"),
        (bare, r"1 to 255 scenes, got 0"),
        (many, r"1 to 255 scenes, got 256"),
    ],
)
def test_what_is_no_folder_of_photographs_is_refused_in_one_line(folder, tmp_path, spoil, said):
    spoil(folder)
    with pytest.raises(UserError, match=said) as refused:
        mine.write(tmp_path, params(folder))
    assert len(str(refused.value).splitlines()) == 1


def test_without_its_section_it_says_how_to_add_it():
    bare = params_of(sections())
    assert bare.sources.mine is None
    with pytest.raises(UserError, match=r"no sources\.mine; docs/photographs\.md"):
        mine.subjects([1], bare)
    with pytest.raises(ValueError, match=r"sources has no mine; docs/photographs\.md"):
        bare.sources.named("mine")
