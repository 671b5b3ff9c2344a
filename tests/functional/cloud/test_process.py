"""The embedded cloud's process: where it listens, how it starts, stops and ends, and who may have it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kit.embedded_cloud import RealClock, RealIds, Recorder, RunningCloud, eventually
from skykite.cloud import EmbeddedCloud, cloud_environment, read_address
from skykite.errors import SkykiteError

OWNER = textwrap.dedent(
    """
    import pathlib, sys, time
    sys.path[:0] = [{src!r}, {tests!r}]
    from kit.embedded_cloud import RunningCloud
    cloud = RunningCloud(pathlib.Path({directory!r})).start()
    print(cloud.pid, flush=True)
    time.sleep(60)
    """
)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    running = RunningCloud(tmp_path / "local").start()
    yield running
    running.close()


def test_it_comes_back_on_the_same_port_with_the_same_keys(cloud: RunningCloud) -> None:
    address = cloud.address
    cloud.stop()

    cloud.start()

    assert cloud.address == address


def test_it_takes_another_port_if_somebody_has_its_own(cloud: RunningCloud) -> None:
    assert cloud.address is not None
    port = urlsplit(cloud.address.url).port or 0
    cloud.stop()
    with socket.create_server(("127.0.0.1", port)):
        cloud.start()

        assert urlsplit(cloud.address.url).port != port
        assert cloud.client("sts").get_caller_identity()["Account"] == "000000000000"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_but_loopback_listens(cloud: RunningCloud) -> None:
    cloud.client("cloudformation").list_stacks()
    inodes = {
        str(link.readlink()).removeprefix("socket:[").removesuffix("]")
        for link in Path(f"/proc/{cloud.pid}/fd").iterdir()
        if _is_socket(link)
    }
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{cloud.pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                listening.append(fields[1].split(":")[0])

    assert listening == ["0100007F"]


def test_secrets_are_for_their_owner_alone(cloud: RunningCloud) -> None:
    directory = cloud.directory / "cloud"

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for name in ("credentials.json", "address.json"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600


def test_its_address_is_known_while_it_runs_and_not_after(cloud: RunningCloud) -> None:
    assert read_address(cloud.directory) == cloud.address
    assert cloud.address is not None
    assert cloud_environment(cloud.address)["AWS_ENDPOINT_URL"] == cloud.address.url

    cloud.kill()

    assert read_address(cloud.directory) is None


def test_a_second_cloud_on_the_same_directory_names_who_holds_it(cloud: RunningCloud, tmp_path: Path) -> None:
    script = tmp_path / "second.py"
    script.write_text(OWNER.format(src=str(ROOT / "src"), tests=str(ROOT / "tests"), directory=str(cloud.directory)))

    second = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=60)

    assert second.returncode == 1
    assert second.stderr.splitlines()[-1] == (
        f"skykite.errors.SkykiteError: cloud-in-use: process {os.getpid()} already runs the embedded cloud of "
        f"`{cloud.directory}`"
    )
    assert cloud.client("sts").get_caller_identity()["Account"] == "000000000000"


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_it_saves_and_ends_with_its_owner(tmp_path: Path, sent: signal.Signals) -> None:
    directory = tmp_path / "local"
    script = tmp_path / "owner.py"
    script.write_text(OWNER.format(src=str(ROOT / "src"), tests=str(ROOT / "tests"), directory=str(directory)))
    owner = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    owner.send_signal(sent)
    owner.wait(10)

    assert eventually(lambda: not _is_running(pid), within=5)
    owner.stdout.close()


def test_ctrl_c_on_the_terminal_does_not_reach_it(cloud: RunningCloud) -> None:
    assert os.getpgid(cloud.pid) != os.getpgid(0)


def test_it_stops_at_once_although_a_custom_resource_waits_for_an_answer(cloud: RunningCloud) -> None:
    arn = cloud.function("mute", lambda event, _: None)
    template = {"Resources": {"Never": {"Type": "Custom::Never", "Properties": {"ServiceToken": arn}}}}
    cloud.client("cloudformation").create_stack(StackName="stuck", TemplateBody=json.dumps(template))
    assert eventually(lambda: cloud.functions.invocations)
    pid = cloud.pid
    started = time.monotonic()

    cloud.stop()

    assert time.monotonic() - started < 2
    assert not _is_running(pid)


def test_when_it_dies_the_error_shows_the_end_of_its_log(cloud: RunningCloud) -> None:
    cloud.client("sqs").create_queue(QueueName="in-the-log")

    error = cloud.kill()

    assert error.code == "cloud-died"
    assert "SQS queue created: in-the-log" in (error.context or "")
    assert error.hint == f"its log is `{cloud.directory}/cloud/ministack.log`"


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "local").write_text("a file where a folder should be")
    running = RunningCloud(tmp_path / "local")

    with pytest.raises(SkykiteError) as refused:
        running.start()

    assert str(refused.value) == (f"state-unwritable: cannot write into `{tmp_path}/local/cloud`: Not a directory")
    running.close()


async def test_the_handoff_server_drops_who_does_not_know_the_token(cloud: RunningCloud) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", cloud.handoff.port)
    hello = b'{"token": "guessed"}'
    writer.write(len(hello).to_bytes(4, "big") + hello + bytes(4))

    assert await reader.read() == b""
    writer.close()


def _is_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except OSError:
        return False


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
async def test_a_cloud_started_at_once_after_its_predecessor_was_killed_is_not_taken_for_it(tmp_path: Path) -> None:
    """The end of the first one's output may be noticed when the second one is starting already."""
    clock, ids = RealClock(), RealIds()
    cloud = EmbeddedCloud(
        directory=tmp_path / "local", region="eu-west-1", handoff=None, events=Recorder(), clock=clock, ids=ids
    )
    first = await cloud.start()
    try:
        for _ in range(2):
            died = asyncio.create_task(cloud.wait_died())
            process = cloud._process
            assert process is not None
            process.kill()
            assert (await died).message == "the embedded cloud ended by signal SIGKILL"
            assert await cloud.start() == first
    finally:
        await cloud.stop()
