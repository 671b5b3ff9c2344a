"""Which proxy is used for which host, and what is the embedded cloud."""

from __future__ import annotations

import pytest

from skykite_lambda.live.network import Garbled, Proxy, Unreachable, embedded_cloud, parse_head, proxy_for

HOST = "abc.appsync-realtime-api.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, Proxy("proxy", 3128, None)),
        ({"HTTPS_PROXY": "proxy:3128"}, Proxy("proxy", 3128, None)),
        ({"https_proxy": "http://low", "HTTPS_PROXY": "http://high"}, Proxy("low", 80, None)),
        ({"ALL_PROXY": "http://all:1/"}, Proxy("all", 1, None)),
        ({"HTTPS_PROXY": "", "all_proxy": "http://all:1"}, Proxy("all", 1, None)),
        ({"HTTP_PROXY": "http://plain:1"}, None),  # for plain HTTP, of which there is none
        ({"HTTPS_PROXY": "http://u:p%40%3A@proxy:1"}, Proxy("proxy", 1, "Basic dTpwQDo=")),
        ({"HTTPS_PROXY": "http://u:p@ss@proxy:1"}, Proxy("proxy", 1, "Basic dTpwQHNz")),
        ({"HTTPS_PROXY": "http://user@proxy:1"}, Proxy("proxy", 1, "Basic dXNlcjo=")),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, Proxy("::1", 3128, None)),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "localhost,.amazonaws.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "amazonaws.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "no_proxy": "*.AMAZONAWS.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": f"{HOST}:443"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": f"{HOST}:8443, mazonaws.com, ."}, Proxy("proxy", 1, None)),
    ],
)
def test_proxies_are_found_as_curl_finds_them(environment: dict[str, str], expected: Proxy | None) -> None:
    assert proxy_for(HOST, 443, environment) == expected


@pytest.mark.parametrize(
    "url", ["socks5://secret:word@proxy:1", "https://secret:word@proxy:1", "http://secret:word@:1"]
)
def test_a_proxy_that_cannot_be_used_is_an_error_without_its_password(url: str) -> None:
    with pytest.raises(Unreachable) as failure:
        proxy_for(HOST, 443, {"HTTPS_PROXY": url})
    assert "HTTPS_PROXY" in str(failure.value)
    assert "secret" not in str(failure.value)
    assert "word" not in str(failure.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:4566", ("127.0.0.1", 4566)),
        ("http://localhost:4566/", ("localhost", 4566)),
        ("http://[::1]:4566", ("::1", 4566)),
        ("https://127.0.0.1:4566", None),
        ("http://10.0.0.1:4566", None),  # signed requests leave this machine only encrypted
        ("http://127.0.0.1.example.com:4566", None),
        ("", None),
    ],
)
def test_only_this_machine_is_an_embedded_cloud(url: str, expected: tuple[str, int] | None) -> None:
    assert embedded_cloud({"AWS_ENDPOINT_URL": url}) == expected


@pytest.mark.parametrize(
    "text",
    [b"", b"HTTP/2 200", b"HTTP/1.1 20", b"HTTP/1.1 \xb2\xb2\xb2", b"HTTP/1.1 200 OK\r\nx", b"HTTP/1.1 200\r\n a: b"],
)
def test_a_head_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(Garbled):
        parse_head(text)


def test_headers_that_are_there_twice_are_joined() -> None:
    head = parse_head(b"HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive\r\nconnection:Upgrade")
    assert head == (101, "Switching Protocols", {"connection": "keep-alive, Upgrade"})
