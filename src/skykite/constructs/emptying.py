"""What empties a bucket before CloudFormation deletes it, which it refuses to do while there is anything inside.

In: a bucket that goes with its stack. Out: a custom resource beside it, and one small function per stack that serves
all of them. I/O: reads `skykite_lambda/emptying.py`, whose text becomes that function.

CDK's own `auto_delete_objects` does the same with a function for Node.js; this one also runs in the embedded cloud.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

import aws_cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from skykite_lambda import emptying

_FUNCTION: Final = "BucketEmptier"


def empty_when_deleted(scope: Construct, bucket: s3.Bucket) -> aws_cdk.CustomResource:
    """Make the deletion of a bucket delete what is in it. What depends on the result is deleted before that."""
    aws_cdk.Tags.of(bucket).add(emptying.TAG, "true")
    function = _function(aws_cdk.Stack.of(bucket))
    policy = iam.Policy(
        scope,
        "EmptierPolicy",
        roles=[cast("iam.IRole", function.role)],
        statements=[
            iam.PolicyStatement(
                actions=["s3:GetBucketTagging", "s3:ListBucketVersions"], resources=[bucket.bucket_arn]
            ),
            iam.PolicyStatement(
                actions=["s3:DeleteObject", "s3:DeleteObjectVersion"], resources=[bucket.arn_for_objects("*")]
            ),
        ],
    )
    resource = aws_cdk.CustomResource(
        scope,
        "Emptier",
        service_token=function.function_arn,
        resource_type="Custom::SkykiteEmptyBucket",
        properties={"BucketName": bucket.bucket_name},
    )
    resource.node.add_dependency(policy)
    return resource


def _function(stack: Any) -> lambda_.Function:
    existing = stack.node.try_find_child(_FUNCTION)
    if existing is not None:
        return cast("lambda_.Function", existing)
    return lambda_.Function(
        stack,
        _FUNCTION,
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handler",
        code=lambda_.Code.from_inline(Path(emptying.__file__).read_text(encoding="utf-8")),
        timeout=aws_cdk.Duration.minutes(15),
        memory_size=256,
        description="Empties buckets of this stack before they are deleted",
    )
