"""botocore's exceptions, wrapped once. In: an exception and what was called. Out: an `AwsError`. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from skykite.errors import Blame, SkykiteError

_EXPIRED: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "ExpiredTokenError"}
)
_UNKNOWN_KEY: Final = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure"}
)
_WRONG_SIGNATURE: Final = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed"})
_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedAccess", "Forbidden", "403"}
)
_THROTTLED: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "TooManyRequestsException",
        "SlowDown",
        "BandwidthLimitExceeded",
    }
)
_SIGN_INS: Final = frozenset(  # by name: the last is younger than the oldest botocore we run with
    {"UnauthorizedSSOTokenError", "SSOTokenLoadError", "TokenRetrievalError", "LoginError"}
)
_ACTION: Final = re.compile(r"not authorized to perform: (?P<action>[a-z0-9-]+:[A-Za-z*]+)")
_LOG_IN: Final = (
    "run `aws configure sso` (or `aws configure`) and choose the profile with AWS_PROFILE, "
    "or develop without an account: `kite dev --local`"
)


class AwsError(SkykiteError):
    """What AWS, or the way to it, answered. `aws_code` and `reason` are AWS's own code and words, if it gave any."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        blame: Blame = "aws",
        aws_code: str = "",
        reason: str = "",
    ) -> None:
        super().__init__(code, message, hint=hint, blame=blame)
        self.aws_code = aws_code
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What was being asked of whom, for the complaint."""

    service: str
    operation: str  # AWS's spelling: `CreateChangeSet`
    region: str
    endpoint_url: str | None
    profile: str | None

    @property
    def action(self) -> str:
        """The IAM action that allows it."""
        return f"{self.service}:{self.operation}"


def translate(error: Exception, call: Call) -> AwsError:
    """Say in Skykite's words what went wrong. `error` is a botocore exception."""
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    if isinstance(error, exceptions.ClientError):
        return _answered(error, call)
    if isinstance(error, ResponseParserError):
        return AwsError(
            "aws-answer-unreadable",
            f"what answered `{call.action}` was not AWS, or was cut short: {_one_line(error)[:300]}",
            hint="a proxy or a sign-in page of the network may be in between: see HTTPS_PROXY and NO_PROXY",
        )
    profile = f"profile `{call.profile}`" if call.profile else "the environment or `~/.aws`"
    match error:
        case exceptions.ProfileNotFound():
            return AwsError(
                "aws-profile-unknown",
                f"there is no AWS profile `{call.profile or _profile_of(error)}` in your AWS configuration",
                hint="`aws configure list-profiles` shows those there are; AWS_PROFILE chooses one",
                blame="user",
            )
        case _ if _SIGN_INS.intersection(kind.__name__ for kind in type(error).__mro__):
            login = f"aws sso login --profile {call.profile}" if call.profile else "aws sso login"
            return AwsError(
                "aws-login-expired",
                f"the AWS sign-in of {profile} has ended: {_one_line(error)}",
                hint=f"run `{login}`",
                blame="user",
            )
        case exceptions.NoCredentialsError():
            return AwsError(
                "aws-no-credentials", f"there are no AWS credentials in {profile}", hint=_LOG_IN, blame="user"
            )
        case (
            exceptions.PartialCredentialsError() | exceptions.CredentialRetrievalError() | exceptions.ConfigParseError()
        ):
            return AwsError(
                "aws-credentials-broken",
                f"the AWS credentials in {profile} cannot be used: {_one_line(error)}",
                hint=_LOG_IN,
                blame="user",
            )
        case exceptions.ParamValidationError():
            return AwsError(
                "aws-request-invalid", f"`{call.action}` was called wrongly: {_one_line(error)}", blame="skykite"
            )
        case (
            exceptions.ConnectionError()
            | exceptions.HTTPClientError()
            | exceptions.ConnectionClosedError()
            | exceptions.ReadTimeoutError()
        ):
            return _unreachable(error, call)
        case _:
            return AwsError("aws-call-failed", f"`{call.action}` failed: {_one_line(error)}")


def _answered(error: Exception, call: Call) -> AwsError:
    """AWS answered with an error of its own."""
    document = getattr(error, "response", {}).get("Error", {})
    aws_code, reason = str(document.get("Code", "")), str(document.get("Message", ""))

    def made(code: str, message: str, hint: str | None = None, blame: Blame = "aws") -> AwsError:
        return AwsError(code, message, hint=hint, blame=blame, aws_code=aws_code, reason=reason)

    if aws_code in _EXPIRED:
        return made(
            "aws-login-expired",
            f"the AWS credentials in use have expired (`{call.action}` answered `{aws_code}`)",
            "sign in again, for instance with `aws sso login`, and repeat the command",
            "user",
        )
    if aws_code in _UNKNOWN_KEY:
        return made(
            "aws-credentials-rejected",
            f"AWS does not know the access key in use (`{call.action}` answered `{aws_code}`)",
            "check AWS_PROFILE and AWS_ACCESS_KEY_ID; a key of another partition or a deleted user looks like this too",
            "user",
        )
    if aws_code in _WRONG_SIGNATURE:
        return made(
            "aws-credentials-rejected",
            f"AWS did not accept the signature of `{call.action}` (`{aws_code}`)",
            "check the secret access key, and that this machine's clock is right",
            "user",
        )
    if aws_code in _DENIED:
        found = _ACTION.search(reason)
        action = found["action"] if found else call.action
        detail = f": {reason}" if reason and reason != aws_code else ""
        return made(
            "aws-access-denied",
            f"the AWS credentials in use may not perform `{action}`{detail}",
            f"allow `{action}` to the user or role you are signed in as, or choose another one with AWS_PROFILE",
            "user",
        )
    if aws_code in _THROTTLED:
        return made(
            "aws-throttled",
            f"AWS refused `{call.action}` again and again because there were too many requests (`{aws_code}`)",
            "wait a minute and repeat the command; it goes on where it stopped",
        )
    return made("aws-call-failed", f"`{call.action}` was refused: {reason or 'no reason given'} (`{aws_code}`)")


def _unreachable(error: Exception, call: Call) -> AwsError:
    where = call.endpoint_url or f"`{call.service}` in `{call.region}`"
    if call.endpoint_url:
        where = f"`{where}`"
        hint = "is it still running?"
    else:
        hint = "check the network, the proxy settings, and that the region in `kite.toml` exists and has this service"
    return AwsError("aws-unreachable", f"cannot reach {where}: {_one_line(error)}", hint=hint)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _profile_of(error: Exception) -> str:
    return str(getattr(error, "kwargs", {}).get("profile", ""))
