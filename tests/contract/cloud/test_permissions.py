"""What a function may do in the embedded cloud is what its role's policies allow, as boto3 sees it."""

from __future__ import annotations

import base64
import functools
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, eventually
from kit.permissions import allow, arn, code, deny, make_role, refused

Call = Callable[[Any], Any]


@pytest.fixture(scope="module")
def table(cloud: RunningCloud) -> str:
    cloud.client("dynamodb").create_table(
        TableName="notes",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "by", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-author",
                "KeySchema": [{"AttributeName": "by", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return "notes"


@pytest.fixture(scope="module")
def things(cloud: RunningCloud, table: str) -> dict[str, str]:
    """One of everything, by name."""
    sqs, sns, s3 = cloud.client("sqs"), cloud.client("sns"), cloud.client("s3")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    topic = sns.create_topic(Name="placed")["TopicArn"]
    s3.create_bucket(Bucket="photos", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.create_bucket(Bucket="private", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="photos", Key="a/b c.png", Body=b"1")
    s3.put_object(Bucket="private", Key="secret", Body=b"1")
    upload = s3.create_multipart_upload(Bucket="photos", Key="big")["UploadId"]
    cloud.function("worker", lambda event, invocation: event)
    events = cloud.client("events")
    events.create_event_bus(Name="shop")
    kinesis = cloud.client("kinesis")
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    ssm = cloud.client("ssm")
    for name in ("/app/one", "/app/two"):
        ssm.put_parameter(Name=name, Value="v", Type="String")
    secret = cloud.client("secretsmanager").create_secret(Name="stripe", SecretString="s")["ARN"]
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/mine", TargetKeyId=key)
    encrypted = kms.encrypt(KeyId=key, Plaintext=b"p")["CiphertextBlob"]
    cloud.client("logs").create_log_group(logGroupName="/app")
    pool = cloud.client("cognito-idp").create_user_pool(PoolName="people")["UserPool"]["Id"]
    return {
        "queue": url,
        "topic": topic,
        "upload": upload,
        "secret": secret,
        "key": key,
        "encrypted": base64.b64encode(encrypted).decode(),
        "pool": pool,
    }


SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role"
ITEM = {"pk": {"S": "1"}}
CALLS: dict[str, tuple[str, Callable[[dict[str, str]], Call], str, Callable[[dict[str, str]], str]]] = {
    "dynamodb-get": (
        "dynamodb",
        lambda _: lambda c: c.get_item(TableName="notes", Key=ITEM),
        "dynamodb:GetItem",
        lambda _: arn("dynamodb", "table/notes"),
    ),
    "dynamodb-by-arn": (
        "dynamodb",
        lambda _: lambda c: c.describe_table(TableName=arn("dynamodb", "table/notes")),
        "dynamodb:DescribeTable",
        lambda _: arn("dynamodb", "table/notes"),
    ),
    "dynamodb-index": (
        "dynamodb",
        lambda _: (
            lambda c: c.query(
                TableName="notes",
                IndexName="by-author",
                KeyConditionExpression="#b = :b",
                ExpressionAttributeNames={"#b": "by"},
                ExpressionAttributeValues={":b": {"S": "me"}},
            )
        ),
        "dynamodb:Query",
        lambda _: arn("dynamodb", "table/notes/index/by-author"),
    ),
    "dynamodb-batch": (
        "dynamodb",
        lambda _: lambda c: c.batch_write_item(RequestItems={"notes": [{"PutRequest": {"Item": ITEM}}]}),
        "dynamodb:BatchWriteItem",
        lambda _: arn("dynamodb", "table/notes"),
    ),
    "dynamodb-transaction": (
        "dynamodb",
        lambda _: lambda c: c.transact_write_items(TransactItems=[{"Put": {"TableName": "notes", "Item": ITEM}}]),
        "dynamodb:PutItem",
        lambda _: arn("dynamodb", "table/notes"),
    ),
    "dynamodb-partiql": (
        "dynamodb",
        lambda _: lambda c: c.execute_statement(Statement="SELECT * FROM notes WHERE pk = '1'"),
        "dynamodb:PartiQLSelect",
        lambda _: arn("dynamodb", "table/notes"),
    ),
    "sqs-send": (
        "sqs",
        lambda t: lambda c: c.send_message(QueueUrl=t["queue"], MessageBody="1"),
        "sqs:SendMessage",
        lambda _: arn("sqs", "orders"),
    ),
    "sqs-batch": (
        "sqs",
        lambda t: lambda c: c.send_message_batch(QueueUrl=t["queue"], Entries=[{"Id": "1", "MessageBody": "1"}]),
        "sqs:SendMessage",
        lambda _: arn("sqs", "orders"),
    ),
    "sqs-url": (
        "sqs",
        lambda _: lambda c: c.get_queue_url(QueueName="orders"),
        "sqs:GetQueueUrl",
        lambda _: arn("sqs", "orders"),
    ),
    "sns-publish": (
        "sns",
        lambda t: lambda c: c.publish(TopicArn=t["topic"], Message="1"),
        "sns:Publish",
        lambda _: arn("sns", "placed"),
    ),
    "sns-batch": (
        "sns",
        lambda t: (
            lambda c: c.publish_batch(TopicArn=t["topic"], PublishBatchRequestEntries=[{"Id": "1", "Message": "1"}])
        ),
        "sns:Publish",
        lambda _: arn("sns", "placed"),
    ),
    "s3-get": (
        "s3",
        lambda _: lambda c: c.get_object(Bucket="photos", Key="a/b c.png"),
        "s3:GetObject",
        lambda _: "arn:aws:s3:::photos/a/b c.png",
    ),
    "s3-put": (
        "s3",
        lambda _: lambda c: c.put_object(Bucket="photos", Key="new", Body=b"1"),
        "s3:PutObject",
        lambda _: "arn:aws:s3:::photos/new",
    ),
    "s3-list": (
        "s3",
        lambda _: lambda c: c.list_objects_v2(Bucket="photos", Prefix="a/"),
        "s3:ListBucket",
        lambda _: "arn:aws:s3:::photos",
    ),
    "s3-tags": (
        "s3",
        lambda _: lambda c: c.get_object_tagging(Bucket="photos", Key="a/b c.png"),
        "s3:GetObjectTagging",
        lambda _: "arn:aws:s3:::photos/a/b c.png",
    ),
    "s3-part": (
        "s3",
        lambda t: (
            lambda c: c.upload_part(Bucket="photos", Key="big", UploadId=t["upload"], PartNumber=1, Body=b"1" * 10)
        ),
        "s3:PutObject",
        lambda _: "arn:aws:s3:::photos/big",
    ),
    "s3-delete-many": (
        "s3",
        lambda _: lambda c: c.delete_objects(Bucket="photos", Delete={"Objects": [{"Key": "none"}]}),
        "s3:DeleteObject",
        lambda _: "arn:aws:s3:::photos/none",
    ),
    "lambda-invoke": (
        "lambda",
        lambda _: lambda c: c.invoke(FunctionName="worker", Payload=b"{}"),
        "lambda:InvokeFunction",
        lambda _: arn("lambda", "function:worker"),
    ),
    "lambda-version": (
        "lambda",
        lambda _: lambda c: c.invoke(FunctionName=arn("lambda", "function:worker"), Qualifier="$LATEST", Payload=b"{}"),
        "lambda:InvokeFunction",
        lambda _: arn("lambda", "function:worker:$LATEST"),
    ),
    "events-put": (
        "events",
        lambda _: (
            lambda c: c.put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": "{}", "EventBusName": "shop"}])
        ),
        "events:PutEvents",
        lambda _: arn("events", "event-bus/shop"),
    ),
    "events-default": (
        "events",
        lambda _: lambda c: c.put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": "{}"}]),
        "events:PutEvents",
        lambda _: arn("events", "event-bus/default"),
    ),
    "events-rule": (
        "events",
        lambda _: lambda c: c.put_rule(Name="r", EventBusName="shop", EventPattern='{"source": ["s"]}'),
        "events:PutRule",
        lambda _: arn("events", "rule/shop/r"),
    ),
    "kinesis-put": (
        "kinesis",
        lambda _: lambda c: c.put_record(StreamName="clicks", Data=b"1", PartitionKey="1"),
        "kinesis:PutRecord",
        lambda _: arn("kinesis", "stream/clicks"),
    ),
    "ssm-get": (
        "ssm",
        lambda _: lambda c: c.get_parameter(Name="/app/one"),
        "ssm:GetParameter",
        lambda _: arn("ssm", "parameter/app/one"),
    ),
    "ssm-path": (
        "ssm",
        lambda _: lambda c: c.get_parameters_by_path(Path="/app"),
        "ssm:GetParametersByPath",
        lambda _: arn("ssm", "parameter/app"),
    ),
    "secret": (
        "secretsmanager",
        lambda _: lambda c: c.get_secret_value(SecretId="stripe"),
        "secretsmanager:GetSecretValue",
        lambda t: t["secret"],
    ),
    "kms-alias": (
        "kms",
        lambda _: lambda c: c.encrypt(KeyId="alias/mine", Plaintext=b"1"),
        "kms:Encrypt",
        lambda t: t["key"],
    ),
    "kms-decrypt": (
        "kms",
        lambda t: lambda c: c.decrypt(CiphertextBlob=base64.b64decode(t["encrypted"])),
        "kms:Decrypt",
        lambda t: t["key"],
    ),
    "logs": (
        "logs",
        lambda _: lambda c: c.create_log_stream(logGroupName="/app", logStreamName=uuid.uuid4().hex),
        "logs:CreateLogStream",
        lambda _: arn("logs", "log-group:/app:*"),
    ),
    "schedule": (
        "scheduler",
        lambda _: lambda c: c.list_schedules(),
        "scheduler:ListSchedules",
        lambda _: "*",
    ),
    "cognito": (
        "cognito-idp",
        lambda t: lambda c: c.list_users(UserPoolId=t["pool"]),
        "cognito-idp:ListUsers",
        lambda t: arn("cognito-idp", f"userpool/{t['pool']}"),
    ),
    "states": (
        "stepfunctions",
        lambda _: lambda c: c.list_state_machines(),
        "states:ListStateMachines",
        lambda _: "*",
    ),
    "iam": ("iam", lambda _: lambda c: c.list_roles(), "iam:ListRoles", lambda _: "*"),
    "metrics": (
        "cloudwatch",
        lambda _: lambda c: c.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1}]),
        "cloudwatch:PutMetricData",
        lambda _: "*",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_needs_its_action_on_its_resource_and_nothing_else(
    cloud: RunningCloud, things: dict[str, str], name: str
) -> None:
    service, make, action, resource = CALLS[name]
    call = make(things)
    nothing = make_role(cloud)
    granted = make_role(cloud, allow(action, resource(things)))
    elsewhere = make_role(
        cloud, allow(action, "arn:aws:s3:::elsewhere") if resource(things) != "*" else allow("s3:None")
    )
    except_it = make_role(cloud, {"Effect": "Allow", "NotAction": action, "Resource": "*"})

    for role in (nothing, elsewhere, except_it):
        error = refused(lambda role=role: call(cloud.client_of(role, service)))  # type: ignore[misc]
        assert error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException", "AuthorizationError")
        message = error.response["Error"]["Message"].lower()
        assert f"is not authorized to perform: {action.lower()} on resource: " in message or name == "metrics"
    call(cloud.client_of(granted, service))


# ----------------------------------------------------------------------
# The words


def test_a_denial_has_each_services_own_code_status_and_words(cloud: RunningCloud, things: dict[str, str]) -> None:
    role = make_role(cloud)
    who = f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/worker is not authorized to perform: "
    table = arn("dynamodb", "table/notes")
    expected = {
        "dynamodb": (400, "AccessDeniedException", f"dynamodb:GetItem on resource: {table}", "dynamodb:GetItem"),
        "sqs": (403, "AccessDenied", f"sqs:sendmessage on resource: {arn('sqs', 'orders')}", "sqs:sendmessage"),
        "sns": (403, "AuthorizationError", f"SNS:Publish on resource: {arn('sns', 'placed')}", "SNS:Publish"),
        "s3": (403, "AccessDenied", 's3:PutObject on resource: "arn:aws:s3:::photos/new"', "s3:PutObject"),
        "lambda": (
            403,
            "AccessDeniedException",
            f"lambda:InvokeFunction on resource: {arn('lambda', 'function:worker')}",
            "lambda:InvokeFunction",
        ),
        "ssm": (
            400,
            "AccessDeniedException",
            f"ssm:GetParameter on resource: {arn('ssm', 'parameter/app/one')}",
            "ssm:GetParameter",
        ),
        "events": (
            400,
            "AccessDeniedException",
            f"events:PutEvents on resource: {arn('events', 'event-bus/shop')}",
            "events:PutEvents",
        ),
    }
    names = ["dynamodb-get", "sqs-send", "sns-publish", "s3-put", "lambda-invoke", "ssm-get", "events-put"]

    for name in names:
        service, make, _, _ = CALLS[name]
        call, client = make(things), cloud.client_of(role, service)
        answer = refused(functools.partial(call, client)).response
        status, error_code, on, action = expected[service]
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == status, name
        assert answer["Error"]["Code"] == error_code, name
        assert answer["Error"]["Message"] == f"{who}{on} because no identity-based policy allows the {action} action"


def test_a_head_request_is_denied_without_words(cloud: RunningCloud, things: dict[str, str]) -> None:
    s3 = cloud.client_of(make_role(cloud), "s3")

    assert code(lambda: s3.head_object(Bucket="photos", Key="a/b c.png")) == "403"


def test_who_one_is_needs_no_permission(cloud: RunningCloud) -> None:
    role = make_role(cloud, deny("*"))

    assert cloud.client_of(role, "sts").get_caller_identity()["Arn"].endswith("/worker")


def test_the_owner_is_told_of_what_was_denied_once(cloud: RunningCloud, things: dict[str, str]) -> None:
    role = make_role(cloud)
    dynamodb = cloud.client_of(role, "dynamodb", function="told")

    for _ in range(3):
        refused(lambda: dynamodb.get_item(TableName="notes", Key=ITEM))
    refused(lambda: dynamodb.scan(TableName="notes"))

    def told() -> list[Any]:
        return [one for one in cloud.denied if one.principal.endswith("/told")]

    assert eventually(lambda: len(told()) == 2)
    assert [(one.action, one.resource, one.by, one.explicit) for one in told()] == [
        ("dynamodb:GetItem", arn("dynamodb", "table/notes"), "identity-based policy", False),
        ("dynamodb:Scan", arn("dynamodb", "table/notes"), "identity-based policy", False),
    ]


# ----------------------------------------------------------------------
# What decides


def test_a_denial_outdoes_every_permission(cloud: RunningCloud, things: dict[str, str]) -> None:
    role = make_role(cloud, allow("*"), deny("dynamodb:Put*", arn("dynamodb", "table/no*")))
    dynamodb = cloud.client_of(role, "dynamodb")

    dynamodb.get_item(TableName="notes", Key=ITEM)
    error = refused(lambda: dynamodb.put_item(TableName="notes", Item=ITEM))

    assert error.response["Error"]["Message"].endswith("with an explicit deny in an identity-based policy")


def test_wildcards_and_opposites_mean_what_they_say(cloud: RunningCloud, things: dict[str, str]) -> None:
    one_letter = cloud.client_of(
        make_role(cloud, allow("dynamodb:?etItem", "arn:aws:dynamodb:*:*:table/n?tes")), "dynamodb"
    )
    elsewhere = make_role(cloud, {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::private/*"})
    s3 = cloud.client_of(elsewhere, "s3")

    one_letter.get_item(TableName="notes", Key=ITEM)
    assert code(lambda: one_letter.put_item(TableName="notes", Item=ITEM)) == "AccessDeniedException"
    s3.get_object(Bucket="photos", Key="a/b c.png")
    assert code(lambda: s3.get_object(Bucket="private", Key="secret")) == "AccessDenied"


def test_conditions_hold_for_what_the_request_says(cloud: RunningCloud, things: dict[str, str]) -> None:
    below = make_role(
        cloud,
        allow("s3:ListBucket", "arn:aws:s3:::photos", Condition={"StringLike": {"s3:prefix": ["a/*"]}}),
        deny("s3:*", Condition={"Bool": {"aws:SecureTransport": "false"}}),
    )
    own = make_role(
        cloud,
        allow(
            ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:BatchGetItem"],
            arn("dynamodb", "table/notes"),
            Condition={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}},
        ),
    )
    s3, dynamodb = cloud.client_of(below, "s3"), cloud.client_of(own, "dynamodb")
    mine, other = {"pk": {"S": "mine"}}, {"pk": {"S": "other"}}

    s3.list_objects_v2(Bucket="photos", Prefix="a/b")
    assert code(lambda: s3.list_objects_v2(Bucket="photos", Prefix="b/")) == "AccessDenied"
    assert code(lambda: s3.list_objects_v2(Bucket="photos")) == "AccessDenied"
    dynamodb.put_item(TableName="notes", Item=mine)
    dynamodb.get_item(TableName="notes", Key=mine)
    dynamodb.query(TableName="notes", KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": "mine"}})
    for call in (
        lambda: dynamodb.get_item(TableName="notes", Key=other),
        lambda: dynamodb.put_item(TableName="notes", Item=other),
        lambda: dynamodb.batch_get_item(RequestItems={"notes": {"Keys": [mine, other]}}),
        lambda: dynamodb.query(
            TableName="notes", KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": {"S": "other"}}
        ),
    ):
        assert code(call) == "AccessDeniedException"


def test_variables_stand_for_what_the_caller_is(cloud: RunningCloud, things: dict[str, str]) -> None:
    role = make_role(cloud, allow(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::photos/${aws:PrincipalTag/team}/*"))
    cloud.client("iam").tag_role(RoleName=role.rpartition("/")[2], Tags=[{"Key": "team", "Value": "re*d"}])
    s3 = cloud.client_of(role, "s3")

    s3.put_object(Bucket="photos", Key="re*d/1", Body=b"")
    assert code(lambda: s3.put_object(Bucket="photos", Key="re-a-d/1", Body=b"")) == "AccessDenied"


def test_a_boundary_and_a_session_policy_take_away(cloud: RunningCloud, things: dict[str, str]) -> None:
    limited = make_role(cloud, allow("*"), boundary=[allow("dynamodb:GetItem")])
    dynamodb = cloud.client_of(limited, "dynamodb")

    dynamodb.get_item(TableName="notes", Key=ITEM)
    error = refused(lambda: dynamodb.put_item(TableName="notes", Item=ITEM))
    assert error.response["Error"]["Message"].endswith(
        "because no permissions boundary allows the dynamodb:PutItem action"
    )

    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]}
    mighty = make_role(cloud, allow("*"))
    iam = cloud.client("iam")
    iam.update_assume_role_policy(RoleName=mighty.rpartition("/")[2], PolicyDocument=json.dumps(trust))
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow("dynamodb:GetItem")]})
    given = cloud.client("sts").assume_role(RoleArn=mighty, RoleSessionName="me", Policy=policy)["Credentials"]
    session = cloud.client(
        "dynamodb",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    session.get_item(TableName="notes", Key=ITEM)
    error = refused(lambda: session.put_item(TableName="notes", Item=ITEM))
    assert error.response["Error"]["Message"].endswith("because no session policy allows the dynamodb:PutItem action")


def test_a_resources_own_policy_allows_and_denies(cloud: RunningCloud, things: dict[str, str]) -> None:
    named, mighty = make_role(cloud), make_role(cloud, allow("*"))
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {**allow("s3:GetObject", "arn:aws:s3:::private/*"), "Principal": {"AWS": named}},
            {**deny("s3:PutObject", "arn:aws:s3:::private/*"), "Principal": {"AWS": mighty}},
            {
                **deny("s3:*", "arn:aws:s3:::private/*"),
                "Principal": "*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ],
    }
    cloud.client("s3").put_bucket_policy(Bucket="private", Policy=json.dumps(policy))
    queue = {"Version": "2012-10-17", "Statement": [{**allow("sqs:SendMessage"), "Principal": {"AWS": named}}]}
    cloud.client("sqs").set_queue_attributes(QueueUrl=things["queue"], Attributes={"Policy": json.dumps(queue)})

    cloud.client_of(named, "s3").get_object(Bucket="private", Key="secret")
    cloud.client_of(named, "sqs").send_message(QueueUrl=things["queue"], MessageBody="1")
    cloud.client_of(mighty, "s3").get_object(Bucket="private", Key="secret")
    error = refused(lambda: cloud.client_of(mighty, "s3").put_object(Bucket="private", Key="x", Body=b""))
    assert error.response["Error"]["Message"].endswith("with an explicit deny in a resource-based policy")
    cloud.client("s3").delete_bucket_policy(Bucket="private")
    cloud.client("sqs").set_queue_attributes(QueueUrl=things["queue"], Attributes={"Policy": ""})
    assert code(lambda: cloud.client_of(named, "s3").get_object(Bucket="private", Key="secret")) == "AccessDenied"


def test_a_key_has_to_trust_the_account_before_a_role_may_use_it(cloud: RunningCloud, things: dict[str, str]) -> None:
    kms = cloud.client("kms")
    locked = {"Version": "2012-10-17", "Statement": [{**allow("kms:*"), "Principal": {"AWS": f"{SESSION}/x/y"}}]}
    key = kms.create_key(Policy=json.dumps(locked))["KeyMetadata"]["Arn"]
    role = make_role(cloud, allow("kms:*"))

    assert code(lambda: cloud.client_of(role, "kms").encrypt(KeyId=key, Plaintext=b"1")) == "AccessDeniedException"
    cloud.client_of(role, "kms").encrypt(KeyId=things["key"], Plaintext=b"1")


def test_a_change_of_policies_takes_effect_with_the_next_call(cloud: RunningCloud, things: dict[str, str]) -> None:
    role = make_role(cloud)
    name, iam, dynamodb = role.rpartition("/")[2], cloud.client("iam"), cloud.client_of(role, "dynamodb")

    def change(*statements: Any) -> None:
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))

    assert code(lambda: dynamodb.scan(TableName="notes")) == "AccessDeniedException"
    change(allow("dynamodb:Scan"))
    dynamodb.scan(TableName="notes")
    change(allow("dynamodb:Query"))
    assert code(lambda: dynamodb.scan(TableName="notes")) == "AccessDeniedException"
    managed = iam.create_policy(
        PolicyName=f"{name}-m", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow("dynamodb:*")]})
    )["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=managed)
    dynamodb.scan(TableName="notes")
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.detach_role_policy(RoleName=name, PolicyArn=managed)
    assert code(lambda: dynamodb.scan(TableName="notes")) == "AccessDeniedException"


# ----------------------------------------------------------------------
# More than one thing at once


def test_every_table_of_a_request_is_judged(cloud: RunningCloud, things: dict[str, str]) -> None:
    cloud.client("dynamodb").create_table(
        TableName="other",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    role = make_role(
        cloud,
        allow(
            ["dynamodb:Batch*", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:PartiQL*"],
            arn("dynamodb", "table/notes"),
        ),
        allow("dynamodb:ConditionCheckItem", arn("dynamodb", "table/other")),
    )
    dynamodb = cloud.client_of(role, "dynamodb")
    check = {"ConditionCheck": {"TableName": "other", "Key": ITEM, "ConditionExpression": "attribute_not_exists(pk)"}}

    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": "notes", "Item": ITEM}}, check])
    for call in (
        lambda: dynamodb.batch_get_item(RequestItems={"notes": {"Keys": [ITEM]}, "other": {"Keys": [ITEM]}}),
        lambda: dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "notes", "Item": ITEM}},
                {"Put": {"TableName": "other", "Item": ITEM}},
            ]
        ),
        lambda: dynamodb.transact_get_items(TransactItems=[{"Get": {"TableName": "other", "Key": ITEM}}]),
        lambda: dynamodb.query(
            TableName="notes",
            IndexName="by-author",
            KeyConditionExpression="#b = :b",
            ExpressionAttributeNames={"#b": "by"},
            ExpressionAttributeValues={":b": {"S": "me"}},
        ),
        lambda: dynamodb.execute_statement(Statement='SELECT * FROM "other"'),
        lambda: dynamodb.execute_statement(Statement='SELECT * FROM "notes"."by-author" WHERE "by" = \'me\''),
        lambda: dynamodb.batch_execute_statement(Statements=[{"Statement": "SELECT * FROM other WHERE pk = '1'"}]),
    ):
        assert code(call) == "AccessDeniedException"


def test_every_parameter_and_every_bus_is_judged(cloud: RunningCloud, things: dict[str, str]) -> None:
    role = make_role(
        cloud,
        allow("ssm:GetParameters", arn("ssm", "parameter/app/one")),
        allow("events:PutEvents", arn("events", "event-bus/shop")),
    )
    ssm, events = cloud.client_of(role, "ssm"), cloud.client_of(role, "events")
    entry = {"Source": "s", "DetailType": "d", "Detail": "{}"}

    assert ssm.get_parameters(Names=["/app/one"])["Parameters"]
    assert code(lambda: ssm.get_parameters(Names=["/app/one", "/app/two"])) == "AccessDeniedException"
    assert (
        code(lambda: events.put_events(Entries=[{**entry, "EventBusName": "shop"}, entry])) == "AccessDeniedException"
    )


def test_a_copy_reads_its_source_and_an_upload_in_parts_is_one(cloud: RunningCloud, things: dict[str, str]) -> None:
    role = make_role(cloud, allow("s3:PutObject", "arn:aws:s3:::photos/copied"))
    s3 = cloud.client_of(role, "s3")
    source = {"Bucket": "private", "Key": "secret"}

    error = refused(lambda: s3.copy_object(Bucket="photos", Key="copied", CopySource=source))
    assert "s3:GetObject" in error.response["Error"]["Message"]
    upload = s3.create_multipart_upload(Bucket="photos", Key="copied")["UploadId"]
    where = {"Bucket": "photos", "Key": "copied", "UploadId": upload}
    part = s3.upload_part(**where, PartNumber=1, Body=b"1")
    assert code(lambda: s3.upload_part_copy(**where, PartNumber=2, CopySource=source)) == "AccessDenied"
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})


def test_a_presigned_url_may_what_its_maker_may_when_it_is_used(cloud: RunningCloud, things: dict[str, str]) -> None:
    role = make_role(cloud, allow("s3:GetObject", "arn:aws:s3:::photos/*"))
    s3 = cloud.client_of(role, "s3")

    def ask(bucket: str, key: str) -> int:
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert ask("photos", "a/b c.png") == 200
    assert ask("private", "secret") == 403


def test_a_role_is_passed_only_by_who_may_pass_it(cloud: RunningCloud, things: dict[str, str]) -> None:
    role = make_role(cloud, allow("scheduler:*"), allow("lambda:*"))
    target = {"Arn": arn("lambda", "function:worker"), "RoleArn": role}
    schedule = {
        "Name": "s",
        "ScheduleExpression": "rate(1 day)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
    }
    scheduler = cloud.client_of(role, "scheduler")

    error = refused(lambda: scheduler.create_schedule(**schedule))
    assert "iam:PassRole" in error.response["Error"]["Message"]


# ----------------------------------------------------------------------
# And without


def test_without_enforcement_roles_may_do_everything_and_keys_are_still_checked(tmp_path: Path) -> None:
    cloud = RunningCloud(tmp_path / "local", iam=False).start()
    try:
        role = f"arn:aws:iam::{ACCOUNT}:role/none"
        cloud.client_of(role, "sqs").create_queue(QueueName="free")
        assert code(lambda: cloud.client("sqs", aws_access_key_id="x").list_queues()) == "InvalidClientTokenId"
    finally:
        cloud.close()
