"""Ways to a host: TLS that is verified, proxies, and what leads nowhere."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from contextlib import closing

import pytest
import trustme

from kit.appsync import HTTP_HOST, REALTIME_HOST, REGION, running_aws
from kit.live import PushedClock, make_cloud, open_soon, step_until
from kit.loopback import running_server
from kit.proxy import running_proxy
from skykite_lambda.live.network import Network, Unreachable


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await writer.drain()


def connect(environment: dict[str, str], host: str, port: int, within: float = 5.0) -> bytes:
    clock = PushedClock()
    with closing(Network(environment, clock).connect(host, port, clock.elapsed() + within)) as stream:
        return stream.recv(5)


def context_for(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_a_certificate_that_is_right_is_accepted_and_the_name_was_asked_for(
    authority: trustme.CA, authority_file: str
) -> None:
    tls = context_for(authority, "localhost")
    asked: list[str | None] = []
    tls.sni_callback = lambda _, name, __: asked.append(name)
    with running_server(greet, tls=tls) as (port, _):
        assert connect({"AWS_CA_BUNDLE": authority_file}, "localhost", port) == b"hello"
    assert asked == ["localhost"]


def test_a_file_of_authorities_that_only_the_real_code_has_is_no_obstacle(authority: trustme.CA) -> None:
    with (
        running_server(greet, tls=context_for(authority, "localhost")) as (port, _),
        pytest.raises(Unreachable, match=r"no TLS with `localhost`: .*issuer certificate"),  # and not `No such file`
    ):
        connect({"AWS_CA_BUNDLE": "/var/task/company.pem"}, "localhost", port)


def test_the_systems_authorities_are_trusted_although_a_variable_names_a_file_that_only_the_real_code_has(
    authority: trustme.CA, authority_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/var/task/company.pem")  # which OpenSSL itself reads
    monkeypatch.setattr("skykite_lambda.live.network._AUTHORITIES", ("/nothing/here.pem", authority_file))
    with running_server(greet, tls=context_for(authority, "localhost")) as (port, _):
        assert connect({"SSL_CERT_FILE": "/var/task/company.pem"}, "localhost", port) == b"hello"


def test_a_certificate_of_another_host_is_refused(authority: trustme.CA, authority_file: str) -> None:
    with (
        running_server(greet, tls=context_for(authority, "elsewhere")) as (port, _),
        pytest.raises(Unreachable, match="`localhost`: Hostname mismatch"),
    ):
        connect({"AWS_CA_BUNDLE": authority_file}, "localhost", port)


def test_a_certificate_of_an_unknown_authority_is_refused(authority: trustme.CA) -> None:
    with (
        running_server(greet, tls=context_for(authority, "localhost")) as (port, _),
        pytest.raises(Unreachable, match=r"no TLS with `localhost`: .*issuer certificate"),
    ):
        connect({}, "localhost", port)


def test_a_server_that_speaks_no_tls_is_refused(authority_file: str) -> None:
    with running_server(greet) as (port, _), pytest.raises(Unreachable, match="no TLS with `localhost`"):
        connect({"AWS_CA_BUNDLE": authority_file}, "localhost", port)


@pytest.mark.parametrize("password", [None, "user:p@ss:word/%"])
def test_everything_goes_through_the_proxy_and_is_encrypted_to_its_end(
    authority_file: str, aws_tls: ssl.SSLContext, password: str | None
) -> None:
    with running_aws(aws_tls) as aws, running_proxy({"*": aws.port}, password) as proxy:
        user = "user:p%40ss%3Aword%2F%25@" if password else ""
        environment = aws.environment()
        del environment["AWS_ENDPOINT_URL"]
        environment |= {"HTTPS_PROXY": f"http://{user}127.0.0.1:{proxy.port}", "AWS_CA_BUNDLE": authority_file}
        line = open_soon(make_cloud(environment, PushedClock()))
        line.send(bytes(180_000))
        step_until(line, lambda: line.accepted)
        line.close()
        assert proxy.asked == [f"{REALTIME_HOST}:443"]


def test_a_proxy_that_wants_a_password_is_named_without_telling_the_wrong_one() -> None:
    with running_proxy({}, "user:right") as proxy, pytest.raises(Unreachable) as failure:
        connect({"HTTPS_PROXY": f"http://user:wrong@127.0.0.1:{proxy.port}"}, HTTP_HOST, 443)
    assert str(failure.value) == (
        f"the proxy `127.0.0.1:{proxy.port}` does not connect to `{HTTP_HOST}:443`: 407 Proxy Authentication Required; "
        "user and password belong into HTTPS_PROXY"
    )


def test_a_proxy_that_does_not_know_the_host_is_named() -> None:
    with (
        running_proxy({}) as proxy,
        pytest.raises(Unreachable, match=r"does not connect to `[^`]+:443`: 502 Bad Gateway"),
    ):
        connect({"HTTPS_PROXY": f"127.0.0.1:{proxy.port}"}, HTTP_HOST, 443)


def test_a_host_that_is_excepted_is_not_asked_of_the_proxy(authority: trustme.CA, authority_file: str) -> None:
    tls = context_for(authority, "localhost")
    with running_server(greet, tls=tls) as (port, _), running_proxy({}) as proxy:
        environment = {
            "HTTPS_PROXY": f"127.0.0.1:{proxy.port}",
            "NO_PROXY": "localhost",
            "AWS_CA_BUNDLE": authority_file,
        }
        assert connect(environment, "localhost", port) == b"hello"
        assert proxy.asked == []


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("through_proxy", [True, False])
def test_what_never_answers_is_given_up_in_time(through_proxy: bool) -> None:
    with running_server(say_nothing) as (port, _):
        environment = {"HTTPS_PROXY": f"127.0.0.1:{port}"} if through_proxy else {}
        started = time.monotonic()
        with pytest.raises(Unreachable, match="timed out"):
            connect(environment, "localhost", port, within=0.3)
        assert time.monotonic() - started < 2


async def talk_endlessly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(1000):
        writer.write(b"X: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


def test_a_proxy_that_never_comes_to_an_end_is_given_up() -> None:
    with running_server(talk_endlessly) as (port, _), pytest.raises(Unreachable, match="bytes of headers"):
        connect({"HTTPS_PROXY": f"127.0.0.1:{port}"}, HTTP_HOST, 443)


def test_a_host_without_an_address_or_with_a_closed_port_is_named() -> None:
    with pytest.raises(Unreachable, match=r"`x\.invalid` has no address"):
        connect({}, "x.invalid", 443)
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(Unreachable, match=f"no connection to `127.0.0.1:{port}`: Connection refused"):
            connect({}, "127.0.0.1", port)


def test_small_messages_do_not_wait_for_acknowledgements(authority: trustme.CA, authority_file: str) -> None:
    """Without TCP_NODELAY a message after a message waits 40 ms and more."""
    clock = PushedClock()
    with running_server(say_nothing, tls=context_for(authority, "localhost")) as (port, _):
        network = Network({"AWS_CA_BUNDLE": authority_file}, clock)
        with closing(network.connect("localhost", port, clock.elapsed() + 5)) as stream:
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_region_is_one_that_the_tests_certificates_are_for() -> None:
    assert REGION in HTTP_HOST
