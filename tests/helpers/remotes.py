"""Remotes of three kinds on this machine: a folder, an S3 server, an SSH server."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path


@dataclass(frozen=True)
class Remote:
    """Where results are shared.

    Attributes:
        url: As DVC takes it.
        place: Where its files lie on this machine, if they do.
        local: Settings that belong to one machine.
        environment: Secrets.
    """

    url: str
    place: Path | None = None
    local: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def folder(scratch: Path) -> Iterator[Remote]:
    """A folder that both clones can reach."""
    place = scratch / "shared"
    place.mkdir()
    yield Remote(str(place), place)


@contextmanager
def s3(scratch: Path) -> Iterator[Remote]:
    """A bucket of an S3 server (moto) on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (scratch / "s3.log").open("w") as log, _running(command, log):
        import boto3

        secrets = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret"}
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="somebody",
            aws_secret_access_key="secret",  # noqa: S106 -- of a server that lives for one test
        )
        _wait(port)
        client.create_bucket(Bucket="team")
        yield Remote("s3://team/white-patch", None, {"endpointurl": url}, secrets)


@contextmanager
def ssh(scratch: Path) -> Iterator[Remote]:
    """A folder behind an SSH server on loopback that lets one key in."""
    place = scratch / "far"
    place.mkdir()
    command = [sys.executable, __file__, str(scratch)]
    with (scratch / "ssh.log").open("w") as log, _running(command, log) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        url = f"ssh://{getuser()}@127.0.0.1:{port}{place}"
        yield Remote(url, place, {"keyfile": str(scratch / "user")})


@contextmanager
def _running(command: list[str], log: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def _wait(port: int) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"no server came up on port {port}")


async def _serve(scratch: Path) -> None:
    import asyncssh

    for name in ("host", "user"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(scratch / name)
        key.write_public_key(scratch / f"{name}.pub")
        (scratch / name).chmod(0o600)
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[str(scratch / "host")],
        authorized_client_keys=str(scratch / "user.pub"),
        sftp_factory=True,
    )
    print(server.get_port(), flush=True)  # noqa: T201
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
