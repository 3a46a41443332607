import os
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from whitepatch import paths, prediction
from whitepatch.cli import commands
from whitepatch.errors import UserError
from whitepatch.files import write_json
from whitepatch.models.classifier import build
from whitepatch.params import protocol
from whitepatch.prediction import predict, read_picture, trained
from whitepatch.training import weights
from whitepatch.training.loop import Trained

PIXELS = np.random.default_rng(5).integers(256, size=(96, 96, 3), dtype=np.uint8)


def test_a_picture_of_the_right_size_stays_as_it_is(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png") == PIXELS.transpose(2, 0, 1)).all()


def test_a_larger_one_is_averaged_and_not_cut(tmp_path):
    double = PIXELS.repeat(2, axis=0).repeat(3, axis=1)
    Image.fromarray(double).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png") == PIXELS.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
@pytest.mark.parametrize("kind", ["png", "gif", "webp", "bmp", "tiff", "jpg"])
def test_any_common_format_and_mode_is_read(tmp_path, mode, kind):
    path = tmp_path / f"a.{kind}"
    try:
        Image.fromarray(PIXELS).resize((31, 211)).convert(mode).save(path)
    except (OSError, ValueError):
        pytest.skip(f"no {kind} of mode {mode}")
    picture = read_picture(path)
    assert (picture.shape, picture.dtype) == ((3, 96, 96), np.uint8)
    assert picture.std() > 5


def test_a_picture_is_turned_as_the_camera_was(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter, clockwise
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    turned = np.rot90(PIXELS, -1).transpose(2, 0, 1)
    assert (read_picture(tmp_path / "a.png") == turned).all()


def test_what_is_no_picture_is_one_line(tmp_path, monkeypatch):
    Image.fromarray(PIXELS).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:900])
    (tmp_path / "text.png").write_text("hello")
    os.mkfifo(tmp_path / "pipe")
    Image.fromarray(PIXELS).save(tmp_path / "page.eps")
    Image.fromarray(PIXELS[:, :, 0].astype(np.float32)).save(tmp_path / "float.tiff")
    Image.fromarray(PIXELS[:, :, 0].astype(np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    for name, words in {
        "none.png": "is not here",
        "text.png": "no picture that can be read",
        "cut.jpg": "cannot be read as a picture",
        "float.tiff": r"cannot be read .* more than 8 bits a channel; save it with 8",
        "deep.png": r"cannot be read .* more than 8 bits a channel; save it with 8",
        ".": "is no file",
        "pipe": "is no file",
        "page.eps": "no picture that can be read",  # Ghostscript would run it
        "a.png": r"cannot be read .* exceeds limit of 2000 pixels",
    }.items():
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000 if name == "a.png" else 10**6)
        with pytest.raises(UserError, match=words) as refused:
            read_picture(tmp_path / name)
        assert "\n" not in str(refused.value)


@pytest.fixture
def project(root, tmp_path, monkeypatch):
    """Stand in a folder with parameters and the weights of one network."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(root / "params.yaml", tmp_path)
    best = build("mha_conv1d", 5).state_dict()
    weights.write("demo", "mha_conv1d", {1: Trained([{"test_loss": 0.5}], best, None, {})}, "test")
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    Image.fromarray(255 - PIXELS).resize((50, 60)).save(tmp_path / "b.jpg")
    return tmp_path


def invoke(*arguments):
    """Run the command with the project's network."""
    options = ["--variant", "mha_conv1d", "--seed", "1"]
    return CliRunner().invoke(commands, ["predict", *options, *arguments])


@pytest.mark.usefixtures("project")
def test_the_prediction_is_the_networks(everything):
    experiment = everything.experiment("demo")
    network = trained("demo", "mha_conv1d", 1, experiment)
    normalised = (torch.from_numpy(PIXELS.transpose(2, 0, 1)[None]).float() - 128) / 128
    with torch.no_grad():
        expected = torch.sigmoid(network.eval()(normalised).double())
    images = prediction.images_of([PIXELS.transpose(2, 0, 1)], experiment)
    found = predict(network, images)
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-5)
    np.testing.assert_allclose(found.pictures[0] * 255, PIXELS.transpose(2, 0, 1), atol=1e-3)
    assert {"evidence", "attention mean"} < set(found.maps)


