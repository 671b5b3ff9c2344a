"""What `Bucket` puts into templates: the bucket, who is told of its objects, and what empties it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.stacks import Built, build, load_cdk, write_project
from kit.templates import template_errors
from skykite.errors import SkykiteError

load_cdk()

from aws_cdk import aws_kms as kms  # noqa: E402
from aws_cdk import aws_s3 as s3  # noqa: E402

from skykite import App, Bucket, Function, Queue, Stack, Topic  # noqa: E402


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {})


def bucket_of(built: Built) -> tuple[str, dict[str, Any]]:
    (found,) = (
        (name, resource)
        for name, resource in built.template()["Resources"].items()
        if resource["Type"] == "AWS::S3::Bucket"
    )
    return found


def notifications_of(built: Built) -> dict[str, Any]:
    wanted: dict[str, Any] = built.only("Custom::S3BucketNotifications")["NotificationConfiguration"]
    return wanted


def policies_of(built: Built, logical_id: str) -> list[Any]:
    """The statements of the roles of a function."""
    resources = built.template()["Resources"]
    role = resources[logical_id]["Properties"]["Role"]["Fn::GetAtt"][0]
    return [
        statement
        for policy in built.resources("AWS::IAM::Policy")
        if {"Ref": role} in policy["Properties"]["Roles"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def test_a_bucket_is_private_encrypted_and_reached_over_tls_only(project: Path) -> None:
    built = build(project, lambda app: Bucket(Stack(app, "NotesStack"), "Photos"), stage="prod")
    name, bucket = bucket_of(built)
    arn = {"Fn::GetAtt": [name, "Arn"]}
    assert bucket["Properties"] == {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
    }
    assert built.only("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"] == [
        {
            "Action": "s3:*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Resource": [arn, {"Fn::Join": ["", [arn, "/*"]]}],
        }
    ]
    assert template_errors(built.directory) == []


@pytest.mark.parametrize(
    ("stage", "mode", "removal", "deletion", "emptied"),
    [
        ("alice", "deploy", None, "Delete", True),
        ("alice", "live", None, "Delete", True),
        ("alice", "deploy", "destroy", "Delete", True),
        ("alice", "deploy", "retain", "Retain", False),
        ("alice", "local", None, "Delete", True),
        ("prod", "local", None, "Delete", True),
        ("prod", "deploy", None, "Retain", False),
        ("prod-eu", "deploy", None, "Retain", False),
        ("prod", "deploy", "destroy", "Delete", False),
    ],
)
def test_objects_go_with_a_bucket_of_a_personal_stage_and_never_in_production(
    project: Path, stage: str, mode: Any, removal: Any, deletion: str, emptied: bool
) -> None:
    def define(app: App) -> None:
        Bucket(Stack(app, "NotesStack"), "Photos", **({"removal_policy": removal} if removal else {}))

    built = build(project, define, stage=stage, mode=mode)
    _, bucket = bucket_of(built)
    assert bucket["DeletionPolicy"] == deletion
    assert bool(built.resources("Custom::S3AutoDeleteObjects")) == emptied
    assert bool(built.resources("AWS::Lambda::Function")) == emptied, "nothing else needs a function"
    allowed = [
        statement["Action"]
        for statement in built.only("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    deleting = [["s3:DeleteObject*", "s3:GetBucket*", "s3:List*", "s3:PutBucketPolicy"]]
    assert allowed == (deleting if emptied else [])
    assert template_errors(built.directory) == []


def test_nobody_is_told_of_objects_that_go_with_their_bucket(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Bucket(stack, "One", notifications={"gone": {"function": "functions/notes.get", "events": ["object_removed"]}})
        Bucket(stack, "Two")

    built = build(project, define)
    assert len(built.resources("Custom::S3AutoDeleteObjects")) == 2
    (notifications,) = built.resources("Custom::S3BucketNotifications")
    assert any(name.startswith("OneAutoDelete") for name in notifications["DependsOn"]), "notifications go first"


def test_functions_queues_and_topics_are_told_what_they_ask_for(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        shared = Function(stack, "Shared", "functions/notes.get")
        photos = Bucket(
            stack,
            "Photos",
            defaults={"function": {"timeout": 30}},
            notifications={
                "made": {
                    "function": "functions/notes.create",
                    "filters": [{"prefix": "photos/"}, {"suffix": ".jpg"}],
                },
                "gone": {"queue": Queue(stack, "Gone"), "events": ["object_removed", "object_tagging_put"]},
                "other": {"topic": Topic(stack, "Other"), "filters": [{"prefix": "other/"}]},
            },
        )
        photos.add_notifications({"restored": {"function": shared, "events": ["object_restore_completed"]}})
        assert photos.get_function("restored") is shared
        assert sorted(photos.cdk.functions) == ["made", "restored"]
        # The classic circle: the function knows the bucket that calls it.
        made = photos.get_function("made")
        assert isinstance(made, Function)
        made.add_link(photos)

    built = build(project, define)
    name, _ = bucket_of(built)
    functions = {function.id: function for function in built.manifest.functions}
    made = functions["NotesStack/Photos/made"]  # type: ignore[index]
    shared = functions["NotesStack/Shared"]  # type: ignore[index]
    assert made.timeout_s == 30
    wanted = notifications_of(built)
    rules = [
        {"Name": "suffix", "Value": ".jpg"},
        {"Name": "prefix", "Value": "photos/"},
    ]
    assert wanted["LambdaFunctionConfigurations"] == [
        {
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": rules}},
            "LambdaFunctionArn": {"Fn::GetAtt": [made.logical_id, "Arn"]},
        },
        {
            "Events": ["s3:ObjectRestore:Completed"],
            "LambdaFunctionArn": {"Fn::GetAtt": [shared.logical_id, "Arn"]},
        },
    ]
    assert [one["Events"] for one in wanted["QueueConfigurations"]] == [
        ["s3:ObjectRemoved:*"],
        ["s3:ObjectTagging:Put"],
    ]
    assert [one["Events"] for one in wanted["TopicConfigurations"]] == [["s3:ObjectCreated:*"]]
    arn = {"Fn::GetAtt": [name, "Arn"]}
    for permission in built.resources("AWS::Lambda::Permission"):
        properties = permission["Properties"]
        assert properties["Principal"] == "s3.amazonaws.com"
        assert (properties["SourceArn"], properties["SourceAccount"]) == (arn, {"Ref": "AWS::AccountId"})
    assert len(built.resources("AWS::Lambda::Permission")) == 2
    assert policies_of(built, made.logical_id) == [
        {"Action": ["s3:GetBucketLocation", "s3:ListBucket"], "Effect": "Allow", "Resource": arn},
        {
            "Action": [
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetObject",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ],
            "Effect": "Allow",
            "Resource": {"Fn::Join": ["", [arn, "/*"]]},
        },
    ]
    assert template_errors(built.directory) == []


def test_the_short_forms_name_who_is_told(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Bucket(stack, "A", notifications={"made": "functions/notes.get"})
        Bucket(stack, "B", notifications={"made": {"handler": "functions/notes.get", "memory_size": 256}})
        Bucket(stack, "C", notifications={"made": Queue(stack, "Queue")})
        Bucket(stack, "D", notifications={"made": Topic(stack, "Topic")})
        Bucket(stack, "E", notifications={"made": Function(stack, "Shared", "functions/notes.get").cdk.function})

    built = build(project, define)
    kinds = [
        list(resource["Properties"]["NotificationConfiguration"])
        for resource in built.resources("Custom::S3BucketNotifications")
    ]
    assert kinds == [
        ["LambdaFunctionConfigurations"],
        ["LambdaFunctionConfigurations"],
        ["QueueConfigurations"],
        ["TopicConfigurations"],
        ["LambdaFunctionConfigurations"],
    ]
    assert template_errors(built.directory) == []


def test_a_buckets_settings_reach_it(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Bucket(
            stack,
            "Photos",
            name="alices-photos",
            versioned=True,
            cors=[
                {
                    "allowed_origins": ["https://*.example.com"],
                    "allowed_methods": ["GET", "PUT"],
                    "exposed_headers": ["etag"],
                    "max_age": 600,
                }
            ],
            lifecycle=[
                {"prefix": "tmp/", "expire_after": 1},
                {"transitions": {"standard_ia": 30, "glacier": 90}, "expire_after": 365},
                {"expire_noncurrent_after": 30, "abort_incomplete_upload_after": 7, "enabled": False},
            ],
            encryption_key=kms.Key(stack, "Key"),
        )

    built = build(project, define)
    properties = bucket_of(built)[1]["Properties"]
    assert properties["BucketName"] == "alices-photos"
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["CorsConfiguration"]["CorsRules"] == [
        {
            "AllowedMethods": ["GET", "PUT"],
            "AllowedOrigins": ["https://*.example.com"],
            "ExposedHeaders": ["etag"],
            "MaxAge": 600,
        }
    ]
    assert properties["LifecycleConfiguration"]["Rules"] == [
        {"ExpirationInDays": 1, "Prefix": "tmp/", "Status": "Enabled"},
        {
            "ExpirationInDays": 365,
            "Status": "Enabled",
            "Transitions": [
                {"StorageClass": "STANDARD_IA", "TransitionInDays": 30},
                {"StorageClass": "GLACIER", "TransitionInDays": 90},
            ],
        },
        {
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "Status": "Disabled",
        },
    ]
    (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert encryption["BucketKeyEnabled"] is True
    assert template_errors(built.directory) == []


def test_a_linked_bucket_of_versions_and_a_key_of_its_own_grants_those_too(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        photos = Bucket(stack, "Photos", versioned=True, encryption_key=kms.Key(stack, "Key"))
        Function(stack, "Reader", "functions/notes.get", link=[photos])
        open_ = Bucket(stack, "Open", cors=True)
        stack.add_outputs(Name=open_.name)

    built = build(project, define, stage="prod")
    reader = built.manifest.functions[0].logical_id
    actions = {
        action
        for statement in policies_of(built, reader)
        for action in (statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])
    }
    assert {"s3:GetObjectVersion", "s3:ListBucketVersions", "kms:Decrypt", "kms:GenerateDataKey*"} <= actions
    assert not any("*" in action for action in actions if action.startswith("s3:"))
    rules = [
        bucket["Properties"]["CorsConfiguration"]["CorsRules"]
        for bucket in built.resources("AWS::S3::Bucket")
        if "CorsConfiguration" in bucket["Properties"]
    ]
    assert [rule["AllowedOrigins"] for (rule,) in rules] == [["*"]]


def test_existing_buckets_tell_as_well_and_keep_what_they_told_before(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        photos = Bucket(stack, "ByArn", existing="arn:aws:s3:::photos", notifications={"made": "functions/notes.get"})
        assert photos.name == "photos"
        made = s3.Bucket(stack, "Made")
        assert Bucket(stack, "ByObject", existing=made).cdk.bucket is made
        with pytest.raises(SkykiteError, match="notifies no function as `gone`"):
            photos.get_function("gone")

    built = build(project, define)
    assert len(built.resources("AWS::S3::Bucket")) == 1
    properties = built.only("Custom::S3BucketNotifications")
    assert (properties["BucketName"], properties["Managed"]) == ("photos", False)
    assert not built.resources("Custom::S3AutoDeleteObjects"), "what is not ours is never emptied"
    assert template_errors(built.directory) == []
