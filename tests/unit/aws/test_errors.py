"""What AWS and the way to it answer, in our words."""

from __future__ import annotations

import pytest
from botocore import exceptions

from skykite.aws.errors import Call, translate


def call(*, endpoint_url: str | None = None, profile: str | None = None) -> Call:
    return Call(
        service="cloudformation",
        operation="CreateChangeSet",
        region="eu-west-1",
        endpoint_url=endpoint_url,
        profile=profile,
    )


def answered(code: str, message: str = "why") -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": message}}, "CreateChangeSet")


def test_no_credentials_says_how_to_get_some() -> None:
    error = translate(exceptions.NoCredentialsError(), call())
    assert (error.code, error.message, error.hint, error.blame) == (
        "aws-no-credentials",
        "there are no AWS credentials in the environment or `~/.aws`",
        (
            "run `aws configure sso` (or `aws configure`) and choose the profile with AWS_PROFILE, "
            "or develop without an account: `kite dev --local`"
        ),
        "user",
    )


@pytest.mark.parametrize(
    ("raised", "code", "hint"),
    [
        (
            exceptions.UnauthorizedSSOTokenError(),
            "aws-login-expired",
            "run `aws sso login --profile work`",
        ),
        (
            exceptions.ProfileNotFound(profile="work"),
            "aws-profile-unknown",
            "`aws configure list-profiles` shows those there are; AWS_PROFILE chooses one",
        ),
        (
            exceptions.EndpointConnectionError(endpoint_url="https://x"),
            "aws-unreachable",
            "check the network, the proxy settings, and that the region in `kite.toml` exists and has this service",
        ),
        (
            answered("ExpiredToken"),
            "aws-login-expired",
            (
                "sign in again, for instance with `aws sso login`; a running `kite dev` then goes on by itself, "
                "any other command, and a save that could not be applied, is to be repeated"
            ),
        ),
        (
            answered("Throttling"),
            "aws-throttled",
            "wait a minute and repeat the command; it goes on where it stopped",
        ),
        (
            answered("InvalidClientTokenId"),
            "aws-credentials-rejected",
            "check AWS_PROFILE and AWS_ACCESS_KEY_ID; a key of another partition or a deleted user looks like this too",
        ),
        (
            answered("SignatureDoesNotMatch"),
            "aws-credentials-rejected",
            "check the secret access key, and that this machine's clock is right",
        ),
    ],
)
def test_each_has_a_code_and_a_way_out(raised: Exception, code: str, hint: str) -> None:
    error = translate(raised, call(profile="work"))
    assert (error.code, error.hint) == (code, hint)


def test_denied_access_names_the_action_that_was_missing() -> None:
    reason = "User: arn:aws:iam::1:user/a is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::b"
    error = translate(answered("AccessDenied", reason), call())
    assert error.message == f"the AWS credentials in use may not perform `s3:PutObject`: {reason}"
    assert error.hint is not None
    assert error.hint.startswith("allow `s3:PutObject` to the user or role")


def test_denied_access_without_words_names_the_action_that_was_tried() -> None:
    error = translate(answered("403", ""), call())
    assert error.message == "the AWS credentials in use may not perform `cloudformation:CreateChangeSet`"


def test_an_embedded_cloud_that_is_gone_is_named_by_its_address() -> None:
    error = translate(
        exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), call(endpoint_url="http://127.0.0.1:1")
    )
    assert error.message.startswith("cannot reach `http://127.0.0.1:1`: ")
    assert error.hint == "is it still running?"


def test_anything_else_keeps_the_words_of_aws() -> None:
    error = translate(answered("ValidationError", "Template is bad"), call())
    assert error.message == "`cloudformation:CreateChangeSet` was refused: Template is bad (`ValidationError`)"
    assert (error.aws_code, error.reason, error.blame) == ("ValidationError", "Template is bad", "aws")


def test_a_wrong_request_is_our_fault() -> None:
    error = translate(exceptions.ParamValidationError(report="no"), call())
    assert (error.code, error.blame) == ("aws-request-invalid", "skykite")
