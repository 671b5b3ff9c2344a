"""A custom resource that empties a bucket before CloudFormation deletes it. Deployed as the inline code of a function.

In: CloudFormation's request, whose `BucketName` says which. Out: its answer, put to the request's URL. I/O: S3, and
that PUT. Inline code is one file of at most 4096 characters.

A bucket is emptied only while it has the tag `TAG`: where the tag was taken away in the same update, the bucket is to
stay with what it holds.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

TAG = "skykite:empty-when-deleted"
RESERVE = 30_000  # milliseconds to answer in


def handler(event: dict[str, Any], context: Any) -> None:
    name = event["ResourceProperties"]["BucketName"]
    answer = {
        "Status": "SUCCESS",
        "PhysicalResourceId": f"contents of {name}",  # the bucket's name is the bucket's
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    try:
        if event["RequestType"] == "Delete":
            empty(name, context)
    except Exception as error:  # noqa: BLE001  (whatever it is, CloudFormation waits for an answer)
        print(repr(error))
        answer.update(Status="FAILED", Reason=str(error))
    body = json.dumps(answer).encode()
    request = urllib.request.Request(event["ResponseURL"], body, {"content-type": ""}, method="PUT")  # noqa: S310
    urllib.request.urlopen(request)  # noqa: S310  (CloudFormation's own URL)


def empty(name: str, context: Any) -> None:
    """Delete every version of every object."""
    import boto3
    from botocore.exceptions import ClientError

    s3 = boto3.client("s3")
    try:
        tags = s3.get_bucket_tagging(Bucket=name)["TagSet"]
        if {"Key": TAG, "Value": "true"} not in tags:
            return
        while True:
            page = s3.list_object_versions(Bucket=name, MaxKeys=1000)
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if not found:
                return
            if context.get_remaining_time_in_millis() < RESERVE:
                raise TimeoutError("there are more objects than can be deleted at once: try again")
            keys: list[Any] = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            failed = s3.delete_objects(Bucket=name, Delete={"Objects": keys, "Quiet": True}).get("Errors")
            if failed:
                raise RuntimeError("{Key} was not deleted: {Message}".format(**failed[0]))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchBucket", "NoSuchTagSet"):
            raise
