"""Several parameters of SSM, decrypted. In: their names. Out: the values of those there are.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
With the keys that Lambda gives a function, the standard library is enough, and quicker than importing boto3. Where
credentials come from elsewhere (a profile, SnapStart), or an endpoint is set, boto3 knows better. I/O: requests to SSM.
No error holds a value.
"""

from __future__ import annotations

import json
import os
import threading
from typing import Any, Dict, List, Mapping, Tuple

from skykite_lambda.live.clock import Clock, parse_http_date
from skykite_lambda.live.http import Origin, request
from skykite_lambda.live.network import Garbled, Network, Unreachable, embedded_cloud
from skykite_lambda.live.pace import Backoff
from skykite_lambda.live.sigv4 import Signer, credentials_from
from skykite_lambda.secret_values import Unavailable

_AT_ONCE = 10  # names that one request takes
_LIMIT = 1024 * 1024  # bytes of an answer: ten values of 8 KB, escaped
_WITHIN_S = 8.0
_ATTEMPT_S = 3.0
_PASSING = ("ThrottlingException", "InternalServerError", "ServiceUnavailable", "RequestLimitExceeded")


class SecretUnreadable(Exception):  # noqa: N818
    """Parameter Store refuses."""


def read_parameters(names: List[str]) -> Dict[str, str]:
    """Raises Unavailable, SecretUnreadable."""
    environment = os.environ
    elsewhere = environment.get("AWS_ENDPOINT_URL_SSM") or environment.get("AWS_ENDPOINT_URL")
    own_keys = environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY")
    if own_keys and (embedded_cloud(environment) is not None or not elsewhere):
        read = _Plainly(environment).read
    else:
        read = _by_boto3
    found: Dict[str, str] = {}
    for start in range(0, len(names), _AT_ONCE):
        found.update(read(names[start : start + _AT_ONCE]))
    return found


class _Plainly:
    def __init__(self, environment: Mapping[str, str]) -> None:
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
        if not region:
            raise SecretUnreadable("secrets cannot be read: the environment has no `AWS_REGION`")
        self._clock = Clock()
        self._network = Network(environment, self._clock)
        self._signer = Signer(region, lambda: credentials_from(environment), self._clock)
        self._origin = Origin(f"ssm.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}")

    def read(self, names: List[str]) -> Dict[str, str]:
        clock, signer = self._clock, self._signer
        deadline = clock.elapsed() + _WITHIN_S
        backoff = Backoff(0.1, 2.0, os.urandom)
        learned = False
        while True:
            offset = signer.offset
            try:
                status, document, date = self._ask(names, min(deadline, clock.elapsed() + _ATTEMPT_S))
            except (Unreachable, Garbled, TimeoutError) as error:
                reason = str(error)
            else:
                if status == 200:
                    return {found["Name"]: found["Value"] for found in document.get("Parameters", [])}
                code = str(document.get("__type", "")).rpartition("#")[2]
                if not learned and signer.learn(parse_http_date(date), offset):
                    learned = True
                    continue
                reason = f"{code or status} {document.get('message') or document.get('Message') or ''}".rstrip()
                if status < 500 and status != 429 and code not in _PASSING:
                    raise SecretUnreadable(f"the secrets {_listed(names)} cannot be read: {reason}")
            wait = backoff.next()
            if clock.elapsed() + wait >= deadline:
                raise Unavailable(f"the secrets {_listed(names)} cannot be read: {reason}")
            threading.Event().wait(wait)

    def _ask(self, names: List[str], deadline: float) -> Tuple[int, Dict[str, Any], str]:
        body = json.dumps({"Names": names, "WithDecryption": True}).encode()
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.GetParameters"}
        signed = self._signer.sign("ssm", "POST", self._origin.host, "/", headers, body)
        answer = request(
            self._network, "POST", self._origin, "/", headers=signed, body=body, deadline=deadline, limit=_LIMIT
        )
        try:
            document = json.loads(answer.body)
        except ValueError:
            document = None
        return answer.status, document if isinstance(document, dict) else {}, answer.headers.get("date", "")


def _by_boto3(names: List[str]) -> Dict[str, str]:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise SecretUnreadable(
            f"the secrets {_listed(names)} cannot be read: the environment holds no AWS keys, and boto3, which would "
            "look for them elsewhere, is not installed"
        ) from None
    try:
        answer = boto3.client("ssm").get_parameters(Names=names, WithDecryption=True)
    except ClientError as error:
        raise SecretUnreadable(f"the secrets {_listed(names)} cannot be read: {error}") from error
    except BotoCoreError as error:
        raise Unavailable(f"the secrets {_listed(names)} cannot be read: {error}") from error
    return {found["Name"]: found["Value"] for found in answer["Parameters"]}


def _listed(names: List[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
