"""Whose role is assumed, by whom, and what a function's code may do with it, as the embedded cloud has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.credentials import Credentials

from kit.assembly import Workbench
from kit.cloud import RealClock, running_cloud, session_at
from kit.credentials import Vending
from kit.events import EventsClient
from skykite.aws import AwsError, AwsSession
from skykite.cloud import CloudAddress
from skykite.errors import SkykiteError
from skykite.live.credentials import CredentialSource, DeveloperCredentials, FunctionRole, Issued, RoleCredentials
from skykite.live.sessionpolicy import session_policy
from skykite.model.bootstrap import EventApi, bootstrap_bucket
from skykite.model.live import requests_channel
from skykite.model.names import FunctionId

LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
EVERYTHING = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass(frozen=True)
class Cloud:
    """The embedded cloud with its Event API, as its owner sees it."""

    address: CloudAddress
    session: AwsSession
    api: EventApi

    def client(self, service: str, **keys: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.address.url,
            region_name=self.address.region,
            **{
                "aws_access_key_id": self.address.access_key_id,
                "aws_secret_access_key": self.address.secret_access_key,
                **keys,
            },
        )

    def role(self, name: str, *trusts: dict[str, Any], **options: Any) -> FunctionRole:
        trust = json.dumps({"Version": "2012-10-17", "Statement": [LAMBDA, *trusts]})
        iam = self.client("iam")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **options)["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
        return FunctionRole(id=FunctionId(f"Notes/{name}"), name=f"alice-notes-{name}", role=arn)

    def trust_me(self) -> dict[str, Any]:
        """As a stage's own roles trust the developer: the account, if it is they."""
        me = self.client("sts").get_caller_identity()
        return _trust(f"arn:aws:iam::{me['Account']}:root", me["Arn"])

    @property
    def policy(self) -> str:
        bucket = bootstrap_bucket(self.address.account, self.address.region)
        return session_policy(api=self.api, bucket=bucket, app="notes", stage="alice")

    def roles(self, **options: Any) -> RoleCredentials:
        return RoleCredentials(
            **{"aws": self.session, "policy": self.policy, "clock": RealClock(), "patience_s": 0.0, **options}
        )

    def events(self, keys: dict[str, str]) -> EventsClient:
        credentials = Credentials(
            keys["aws_access_key_id"], keys["aws_secret_access_key"], keys.get("aws_session_token")
        )
        return EventsClient(url=self.address.url, api=self.api, credentials=credentials, region=self.address.region)


def _trust(principal: str, arn: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": "sts:AssumeRole",
        "Condition": {"ArnEquals": {"aws:PrincipalArn": arn}},
    }


def _keys(issued: Issued) -> dict[str, str]:
    return {name.lower(): value for name, value in issued.variables.items()}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudAddress]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as address:
        yield address


