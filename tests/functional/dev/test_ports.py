from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from skykite.dev.deployed_apis import KeptPorts
from skykite.dev.ports import DEFAULT_PORT, Ports
from skykite.errors import SkykiteError
from skykite.gateway import check_port
from skykite.model.names import ConstructPath

A, B = ConstructPath("S/A"), ConstructPath("S/B")


def test_the_users_port_goes_to_the_first_api_and_the_next_one_to_the_second() -> None:
    ports = Ports(7000)
    assert (ports.port_of(A), ports.port_of(B), ports.port_of(A)) == (7000, 7001, 7000)


def test_zero_leaves_the_choice_to_the_operating_system() -> None:
    assert Ports(0).port_of(A) == 0


def test_without_a_choice_a_taken_port_is_passed_over() -> None:
    free = Ports(None).port_of(A)
    assert free >= DEFAULT_PORT
    with socket.create_server(("127.0.0.1", free)):
        assert Ports(None).port_of(A) > free


async def test_a_port_that_somebody_takes_before_it_is_served_is_given_up_for_another() -> None:
    ports, asked = Ports(None), []
    with contextlib.ExitStack() as others:

        async def serve() -> int:
            port = ports.port_of(A)
            asked.append(port)
            if len(asked) == 1:  # between choosing and listening
                others.enter_context(socket.create_server(("127.0.0.1", port)))
            await check_port(port)
            return port

        served = await ports.serve(serve)
    assert served == asked[1] > asked[0]
    assert ports.port_of(A) == served


async def test_a_port_that_the_user_asked_for_is_not_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = Ports(other.getsockname()[1])
        with pytest.raises(SkykiteError) as raised:
            await ports.serve(lambda: check_port(ports.port_of(A)))
    assert raised.value.code == "port-in-use"


async def test_a_port_that_an_api_is_served_on_already_is_not_taken_for_somebody_elses() -> None:
    ports = Ports(None)
    first = await ports.serve(lambda: asyncio.sleep(0, ports.port_of(A)))
    with socket.create_server(("127.0.0.1", first)):

        async def refuse() -> None:
            raise SkykiteError("port-in-use", "of another API")

        with pytest.raises(SkykiteError):
            await ports.serve(refuse)
        assert ports.port_of(A) == first


def test_an_api_of_a_kept_cloud_has_its_port_again_after_a_restart_unless_somebody_took_it(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    before = KeptPorts(file)
    assert not before.known
    before.keep({"a": port})
    again = KeptPorts(file)
    assert again.known
    assert again.port_of("a") == port
    with socket.create_server(("127.0.0.1", port)):
        assert KeptPorts(file).port_of("a") != port
