"""From a company's network to AWS: proxies, certificates, and what is said when they are in the way."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from kit.appsync import CREDENTIALS, HTTP_HOST, REALTIME_HOST, REGION
from kit.event_api import EventApiServer, event_api
from kit.proxy import running_proxy
from kit.transport import connected
from skykite.aws import AwsError, AwsSession
from skykite.errors import SkykiteError
from skykite.live.network import find_proxy

STUB = bytes.fromhex("5e" * 16)


def on_aws(**changes: str) -> AwsSession:
    """Without an endpoint of its own: the hosts are AWS's, port 443, TLS."""
    return AwsSession(
        region=REGION,
        access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        session_token=CREDENTIALS["AWS_SESSION_TOKEN"],
        **changes,
    )


@pytest.mark.parametrize("password", [None, "ann:s3cret/%:x"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
async def test_everything_goes_through_the_proxy_of_the_environment_with_its_password(
    monkeypatch: pytest.MonkeyPatch,
    aws_tls: ssl.SSLContext,
    authority_file: str,
    password: str | None,
    variable: str,
) -> None:
    """SST #2244, #5840: corporate proxies."""
    monkeypatch.setenv("AWS_CA_BUNDLE", authority_file)
    async with event_api(aws_tls) as service:
        with running_proxy({f"{HTTP_HOST}:443": service.port, f"{REALTIME_HOST}:443": service.port}, password) as proxy:
            user = "" if password is None else "ann:s3cret%2F%25%3Ax@"
            monkeypatch.setenv(variable, f"http://{user}127.0.0.1:{proxy.port}")
            async with connected(service, aws=on_aws()) as (transport, heard):
                transport.publish(STUB, [b"out"])
                service.deliver(b"in")
                await service.until(lambda: service.published)
                await heard.until(lambda: heard.datagrams == [b"in"])
            assert sorted(set(proxy.asked)) == sorted([f"{HTTP_HOST}:443", f"{REALTIME_HOST}:443"])
            assert proxy.refused == 0


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("", "put `user:password@` before the proxy's host in HTTPS_PROXY"),
        (
            "ann:wrong@",
            "it does not know the user and the password that HTTPS_PROXY has for it, or takes none in the URL",
        ),
    ],
)
async def test_a_proxy_that_wants_a_password_or_another_is_named_and_not_asked_for_ever(
    given: str, hint: str, monkeypatch: pytest.MonkeyPatch, service: EventApiServer
) -> None:
    with running_proxy({}, "ann:secret") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{given}127.0.0.1:{proxy.port}")
        with pytest.raises(SkykiteError) as raised:
            async with connected(service, aws=on_aws()):
                pass
        assert raised.value.code == "bridge-unreachable"
        assert raised.value.message == (
            f"the proxy `http://127.0.0.1:{proxy.port}` answers with 407 Proxy Authentication Required"
        )
        assert raised.value.hint == hint
        assert proxy.refused == 1


async def test_a_certificate_of_an_unknown_authority_is_refused_and_the_remedy_named(
    monkeypatch: pytest.MonkeyPatch, aws_tls: ssl.SSLContext
) -> None:
    async with event_api(aws_tls) as service:
        with running_proxy({"*": service.port}) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            with pytest.raises(SkykiteError) as raised:
                async with connected(service, aws=on_aws()):
                    pass
        assert raised.value.code == "bridge-unreachable"
        assert f"the certificate of `{REALTIME_HOST}`" in raised.value.message
        assert "is not trusted" in raised.value.message
        assert "AWS_CA_BUNDLE" in str(raised.value.hint)
        assert service.handshakes_at == []


