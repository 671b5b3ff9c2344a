"""The lease as it is read from a bucket, by the bucket's own clock."""

from __future__ import annotations

import pytest

from kit.appsync import Aws
from skykite_lambda.live.cloud import Cloud
from skykite_lambda.live.lease import Lease, read_lease


def read(cloud: Cloud, within: float = 5.0) -> Lease:
    return read_lease(cloud, deadline=cloud.clock.elapsed() + within)


def test_a_lease_is_alive_while_it_is_renewed(aws: Aws, cloud: Cloud) -> None:
    aws.write_lease(age=50)
    assert read(cloud).alive is True
    aws.write_lease(age=70)
    assert read(cloud).alive is False
    aws.write_lease(open=False)
    assert read(cloud).alive is False


def test_without_a_lease_nobody_is_there(cloud: Cloud) -> None:
    assert read(cloud) == Lease(False, "nobody ever was")


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_lease_is_not_judged_by_our_clock(aws: Aws, cloud: Cloud, minutes: int) -> None:
    aws.clock_offset = minutes * 60
    aws.write_lease(age=50)
    assert read(cloud).alive is True
    aws.write_lease(age=70)
    assert read(cloud).alive is False


def test_an_expired_token_is_no_verdict(aws: Aws, cloud: Cloud, environment: dict[str, str]) -> None:
    aws.write_lease()
    aws.credentials["AWS_SESSION_TOKEN"] = "renewed"
    assert read(cloud) == Lease(None, "the lease cannot be read: 403 ExpiredToken")
    environment["AWS_SESSION_TOKEN"] = "renewed"
    assert read(cloud).alive is True


def test_a_bucket_that_cannot_be_reached_is_no_verdict(aws: Aws, cloud: Cloud, environment: dict[str, str]) -> None:
    aws.leases.append((503, "SlowDown"))
    assert read(cloud) == Lease(None, "the lease cannot be read: 503 SlowDown")
    assert read(cloud, within=-1).alive is None
    del environment["AWS_ACCESS_KEY_ID"]
    assert read(cloud).alive is None