@pytest.fixture
async def cloud(address: CloudAddress, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    session = session_at(address)
    bench = Workbench(session=session, root=tmp_path, app="notes")
    yield Cloud(address=address, session=session, api=await bench.deployer().event_api())
    session.close()


async def test_a_role_that_trusts_the_developer_by_principal_arn_is_assumed_under_the_functions_name(
    cloud: Cloud,
) -> None:
    function = cloud.role("trusting", cloud.trust_me())
    before = RealClock().now()
    issued = await cloud.roles().obtain(function)
    identity = cloud.client("sts", **_keys(issued)).get_caller_identity()
    account = cloud.address.account
    assert identity["Arn"] == f"arn:aws:sts::{account}:assumed-role/trusting/alice-notes-trusting"
    assert timedelta(minutes=43) < issued.renew_at - before < timedelta(minutes=45)
    assert issued.ends_at - issued.renew_at == timedelta(minutes=16)


async def test_a_role_that_trusts_somebody_else_is_refused_and_it_is_said_what_to_do(cloud: Cloud) -> None:
    account = cloud.address.account
    for name, *trusts in (
        ("lambda-only",),
        ("somebody-else", _trust(f"arn:aws:iam::{account}:root", f"arn:aws:iam::{account}:user/bob")),
    ):
        function = cloud.role(name, *trusts)
        with pytest.raises(SkykiteError) as raised:
            await cloud.roles().obtain(function)
        assert raised.value.code == "live-role-refused"
        assert raised.value.message == (
            f"`Notes/{name}` cannot run under its role `{function.role}`: User: arn:aws:iam::{account}:root is not "
            f"authorized to perform: sts:AssumeRole on resource: {function.role}"
        )
        assert "`sts:AssumeRole`" in (raised.value.hint or "")
        assert 'live_credentials = "developer"' in (raised.value.hint or "")


async def test_a_user_who_is_named_by_principal_arn_may_although_others_of_the_account_may_not(cloud: Cloud) -> None:
    iam, account = cloud.client("iam"), cloud.address.account
    sessions = {}
    for user in ("carol", "dave"):
        arn = iam.create_user(UserName=user)["User"]["Arn"]
        allow = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}
        iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps(allow))
        key = iam.create_access_key(UserName=user)["AccessKey"]
        sessions[user] = AwsSession(
            region=cloud.address.region,
            endpoint_url=cloud.address.url,
            access_key_id=key["AccessKeyId"],
            secret_access_key=key["SecretAccessKey"],
        )
        assert arn == f"arn:aws:iam::{account}:user/{user}"
    function = cloud.role("carols", _trust(f"arn:aws:iam::{account}:root", f"arn:aws:iam::{account}:user/carol"))
    assert await cloud.roles(aws=sessions["carol"]).obtain(function)
    with pytest.raises(SkykiteError) as raised:
        await cloud.roles(aws=sessions["dave"]).obtain(function)
    assert raised.value.code == "live-role-refused"
    for session in sessions.values():
        session.close()


