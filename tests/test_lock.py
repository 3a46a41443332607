"""requirements.txt as it would be installed elsewhere; nothing is installed here."""

import os
import subprocess
import tomllib

import pytest

SYSTEMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin", "windows")


def test_every_package_that_we_name_is_pinned_with_hashes(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    pins = (root / "requirements.txt").read_text().replace("\\\n", " ").splitlines()
    pins = [line for line in pins if line and not line.lstrip().startswith("#")]
    for text in named:
        name, _, version = text.partition("==")
        name = name.partition("[")[0].replace(".", "-")  # as pins spell it
        (pin,) = [line for line in pins if line.startswith((f"{name}==", f"{name}["))]
        assert f"=={version}" in pin
    for line in pins:
        assert "==" in line
        assert "--hash=sha256:" in line, line


@pytest.mark.pipeline
@pytest.mark.parametrize("python", ["3.11", "3.12"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_it_can_be_installed_on_other_pythons_and_systems(root, tmp_path, python, system):
    """Asks the registry that uv is set up for; where there is none, nothing can be said."""
    command = ["uv", "pip", "install", "--dry-run", "--require-hashes", "-r", "requirements.txt"]
    command += ["--python-version", python, "--python-platform", system, "--target", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=root,
        env=os.environ | {"MACOSX_DEPLOYMENT_TARGET": "14.0"},  # torch's own floor
        capture_output=True,
        text=True,
        check=False,
    )
    unreachable = ("Failed to fetch", "error sending request", "dns error", "tcp connect")
    if done.returncode and any(words in done.stderr for words in unreachable):
        pytest.skip("no package registry can be reached")
    assert done.returncode == 0, done.stderr
    assert "+ torch==" in done.stderr
