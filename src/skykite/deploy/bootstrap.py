"""The stack every app of an account and region shares: the bucket that templates and function code go through, and
Live's Event API.

In: what CloudFormation has. Out: whether there is something to do, and the template. Pure.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from skykite.aws import StackState
from skykite.deploy.eventapi import event_api_outputs, event_api_resources
from skykite.errors import SkykiteError
from skykite.model.bootstrap import (
    BOOTSTRAP_BUCKET,
    BOOTSTRAP_STACK,
    BOOTSTRAP_VERSION,
    BOOTSTRAP_VERSION_OUTPUT,
    EVENT_API_GENERATION_OUTPUT,
    LIVE_PREFIX,
    REGIONS_WITHOUT_EVENT_APIS,
)

BUCKET_ID: Final = "AssetBucket"
_SETTLED: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})


def bootstrap_template(region: str, *, event_api: int = 1) -> dict[str, Any]:
    """A bucket that is private, versioned and encrypted, reached over TLS only, and that forgets what is superseded;
    an Event API where the region offers them. `event_api` is the generation of that."""
    template = _template()
    if region not in REGIONS_WITHOUT_EVENT_APIS:
        template["Resources"] |= event_api_resources(event_api)
        template["Outputs"] |= event_api_outputs(event_api)
    return template


def _template() -> dict[str, Any]:
    bucket_arn = {"Fn::GetAtt": [BUCKET_ID, "Arn"]}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "What Skykite needs once per account and region. Shared by all apps; made by `kite deploy`.",
        "Resources": {
            BUCKET_ID: {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Delete",  # CloudFormation deletes no bucket that holds anything
                "UpdateReplacePolicy": "Retain",
                "Properties": {
                    "BucketName": {"Fn::Sub": BOOTSTRAP_BUCKET},
                    "VersioningConfiguration": {"Status": "Enabled"},
                    "BucketEncryption": {
                        "ServerSideEncryptionConfiguration": [
                            {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                        ]
                    },
                    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                    "PublicAccessBlockConfiguration": {
                        "BlockPublicAcls": True,
                        "BlockPublicPolicy": True,
                        "IgnorePublicAcls": True,
                        "RestrictPublicBuckets": True,
                    },
                    "LifecycleConfiguration": {
                        "Rules": [
                            {
                                "Id": "ForgetSuperseded",
                                "Status": "Enabled",
                                "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                            },
                            {
                                "Id": "ForgetLive",
                                "Status": "Enabled",
                                "Prefix": LIVE_PREFIX,
                                "ExpirationInDays": 1,
                                "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
                            },
                        ]
                    },
                },
            },
            "AssetBucketPolicy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {
                    "Bucket": {"Ref": BUCKET_ID},
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Sid": "OnlyOverTls",
                                "Effect": "Deny",
                                "Principal": {"AWS": "*"},
                                "Action": "s3:*",
                                "Resource": [bucket_arn, {"Fn::Join": ["/", [bucket_arn, "*"]]}],
                                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                            }
                        ],
                    },
                },
            },
        },
        "Outputs": {
            BOOTSTRAP_VERSION_OUTPUT: {
                "Description": "Skykite creates or upgrades this stack when its own version is higher",
                "Value": str(BOOTSTRAP_VERSION),
            },
            "BucketName": {"Description": "Templates and function code", "Value": {"Ref": BUCKET_ID}},
        },
    }


def judge_bootstrap(state: StackState | None) -> Literal["ready", "apply"]:
    """Whether the stack serves this Skykite, or must be made or upgraded first."""
    if state is None or state.status not in _SETTLED:
        return "apply"
    number = _number(state, BOOTSTRAP_VERSION_OUTPUT)
    if number > BOOTSTRAP_VERSION:
        raise SkykiteError(
            "bootstrap-newer",
            f"the stack `{BOOTSTRAP_STACK}` has version {number}; this Skykite knows version {BOOTSTRAP_VERSION}",
            hint="upgrade Skykite: somebody deployed to this account and region with a newer one",
        )
    return "ready" if number == BOOTSTRAP_VERSION else "apply"


def event_api_generation(state: StackState | None) -> int:
    """Of the stack's Event API: it stays what it is when the stack is upgraded."""
    return max(1, 0 if state is None else _number(state, EVENT_API_GENERATION_OUTPUT))


def _number(state: StackState, output: str) -> int:
    value = next((one.value for one in state.outputs if one.key == output), "0")
    return int(value) if value.isdigit() else 0
