"""What a function may do in the embedded cloud is what its role's policies allow, as boto3 sees it."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kit.embedded_cloud import ACCOUNT, REGION, RunningCloud, deploy

Statement = dict[str, Any]
Call = Callable[[Any], Any]
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role"


def make_role(cloud: RunningCloud, *statements: Statement, boundary: list[Statement] | None = None) -> str:
    """A role that Lambda may use, made by CloudFormation. Returns its ARN."""
    name = f"role-{uuid.uuid4().hex[:12]}"
    properties: dict[str, Any] = {
        "RoleName": name,
        "AssumeRolePolicyDocument": document(
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ),
    }
    if statements:
        properties["Policies"] = [{"PolicyName": "all", "PolicyDocument": document(*statements)}]
    deploy(cloud, name, {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}})
    if boundary is not None:
        iam = cloud.client("iam")
        policy = iam.create_policy(PolicyName=f"{name}-b", PolicyDocument=json.dumps(document(*boundary)))["Policy"]
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=policy["Arn"])
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def document(*statements: Statement) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> Statement:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> Statement:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def refused(call: Callable[[], Any]) -> ClientError:
    with pytest.raises(ClientError) as raised:
        call()
    return raised.value


def code(call: Callable[[], Any]) -> str:
    found: str = refused(call).response["Error"]["Code"]
    return found


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


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
