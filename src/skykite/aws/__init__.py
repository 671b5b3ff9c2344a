"""The one place that calls AWS: a session, and a small typed client per service.

In: calls with plain arguments. Out: frozen data, or an `AwsError`. I/O: HTTPS to AWS, or HTTP to an embedded cloud; the
user's AWS configuration and credential files, unless the session was given credentials. Everything here blocks: call
it through `AwsSession.run` from asynchronous code. botocore is imported at the first call, not at import.
"""

from skykite.aws.apigateway import ApiGateway, HttpApi, HttpIntegration, HttpRoute
from skykite.aws.cloudformation import (
    Change,
    ChangeDetail,
    ChangeSet,
    CloudFormation,
    StackEvent,
    StackOutput,
    StackResource,
    StackState,
)
from skykite.aws.errors import AwsError
from skykite.aws.lambda_ import FunctionState, InvokeResult, Lambda
from skykite.aws.s3 import S3, StoredObject
from skykite.aws.session import AwsSession
from skykite.aws.signing import RequestSigner
from skykite.aws.ssm import Ssm
from skykite.aws.sts import Identity, IssuedCredentials, Sts

__all__ = [
    "S3",
    "ApiGateway",
    "AwsError",
    "AwsSession",
    "Change",
    "ChangeDetail",
    "ChangeSet",
    "CloudFormation",
    "FunctionState",
    "HttpApi",
    "HttpIntegration",
    "HttpRoute",
    "Identity",
    "InvokeResult",
    "IssuedCredentials",
    "Lambda",
    "RequestSigner",
    "Ssm",
    "StackEvent",
    "StackOutput",
    "StackResource",
    "StackState",
    "StoredObject",
    "Sts",
]