def test_the_command_says_a_line_for_each_picture_and_draws_them(project):
    names = {
        "a.png": "a.png",
        "b.jpg": "b.jpg",
        "cost $x_{ $.png": "cost $x_{ $.png",
        "a_b^c\\d.png": "a_b^c\\d.png",
        "猫.png": "猫.png",
        "-x.png": "-x.png",
        "x\n1.0000  patch     y.png": "x\\n1.0000  patch     y.png",
        "\udcff.png": "\\udcff.png",  # no text in any encoding
    }
    for name in [*names][2:]:
        shutil.copy(project / "a.png", project / name)
    done = invoke("--output", "out/maps.png", "--", *names)
    assert done.exit_code == 0, done.output
    probabilities, _, shown = zip(
        *(
            re.split(r"  (patch   |no patch)  ", line, maxsplit=1)
            for line in done.stdout.splitlines()
        ),
        strict=True,
    )
    assert list(shown) == [*names.values()]
    assert all(0 <= float(probability) <= 1 for probability in probabilities)
    with Image.open(project / "out/maps.png") as drawn:
        assert drawn.width > 400


def test_a_picture_that_cannot_be_read_is_left_out(project):
    (project / "c\nd.png").touch()
    done = invoke("none.png", "a.png", "c\nd.png", "--output", "maps.png")
    assert done.exit_code == 2
    assert done.stdout.endswith("  a.png\n")
    assert done.stdout.count("\n") == 1
    assert done.stderr.splitlines() == [
        "none.png is not here; left out",
        "c\\nd.png is no picture that can be read; PNG and JPEG can; left out",
        "Maps: maps.png",
    ]


@pytest.mark.usefixtures("project")
def test_a_command_that_cannot_do_anything_says_why():
    for pictures, words in (
        (["none.png"], "none.png is not here"),
        (["n.png", "m.png"], "none of the 2 pictures can be read"),
        (["a.png"] * 101, "at most 100 pictures fit a figure, got 101"),
    ):
        assert str(invoke(*pictures).exception) == words


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("out", "--output must be the name of a .png file, got 'out'"),
        ("maps.jpg", "--output must be the name of a .png file, got 'maps.jpg'"),
        ("", "--output must be the name of a .png file, got '.'"),
        ("a.png", "--output must not be one of the pictures, got a.png"),
    ],
)
def test_nothing_of_yours_is_overwritten(project, output, words):
    (project / "out").mkdir()
    before = {path: path.is_file() and path.read_bytes() for path in project.rglob("*")}
    done = invoke("a.png", "--output", output)
    assert isinstance(done.exception, UserError)
    assert str(done.exception) == words
    assert {path: path.is_file() and path.read_bytes() for path in project.rglob("*")} == before


@pytest.mark.usefixtures("project")
def test_weights_of_other_pixels_or_patches_are_refused(everything):
    experiment = everything.experiment("demo")
    write_json(paths.metrics("demo", "mha_conv1d"), {"protocol": protocol(experiment)})
    trained("demo", "mha_conv1d", 1, experiment)
    pixels = experiment.pixels.model_copy(update={"scale": 255})
    with pytest.raises(UserError, match=r"^experiments\.demo\.pixels is not what mha_conv1d was"):
        trained("demo", "mha_conv1d", 1, experiment.model_copy(update={"pixels": pixels}))


@pytest.mark.usefixtures("project")
def test_weights_that_are_missing_or_damaged_say_how_to_get_them(everything):
    experiment = everything.experiment("demo")
    with pytest.raises(UserError, match=r"seed-00.* is missing; .*dvc repro train@demo-mha_conv1d"):
        trained("demo", "mha_conv1d", 0, experiment)
    with pytest.raises(UserError, match="demo has no seed 7; it has 0, 1"):
        trained("demo", "mha_conv1d", 7, experiment)
    path = paths.weights("demo", "mha_conv1d", 1)
    paths.model("demo", "cnn").mkdir()
    shutil.copy(path, paths.weights("demo", "cnn", 0))
    with pytest.raises(UserError, match=r"seed-00.* cannot be used"):
        trained("demo", "cnn", 0, experiment)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"seed-01.* cannot be used .*train it again"):
        trained("demo", "mha_conv1d", 1, experiment)
