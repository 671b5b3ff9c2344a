"""CloudFormation in the embedded cloud: every property of the types we emit has its effect, or the deploy fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.embedded_cloud import REGION, RunningCloud, deploy, empty_zip
from skykite.model.invocation import Invocation

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ROLE: dict[str, Any] = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
KEY: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def _function(**more: Any) -> dict[str, Any]:
    properties = {
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"ZipFile": "def handler(event, context):\n    return event\n"},
        **more,
    }
    return {"Type": "AWS::Lambda::Function", "Properties": properties}


def test_a_table_gets_ttl_recovery_encryption_class_and_tags(cloud: RunningCloud) -> None:
    properties = {
        **KEY,
        "TableName": "full",
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
        "TableClass": "STANDARD_INFREQUENT_ACCESS",
        "DeletionProtectionEnabled": True,
        "Tags": [{"Key": "app", "Value": "notes"}],
        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
    }

    stack = deploy(cloud, "table", {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": properties}})

    assert stack["StackStatus"] == "CREATE_COMPLETE", stack["Failures"]
    dynamodb = cloud.client("dynamodb")
    assert dynamodb.describe_time_to_live(TableName="full")["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "expires",
    }
    backups = dynamodb.describe_continuous_backups(TableName="full")["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    table = dynamodb.describe_table(TableName="full")["Table"]
    assert table["SSEDescription"]["Status"] == "ENABLED"
    assert table["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert table["DeletionProtectionEnabled"] is True
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_IMAGE"
    assert {"Key": "app", "Value": "notes"} in dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]


def test_what_a_table_loses_in_an_update_is_gone(cloud: RunningCloud) -> None:
    more = {
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    }
    resource = {"Type": "AWS::DynamoDB::Table", "Properties": {**KEY, "TableName": "shrinking", **more}}
    deploy(cloud, "shrinking", {"Table": resource})
    cloud.client("dynamodb").put_item(TableName="shrinking", Item={"id": {"S": "1"}})

    resource = {"Type": "AWS::DynamoDB::Table", "Properties": {**KEY, "TableName": "shrinking"}}
    stack = deploy(cloud, "shrinking", {"Table": resource})

    assert stack["StackStatus"] == "UPDATE_COMPLETE", stack["Failures"]
    dynamodb = cloud.client("dynamodb")
    ttl = dynamodb.describe_time_to_live(TableName="shrinking")["TimeToLiveDescription"]
    assert ttl["TimeToLiveStatus"] == "DISABLED"
    backups = dynamodb.describe_continuous_backups(TableName="shrinking")["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    assert dynamodb.scan(TableName="shrinking")["Count"] == 1


def test_a_function_gets_concurrency_dead_letters_and_everything_else(cloud: RunningCloud) -> None:
    queue = cloud.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    dead = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    function = _function(
        FunctionName="full",
        ReservedConcurrentExecutions=3,
        DeadLetterConfig={"TargetArn": dead["QueueArn"]},
        RecursiveLoop="Allow",
        MemorySize=256,
        Timeout=7,
        EphemeralStorage={"Size": 1024},
        Architectures=["arm64"],
        Environment={"Variables": {"A": "b"}},
        TracingConfig={"Mode": "Active"},
        Tags=[{"Key": "app", "Value": "notes"}],
    )

    stack = deploy(cloud, "function", {"Role": ROLE, "Function": function})

    assert stack["StackStatus"] == "CREATE_COMPLETE", stack["Failures"]
    client = cloud.client("lambda")
    assert client.get_function_concurrency(FunctionName="full")["ReservedConcurrentExecutions"] == 3
    assert client.get_function_recursion_config(FunctionName="full")["RecursiveLoop"] == "Allow"
    configuration = client.get_function_configuration(FunctionName="full")
    assert configuration["DeadLetterConfig"]["TargetArn"] == dead["QueueArn"]
    assert (configuration["MemorySize"], configuration["Timeout"]) == (256, 7)
    assert configuration["EphemeralStorage"] == {"Size": 1024}
    assert configuration["Architectures"] == ["arm64"]
    assert configuration["Environment"]["Variables"] == {"A": "b"}
    assert configuration["TracingConfig"] == {"Mode": "Active"}
    assert client.list_tags(Resource=configuration["FunctionArn"])["Tags"]["app"] == "notes"


def test_an_http_api_has_awss_endpoint_its_cors_and_its_payload_format(cloud: RunningCloud) -> None:
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "MaxAge": 60, "AllowCredentials": True}
    api = {"Name": "api", "ProtocolType": "HTTP", "CorsConfiguration": cors, "Description": "d"}
    integration = {
        "ApiId": {"Ref": "Api"},
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": {"Fn::GetAtt": ["Function", "Arn"]},
        "PayloadFormatVersion": "1.0",
        "TimeoutInMillis": 5000,
    }
    resources = {
        "Role": ROLE,
        "Function": _function(),
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": api},
        "Integration": {"Type": "AWS::ApiGatewayV2::Integration", "Properties": integration},
        "Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "RouteKey": "GET /",
                "Target": {"Fn::Join": ["/", ["integrations", {"Ref": "Integration"}]]},
            },
        },
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True},
        },
    }
    outputs = {"Id": {"Value": {"Ref": "Api"}}, "Url": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}}

    stack = deploy(cloud, "api", resources, Outputs=outputs)

    assert stack["StackStatus"] == "CREATE_COMPLETE", stack["Failures"]
    api_id = stack["OutputValues"]["Id"]
    endpoint = f"https://{api_id}.execute-api.{REGION}.amazonaws.com"
    assert stack["OutputValues"]["Url"] == endpoint
    client = cloud.client("apigatewayv2")
    described = client.get_api(ApiId=api_id)
    assert described["ApiEndpoint"] == endpoint
    assert described["CorsConfiguration"] == cors
    (found,) = client.get_integrations(ApiId=api_id)["Items"]
    assert (found["PayloadFormatVersion"], found["TimeoutInMillis"]) == ("1.0", 5000)


def test_a_bucket_gets_encryption_lifecycle_ownership_tags_and_versions(cloud: RunningCloud) -> None:
    properties = {
        "BucketName": "full-bucket",
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
        "VersioningConfiguration": {"Status": "Enabled"},
        "PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "BlockPublicPolicy": True},
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "Id": "old",
                    "Status": "Enabled",
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                    "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 9}],
                    "NoncurrentVersionTransitions": [{"StorageClass": "GLACIER", "TransitionInDays": 7}],
                }
            ]
        },
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "Tags": [{"Key": "app", "Value": "a & b"}],
    }
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*"}]}
    resources = {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties},
        "Policy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": policy},
        },
    }

    stack = deploy(cloud, "bucket", resources)

    assert stack["StackStatus"] == "CREATE_COMPLETE", stack["Failures"]
    s3 = cloud.client("s3")
    encryption = s3.get_bucket_encryption(Bucket="full-bucket")["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert encryption["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert s3.get_bucket_versioning(Bucket="full-bucket")["Status"] == "Enabled"
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket="full-bucket")["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert rule["Transitions"] == [{"StorageClass": "GLACIER", "Days": 9}]
    assert rule["NoncurrentVersionTransitions"] == [{"StorageClass": "GLACIER", "NoncurrentDays": 7}]
    ownership = s3.get_bucket_ownership_controls(Bucket="full-bucket")["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert {"Key": "app", "Value": "a & b"} in s3.get_bucket_tagging(Bucket="full-bucket")["TagSet"]
    assert json.loads(s3.get_bucket_policy(Bucket="full-bucket")["Policy"]) == policy


def test_a_queue_has_a_url_that_does_not_depend_on_the_port(cloud: RunningCloud) -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "jobs", "VisibilityTimeout": 77}}
    output = {"Url": {"Value": {"Ref": "Queue"}}}

    stack = deploy(cloud, "queue", {"Queue": queue}, Outputs=output)

    url = stack["OutputValues"]["Url"]
    assert url == f"https://sqs.{REGION}.amazonaws.com/000000000000/jobs"
    sqs = cloud.client("sqs")
    assert sqs.get_queue_url(QueueName="jobs")["QueueUrl"] == url
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hello"
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["VisibilityTimeout"] == "77"


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (
            {"Type": "AWS::SQS::Queue", "Properties": {"Colour": "red"}},
            "Encountered unsupported property Colour",
        ),
        (
            {"Type": "AWS::DynamoDB::Table", "Properties": {**KEY, "WarmThroughput": {"ReadUnitsPerSecond": 1}}},
            "The embedded cloud does not support the property WarmThroughput of AWS::DynamoDB::Table",
        ),
        (
            {
                "Type": "AWS::S3::Bucket",
                "Properties": {
                    "LifecycleConfiguration": {
                        "Rules": [{"Status": "Enabled", "Transition": {"StorageClass": "GLACIER"}}]
                    }
                },
            },
            "The embedded cloud does not support LifecycleConfiguration.Rules.Transition",
        ),
        (
            _function(Code={"S3Bucket": "no-such-bucket", "S3Key": "k"}),
            (
                "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket "
                "does not exist (s3://no-such-bucket/k)"
            ),
        ),
        (
            _function(Role="arn:aws:iam::000000000000:role/nobody"),
            "The role defined for the function cannot be assumed by Lambda.",
        ),
        (
            {
                "Type": "AWS::Lambda::Permission",
                "Properties": {"Action": "lambda:InvokeFunction", "FunctionName": "gone", "Principal": "*"},
            },
            "Function not found: gone",
        ),
        (
            {
                "Type": "AWS::IAM::Policy",
                "Properties": {"PolicyName": "p", "PolicyDocument": {"Statement": []}, "Roles": ["gone"]},
            },
            "The role with name gone cannot be found.",
        ),
        (
            {"Type": "AWS::ApiGatewayV2::Stage", "Properties": {"ApiId": "gone", "StageName": "$default"}},
            "Invalid API identifier specified gone",
        ),
    ],
    ids=lambda value: value["Type"].rpartition(":")[2] if isinstance(value, dict) else None,
)
def test_a_resource_that_aws_would_not_make_so_fails_with_the_reason(
    cloud: RunningCloud, request: pytest.FixtureRequest, resource: dict[str, Any], reason: str
) -> None:
    name = "fails-" + str(abs(hash(request.node.name)))

    stack = deploy(cloud, name, {"Role": ROLE, "Wrong": resource})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("Wrong", reason) in stack["Failures"]


def test_missing_code_in_a_bucket_that_is_there_fails(cloud: RunningCloud) -> None:
    cloud.client("s3").create_bucket(Bucket="code-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})

    stack = deploy(
        cloud, "nokey", {"Role": ROLE, "Function": _function(Code={"S3Bucket": "code-bucket", "S3Key": "x"})}
    )

    assert stack["Failures"][0][1] == (
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist. "
        "(s3://code-bucket/x)"
    )


def test_a_change_set_without_changes_says_so_as_aws_does(cloud: RunningCloud) -> None:
    resources = {"Queue": {"Type": "AWS::SQS::Queue"}}
    deploy(cloud, "same", resources)

    stack = deploy(cloud, "same", resources)

    assert stack["StackStatus"] == "NO_CHANGE_SET"
    assert stack["Reason"] == (
        "The submitted information didn't contain changes. Submit different information to create a change set."
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            {"Ref": "Nobody"},
            "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template",
        ),
        (
            {"Fn::GetAtt": ["Nobody", "Arn"]},
            "Template error: instance of Fn::GetAtt references undefined resource Nobody",
        ),
    ],
)
def test_a_reference_to_nothing_is_refused_before_anything_is_made(
    cloud: RunningCloud, value: Any, reason: str
) -> None:
    cloudformation = cloud.client("cloudformation")
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": value}}}}

    with pytest.raises(cloudformation.exceptions.ClientError, match="ValidationError") as refused:
        cloudformation.create_change_set(
            StackName="badref",
            ChangeSetName=f"c{len(reason)}",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps(template),
        )

    assert refused.value.response["Error"]["Message"] == reason


def test_a_missing_capability_is_refused(cloud: RunningCloud) -> None:
    cloudformation = cloud.client("cloudformation")

    with pytest.raises(cloudformation.exceptions.InsufficientCapabilitiesException):
        cloudformation.create_change_set(
            StackName="nocap",
            ChangeSetName="c",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps({"Resources": {"Role": ROLE}}),
        )


def test_cdk_metadata_is_taken_and_does_nothing(cloud: RunningCloud) -> None:
    resources = {"Metadata": {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": "v2:deflate64:x"}}}

    assert deploy(cloud, "metadata", resources)["StackStatus"] == "CREATE_COMPLETE"


def test_a_custom_resource_whose_function_fails_fails_at_once_with_its_error(cloud: RunningCloud) -> None:
    def broken(event: Any, _: Invocation) -> Any:
        raise ValueError("no seed data")

    arn = cloud.function("broken-resource", broken)

    stack = deploy(cloud, "broken", {"Seed": {"Type": "Custom::Seed", "Properties": {"ServiceToken": arn}}})

    assert stack["StackStatus"] in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
    assert ("Seed", "The function failed: ValueError: no seed data") in stack["Failures"]


def test_a_custom_resource_written_in_python_finds_boto3_as_in_lambda(cloud: RunningCloud) -> None:
    source = "import boto3\ndef handler(event, context):\n    return boto3.client('sqs').list_queues()['QueueUrls']\n"
    cloud.function(
        "with-boto3", None, Handler="index.handler", Timeout=20, Code={"ZipFile": empty_zip(index__py=source)}
    )
    url = cloud.client("sqs").create_queue(QueueName="seen-from-inside")["QueueUrl"]

    answer = cloud.client("lambda").invoke(FunctionName="with-boto3")

    assert url in json.loads(answer["Payload"].read())


def test_a_stack_that_was_rolled_back_says_itself_why(cloud: RunningCloud) -> None:
    wrong = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 99999999}}

    created = deploy(cloud, "says-why", {"Fine": {"Type": "AWS::SQS::Queue"}, "Wrong": wrong})
    assert created["StackStatusReason"] == "The following resource(s) failed to create: [Wrong]. "

    deploy(cloud, "says-why-too", {"Queue": {"Type": "AWS::SQS::Queue"}})
    updated = deploy(cloud, "says-why-too", {"Queue": wrong})
    assert updated["StackStatusReason"] == "The following resource(s) failed to update: [Queue]. "

    again = deploy(cloud, "says-why-too", {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": 1}}})
    assert again["StackStatus"] == "UPDATE_COMPLETE"
    assert not again.get("StackStatusReason")
