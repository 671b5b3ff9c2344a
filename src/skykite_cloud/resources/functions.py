"""AWS::Lambda::Function and AWS::Lambda::Permission: what MiniStack accepts without looking, and what it drops."""

from __future__ import annotations

from typing import Any

from skykite_cloud.resources.rules import Properties, PropertyError, expect_success


def find_code(properties: Properties) -> None:
    """Code in a bucket has to be there, as Lambda fetches it when the function is made."""
    find_object(properties["Code"])


def find_object(code: Properties) -> None:
    """Raise what Lambda says of an object that it cannot fetch."""
    from ministack.services import lambda_svc, s3

    bucket, key = code.get("S3Bucket"), code.get("S3Key")
    if bucket is None:
        return
    if s3._bucket_owner_account(bucket) is None:
        code_error, message = "NoSuchBucket", "The specified bucket does not exist"
    elif lambda_svc._fetch_code_from_s3(bucket, key, version_id=code.get("S3ObjectVersion")) is None:
        code_error, message = "NoSuchKey", "The specified key does not exist."
    else:
        return
    raise PropertyError(
        f"Error occurred while GetObject. S3 Error Code: {code_error}. S3 Error Message: {message} "
        f"(s3://{bucket}/{key})"
    )


def find_role(properties: Properties) -> None:
    """A function's role has to exist in this account."""
    from ministack.core.responses import get_account_id
    from ministack.services import iam

    role = properties["Role"]
    parts = str(role).split(":")
    if len(parts) < 6 or not parts[5].startswith("role/"):
        raise PropertyError(f"1 validation error detected: Value '{role}' at 'role' is not the ARN of a role")
    if parts[4] == get_account_id() and parts[5].rsplit("/", 1)[-1] not in iam._roles:
        raise PropertyError("The role defined for the function cannot be assumed by Lambda.")


def find_function(properties: Properties) -> None:
    """MiniStack makes a permission for a function that is not there into nothing."""
    from ministack.services.cloudformation import provisioners

    name = properties["FunctionName"]
    if not provisioners._lambda_function_for_cfn_ref(name)[0]:
        raise PropertyError(f"Function not found: {name}")


def apply_dropped(name: str, properties: Properties, old: Properties) -> None:
    """Concurrency, dead letters, recursion, VPC, encryption and code signing, each through its service call."""
    from ministack.services import lambda_svc

    record = lambda_svc._functions[name]
    reserved = properties.get("ReservedConcurrentExecutions")
    if reserved is not None:
        given = {"ReservedConcurrentExecutions": int(reserved)}
        expect_success("PutFunctionConcurrency", lambda_svc._put_function_concurrency(name, given))
    elif "ReservedConcurrentExecutions" in old:
        lambda_svc._delete_function_concurrency(name)
    recursion = properties.get("RecursiveLoop", "Terminate" if "RecursiveLoop" in old else None)
    if recursion is not None:
        given = {"RecursiveLoop": recursion}
        expect_success("PutFunctionRecursionConfig", lambda_svc._put_function_recursion_config(name, given))
    record["code_signing_config_arn"] = properties.get("CodeSigningConfigArn", "")
    configuration = _configuration(properties, old)
    if configuration:
        expect_success("UpdateFunctionConfiguration", lambda_svc._update_config(name, configuration))


def _configuration(properties: Properties, old: Properties) -> dict[str, Any]:
    """The arguments of UpdateFunctionConfiguration that MiniStack's handler leaves out."""
    emptied: dict[str, Any] = {
        "DeadLetterConfig": {},
        "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
        "KmsKeyArn": "",
    }
    return {
        "KMSKeyArn" if name == "KmsKeyArn" else name: properties.get(name, empty)
        for name, empty in emptied.items()
        if name in properties or name in old
    }
