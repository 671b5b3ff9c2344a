"""The lease as it is read from a bucket, by the bucket's own clock."""

from __future__ import annotations

import pytest

from kit.appsync import Aws
from skykite_lambda.live.events import Api
from skykite_lambda.live.lease import Lease, read_lease


def read(api: Api, within: float = 5.0) -> Lease:
    return read_lease(api.network, api.settings, api.signer, deadline=api.clock.monotonic() + within)


def test_a_lease_is_alive_while_it_is_renewed(aws: Aws, api: Api) -> None:
    aws.write_lease(age=50)
    assert read(api).alive is True
    aws.write_lease(age=70)
    assert read(api).alive is False
    aws.write_lease(open=False)
    assert read(api).alive is False


def test_without_a_lease_nobody_is_there(api: Api) -> None:
    assert read(api) == Lease(False, "nobody ever was")


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_lease_is_not_judged_by_our_clock(aws: Aws, api: Api, minutes: int) -> None:
    aws.clock_offset = minutes * 60
    aws.write_lease(age=50)
    assert read(api).alive is True
    aws.write_lease(age=70)
    assert read(api).alive is False


def test_an_expired_token_does_not_mean_that_nobody_is_there(aws: Aws, api: Api, environment: dict[str, str]) -> None:
    aws.write_lease()
    aws.credentials["AWS_SESSION_TOKEN"] = "renewed"
    assert read(api) == Lease(None, "the lease cannot be read: 403 ExpiredToken")
    environment["AWS_SESSION_TOKEN"] = "renewed"
    assert read(api).alive is True


def test_a_bucket_that_cannot_be_reached_is_no_verdict(aws: Aws, api: Api, environment: dict[str, str]) -> None:
    aws.leases.append((503, "SlowDown"))
    assert read(api) == Lease(None, "the lease cannot be read: 503 SlowDown")
    assert read(api, within=-1).alive is None
    del environment["AWS_ACCESS_KEY_ID"]
    assert read(api).alive is None