async def test_a_trust_that_takes_its_time_is_waited_for(cloud: Cloud) -> None:
    function = cloud.role("late")
    refused: list[str] = []

    def trust_after_two(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if "Error" in parsed:
            refused.append(parsed["Error"]["Code"])
        if len(refused) == 2:
            trust = json.dumps({"Statement": [LAMBDA, cloud.trust_me()]})
            cloud.client("iam").update_assume_role_policy(RoleName="late", PolicyDocument=trust)

    client = cloud.session.sts._caller.client()
    client.meta.events.register("after-call.sts.AssumeRole", trust_after_two)
    assert await cloud.roles(patience_s=30.0).obtain(function)
    assert refused == ["AccessDenied", "AccessDenied"]


async def test_the_root_user_is_told_at_once_that_it_may_assume_no_role(cloud: Cloud) -> None:
    function = cloud.role("roots")
    answers: list[str] = []

    def as_aws_says(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        answers.append(parsed["Error"]["Code"])
        parsed["Error"]["Message"] = "Roles may not be assumed by root accounts."

    events = cloud.session.sts._caller.client().meta.events
    events.register("after-call.sts.AssumeRole", as_aws_says)
    try:
        with pytest.raises(SkykiteError) as raised:
            await cloud.roles(patience_s=30.0).obtain(function)
    finally:
        events.unregister("after-call.sts.AssumeRole", as_aws_says)
    assert answers == ["AccessDenied"]
    assert raised.value.code == "live-role-refused"
    assert "sign in as a user or role of IAM" in (raised.value.hint or "")


async def test_the_longest_session_that_a_role_allows_is_taken(cloud: Cloud) -> None:
    longer = cloud.role("longer", cloud.trust_me(), MaxSessionDuration=43_200)
    plain = cloud.role("plain", cloud.trust_me())
    roles = cloud.roles(longest_s=43_200)
    now = RealClock().now()
    assert (await roles.obtain(longer)).ends_at - now > timedelta(hours=11)
    assert timedelta(minutes=59) < (await roles.obtain(plain)).ends_at - now < timedelta(minutes=61)
    assert await roles.obtain(plain)


async def test_code_that_runs_here_may_not_speak_for_the_bridge_though_its_role_may(cloud: Cloud) -> None:
    function = cloud.role("stub", cloud.trust_me())
    channel = requests_channel("notes", "alice")
    everything = json.dumps({"Version": "2012-10-17", **EVERYTHING})
    allowed = cloud.events(_keys(await cloud.roles(policy=everything).obtain(function)))
    denied = cloud.events(_keys(await cloud.roles().obtain(function)))
    assert allowed.publish(channel, '"hello"')[0] == 200
    assert denied.publish(channel, '"hello"')[0] in (401, 403)
    with allowed.connect() as connection:
        connection.send('{"type":"connection_init"}')
        assert json.loads(connection.recv(timeout=20))["type"] == "connection_ack"


def test_the_bridges_key_lease_and_payloads_are_denied_and_everything_else_is_not(cloud: Cloud) -> None:
    """By IAM's own judgement of the policy: the embedded cloud does not enforce it at S3 and SSM."""
    bucket = bootstrap_bucket(cloud.address.account, cloud.address.region)
    key = f"arn:aws:ssm:{cloud.address.region}:{cloud.address.account}:parameter/skykite/notes/alice/live-key"
    of_alice = f"arn:aws:s3:::{bucket}/live/0f/lease.json"

    def judge(action: str, resource: str) -> str:
        answer = cloud.client("iam").simulate_custom_policy(
            PolicyInputList=[cloud.policy], ActionNames=[action], ResourceArns=[resource]
        )
        decision: str = answer["EvaluationResults"][0]["EvalDecision"]
        return decision

    assert judge("ssm:GetParameter", key) == "explicitDeny"
    assert judge("ssm:GetParameterHistory", key) == "explicitDeny"
    assert judge("ssm:PutParameter", key) == "explicitDeny"
    assert judge("ssm:DeleteParameter", key) == "explicitDeny"
    assert judge("ssm:LabelParameterVersion", key) == "explicitDeny"
    assert judge("ssm:PutParameter", key.replace("live-key", "mine")) == "allowed"
    assert judge("ssm:GetParametersByPath", key.removesuffix("/live-key")) == "explicitDeny"
    assert judge("ssm:GetParameter", key.replace("live-key", "mine")) == "allowed"
    assert judge("s3:GetObject", of_alice) == "explicitDeny"
    assert judge("s3:PutObject", of_alice) == "explicitDeny"
    assert judge("s3:GetObject", f"arn:aws:s3:::{bucket}/assets/x.zip") == "allowed"
    assert judge("appsync:EventConnect", cloud.api.arn) == "explicitDeny"
    assert judge("appsync:EventSubscribe", cloud.api.namespace_arn("kite-replies")) == "explicitDeny"
    assert judge("appsync:EventPublish", cloud.api.arn + "x") == "allowed"


async def test_a_developers_own_credentials_are_the_sessions(cloud: Cloud) -> None:
    issued = await DeveloperCredentials(aws=cloud.session, clock=RealClock()).obtain(
        FunctionRole(id=FunctionId("Notes/F"), name="f", role="arn:aws:iam::000000000000:role/nobody")
    )
    assert dict(issued.variables) == {
        "AWS_ACCESS_KEY_ID": cloud.address.access_key_id,
        "AWS_SECRET_ACCESS_KEY": cloud.address.secret_access_key,
    }


@pytest.mark.parametrize("kind", ["role", "vending"])
async def test_a_source_gives_new_credentials_each_time_or_says_for_which_function_not(cloud: Cloud, kind: str) -> None:
    function = cloud.role(f"source-{kind}", cloud.trust_me())
    refused = cloud.role(f"refused-{kind}")
    source: CredentialSource = cloud.roles()
    if kind == "vending":
        source = Vending(RealClock())
        source.refused = {refused.id}
    now = RealClock().now()
    first, second = await source.obtain(function), await source.obtain(function)
    assert first.variables.keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    assert first.variables != second.variables
    assert now < first.renew_at < first.ends_at <= second.ends_at
    assert "secret" not in repr(first).lower()
    with pytest.raises(SkykiteError) as raised:
        await source.obtain(refused)
    assert raised.value.code == "live-role-refused"
    assert f"`{refused.id}`" in raised.value.message


def test_a_policy_that_is_too_long_is_refused(cloud: Cloud) -> None:
    function = cloud.role("short", cloud.trust_me())
    with pytest.raises(AwsError) as raised:
        cloud.session.sts.assume_role(
            function.role, session_name="dev", seconds=3600, policy=json.dumps({"Statement": [], "Pad": "x" * 2048})
        )
    assert raised.value.aws_code == "ValidationError"