async def test_a_certificate_of_another_host_is_refused(
    monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, authority_file: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("somebody.else.example").configure_cert(context)
    monkeypatch.setenv("AWS_CA_BUNDLE", authority_file)
    async with event_api(context) as service:
        with running_proxy({"*": service.port}) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            with pytest.raises(SkykiteError) as raised:
                async with connected(service, aws=on_aws()):
                    pass
        assert "is not trusted" in raised.value.message


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
async def test_the_authorities_that_the_user_names_are_trusted(
    monkeypatch: pytest.MonkeyPatch, aws_tls: ssl.SSLContext, authority_file: str, variable: str
) -> None:
    monkeypatch.setenv(variable, authority_file)
    async with event_api(aws_tls) as service:
        with running_proxy({"*": service.port}) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            async with connected(service, aws=on_aws()) as (_, heard):
                assert heard.states == ["connected"]


async def test_a_bundle_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, service: EventApiServer) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(AwsError) as raised:
        async with connected(service, aws=on_aws()):
            pass
    assert raised.value.code == "ca-bundle-unusable"
    assert "`/nowhere/ca.pem`" in raised.value.message


async def test_the_embedded_cloud_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, service: EventApiServer
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    async with connected(service) as (_, heard):
        assert heard.states == ["connected"]


async def test_a_cloud_elsewhere_is_reached_under_its_address_and_called_by_awss_name(
    monkeypatch: pytest.MonkeyPatch, service: EventApiServer
) -> None:
    """An endpoint that is no loopback goes through the proxy; `Host` and signatures are AWS's all the same."""
    with running_proxy({"cloud.example:4566": service.port}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{proxy.port}")
        async with connected(service, aws=service.session(endpoint_url="http://cloud.example:4566")) as (transport, _):
            transport.publish(STUB, [b"x"])
            await service.until(lambda: service.published)
        assert set(proxy.asked) == {"cloud.example:4566"}


async def test_tls_to_an_endpoint_of_ones_own_is_verified_for_awss_name(
    monkeypatch: pytest.MonkeyPatch, aws_tls: ssl.SSLContext, authority_file: str
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", authority_file)
    async with event_api(aws_tls) as service, connected(service) as (transport, heard):
        transport.publish(STUB, [b"x"])
        await service.until(lambda: service.published)
        assert heard.states == ["connected"]


async def test_a_service_that_speaks_something_else_is_refused(tmp_path: Path, service: EventApiServer) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(SkykiteError) as raised:
        async with connected(service, aws=service.session(endpoint_url=f"http://127.0.0.1:{port}"), patience_s=0.3):
            pass
    assert raised.value.code == "bridge-unreachable"
    assert "refuses the connection: 200 OK" in raised.value.message
    server.close()


def test_hosts_that_need_no_proxy_get_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "localhost,.amazonaws.com")
    assert find_proxy("https", HTTP_HOST) is None
    found = find_proxy("https", "elsewhere.example")
    assert found is not None
    assert (found.shown, found.authorization) == ("http://proxy.example:3128", None)
    assert find_proxy("http", "elsewhere.example") is None


def test_a_proxy_over_tls_is_one_too_and_no_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "https://ann:s3cret@proxy.example")
    found = find_proxy("https", HTTP_HOST)
    assert found is not None
    assert (found.host, found.port, found.tls, found.shown) == ("proxy.example", 443, True, "https://proxy.example:443")
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize("value", ["socks5://ann:s3cret@proxy.example:1080", "http://proxy.example:port", "http://"])
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(SkykiteError) as raised:
        find_proxy("https", HTTP_HOST)
    assert raised.value.code == "proxy-unusable"
    assert "s3cret" not in raised.value.message


async def test_a_proxy_that_is_reached_over_tls(
    monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, aws_tls: ssl.SSLContext, authority_file: str, tmp_path: Path
) -> None:
    """TLS in TLS. The proxy's certificate has to be one that the system trusts."""
    monkeypatch.setenv("AWS_CA_BUNDLE", authority_file)
    monkeypatch.setenv("SSL_CERT_FILE", authority_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    async with event_api(aws_tls) as service:
        with running_proxy({"*": service.port}, tls=context) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{proxy.port}")
            async with connected(service, aws=on_aws()) as (transport, _):
                transport.publish(STUB, [b"x"])
                await service.until(lambda: service.published)
