"""Payloads by presigned URL."""

from __future__ import annotations

import pytest

from kit.appsync import Aws
from kit.live import PushedClock
from skykite_lambda.live.cloud import Cloud
from skykite_lambda.live.network import Network
from skykite_lambda.live.payloads import TransferFailed, download, upload


def test_what_is_put_can_be_got(aws: Aws, cloud: Cloud) -> None:
    payload = bytes(range(256)) * 4 * 6 * 1024  # 6 MB
    url = aws.presigned("live/x/payload/y")
    deadline = cloud.clock.elapsed() + 20
    upload(cloud.network, url, {"content-type": "application/octet-stream"}, payload, deadline=deadline)
    assert aws.objects["live/x/payload/y"][0] == payload
    assert download(cloud.network, url, len(payload), deadline=deadline) == payload


def test_a_payload_that_is_longer_than_announced_is_not_taken(aws: Aws, cloud: Cloud) -> None:
    aws.objects["long"] = (bytes(10_000), 0.0)
    with pytest.raises(TransferFailed, match="more than 9999 bytes"):
        download(cloud.network, aws.presigned("long"), 9_999, deadline=cloud.clock.elapsed() + 5)


def test_a_refusal_is_told_with_s3s_own_word(aws: Aws, cloud: Cloud) -> None:
    with pytest.raises(TransferFailed, match="answers 403 AccessDenied"):
        download(cloud.network, aws.presigned("missing"), 5, deadline=cloud.clock.elapsed() + 5)
    with pytest.raises(TransferFailed, match="answers 403 SignatureDoesNotMatch"):
        upload(cloud.network, aws.presigned("x") + "0", {}, b"x", deadline=cloud.clock.elapsed() + 5)


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "http://169.254.169.254/latest/", "https://h/\r\nx"])
def test_only_https_is_followed(url: str) -> None:
    clock = PushedClock()
    with pytest.raises(TransferFailed):
        download(Network({}, clock), url, 5, deadline=clock.elapsed() + 1)


def test_headers_of_a_dev_session_cannot_split_the_request(aws: Aws, cloud: Cloud) -> None:
    with pytest.raises(TransferFailed, match="line break"):
        upload(cloud.network, aws.presigned("x"), {"a": "b\r\nc: d"}, b"x", deadline=cloud.clock.elapsed() + 5)
