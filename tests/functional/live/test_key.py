"""The key of a stage, in the parameter store of the embedded cloud."""

from __future__ import annotations

import asyncio
import base64
import uuid

import pytest

from skykite.aws import AwsSession
from skykite.errors import SkykiteError
from skykite.live.key import delete_stage_key, obtain_stage_key
from skykite.model.live import stage_key_name


async def test_a_stage_gets_a_key_once_and_keeps_it(cloud_session: AwsSession) -> None:
    stage = f"s{uuid.uuid4().hex[:8]}"
    key = await obtain_stage_key(cloud_session, app="notes", stage=stage)
    assert len(key) == 32
    assert await obtain_stage_key(cloud_session, app="notes", stage=stage) == key
    assert await obtain_stage_key(cloud_session, app="notes", stage=stage + "x") != key
    described = cloud_session.ssm._caller.call("GetParameter", Name=stage_key_name("notes", stage))["Parameter"]
    assert described["Type"] == "SecureString"
    assert await delete_stage_key(cloud_session, app="notes", stage=stage)
    assert not await delete_stage_key(cloud_session, app="notes", stage=stage)
    assert await obtain_stage_key(cloud_session, app="notes", stage=stage) != key


async def test_sessions_that_start_at_once_get_the_same_key(cloud_session: AwsSession) -> None:
    stage = f"s{uuid.uuid4().hex[:8]}"
    keys = await asyncio.gather(*(obtain_stage_key(cloud_session, app="notes", stage=stage) for _ in range(8)))
    assert len(set(keys)) == 1


@pytest.mark.parametrize("value", ["", "not base64!", base64.b64encode(b"short").decode()])
async def test_a_parameter_that_holds_something_else_is_named(cloud_session: AwsSession, value: str) -> None:
    stage = f"s{uuid.uuid4().hex[:8]}"
    name = stage_key_name("notes", stage)
    cloud_session.ssm.create_secret(name, value or " ", description="d", tags={})
    with pytest.raises(SkykiteError) as raised:
        await obtain_stage_key(cloud_session, app="notes", stage=stage)
    assert raised.value.code == "live-key-unusable"
    assert f"`{name}`" in raised.value.message
    assert f"aws ssm delete-parameter --name {name}" in str(raised.value.hint)
