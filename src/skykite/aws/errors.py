"""botocore's exceptions, wrapped once. In: an exception and what was called. Out: an `AwsError`. No I/O."""

from __future__ import annotations

import re
import ssl
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
_TUNNEL: Final = re.compile(r"Tunnel connection failed: (?P<status>\d{3}[^'\"()]*)")
_USER: Final = re.compile(r"//[^/]*@")
NOT_TRUSTED: Final = "where a company's proxy looks into TLS, AWS_CA_BUNDLE names the file of its certificate authority"
"""What to do about a certificate."""
SIGN_IN: Final = frozenset({"aws-login-expired", "aws-credentials-rejected", "aws-credentials-broken"})
"""The codes of failures that signing in anew mends."""
_SIGN_IN_AGAIN: Final = (
    "sign in again, for instance with `aws sso login`; a running `kite dev` then goes on by itself, "
    "any other command, and a save that could not be applied, is to be repeated"
)
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
        return f"{self.service}:{self.operation}" if self.operation else self.service


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
        case exceptions.InvalidConfigError() if "CA bundle" in str(error):
            return _authorities_unusable("its name is empty")
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
            _SIGN_IN_AGAIN,
            "user",
        )
    if aws_code == "400" and call.operation.startswith("Head"):  # which has no room for a reason
        return made(
            "aws-login-expired",
            f"AWS refused `{call.action}` and gave no reason (`400`), as it does when credentials have expired",
            _SIGN_IN_AGAIN,
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
    where = f"`{call.endpoint_url}`" if call.endpoint_url else f"`{call.service}` in `{call.region}`"
    causes = _causes(error)
    proxy = str(getattr(error, "kwargs", {}).get("proxy_url") or "")
    if proxy:
        return _stopped_by_proxy(proxy, causes, where)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return AwsError(
                "aws-unreachable",
                f"the certificate of {where} is not trusted: {cause.verify_message or _one_line(cause)}",
                hint=NOT_TRUSTED,
                blame="user",
            )
        if isinstance(cause, FileNotFoundError) or getattr(cause, "library", None) == "X509":
            return _authorities_unusable(getattr(cause, "strerror", None) or _one_line(cause))
    if call.endpoint_url:
        hint = "is it still running?"
    else:
        hint = "check the network, the proxy settings, and that the region in `kite.toml` exists and has this service"
    return AwsError("aws-unreachable", f"cannot reach {where}: {_one_line(error)}", hint=hint)


def _stopped_by_proxy(proxy: str, causes: list[BaseException], where: str) -> AwsError:
    """botocore says which proxy, with stars for the password; what is wrong with it is in the causes."""
    shown = f"`{_USER.sub('//', proxy)}`"
    words = " ".join(_one_line(cause) for cause in causes)
    answer = _TUNNEL.search(words)
    if answer is None:
        system = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
        return AwsError(
            "aws-unreachable",
            f"cannot reach {where}: the proxy {shown} cannot be used: {system or _one_line(causes[-1])}",
            hint="HTTPS_PROXY names it, as `http://host:port`; NO_PROXY names hosts that need none",
            blame="user",
        )
    status = answer["status"]
    if status.startswith("407"):
        hint = password_hint(given=_USER.search(proxy) is not None)
    else:
        hint = "the proxy has to let `kite` through to AWS: docs/guides/proxies.md lists the hosts"
    return AwsError(
        "aws-unreachable", f"cannot reach {where}: the proxy {shown} answers with {status}", hint=hint, blame="user"
    )


def password_hint(*, given: bool) -> str:
    """What to do about a proxy that wants a password."""
    if given:
        return "it does not know the user and the password that HTTPS_PROXY has for it, or takes none in the URL"
    return "put `user:password@` before the proxy's host in HTTPS_PROXY"


def _authorities_unusable(why: str) -> AwsError:
    return AwsError(
        "ca-bundle-unusable",
        f"the file of certificate authorities that AWS clients shall trust cannot be read: {why}",
        hint="AWS_CA_BUNDLE, `ca_bundle` in ~/.aws/config or REQUESTS_CA_BUNDLE names it; unset what is not needed",
        blame="user",
    )


def _causes(error: BaseException) -> list[BaseException]:
    """From `error` to what began it."""
    found: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in found:
        found.append(step)
        step = step.__cause__ or step.__context__
    return found


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _profile_of(error: Exception) -> str:
    return str(getattr(error, "kwargs", {}).get("profile", ""))
