"""The function behind a `Script`: CloudFormation asks it, it invokes the user's function and tells how that ended.

In: the event of a custom resource. Out: the answer CloudFormation waits for, with the function's own words if it
failed. I/O: Lambda's Invoke, signed as the function's role; one PUT to where CloudFormation wants its answer.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from typing import Any, Dict, Mapping, NamedTuple, Optional
from urllib.parse import quote

from .live.clock import Clock
from .live.http import Origin, Response, parse_url, request
from .live.network import Garbled, Network, Unreachable
from .live.sigv4 import NoCredentials, Signer, credentials_from

FAILED_ID = "skykite-script-not-created"
"""The physical id of a script whose `on_create` failed: its `on_delete` has nothing to undo."""

_KINDS = {"Create": "create", "Update": "update", "Delete": "delete"}
_NOT_YET = (403, 409, 429)  # roles take a while to be known everywhere, and functions to be ready
_NOT_YET_S = 30.0
_PAUSE_S = 1.0
_FOR_ANSWER_S = 10.0  # kept of this function's time to tell CloudFormation
_REASON_LIMIT = 1000
_LIMIT = 7 * 1024 * 1024


class Failure(Exception):  # noqa: N818
    """What CloudFormation is told."""


def handler(event: Dict[str, Any], context: Any) -> None:
    """Of Lambda. Every way it ends is told to CloudFormation, which would wait for an hour."""
    clock = Clock()
    network = Network(os.environ, clock)
    deadline = clock.elapsed() + context.get_remaining_time_in_millis() / 1000
    physical = event.get("PhysicalResourceId") or f"skykite-script-{event['LogicalResourceId']}"
    answer: Dict[str, Any] = {"Status": "SUCCESS"}
    try:
        if physical != FAILED_ID:
            _run(event, network, clock, deadline - _FOR_ANSWER_S)
    except Exception as error:  # noqa: BLE001  (whatever it is, CloudFormation has to hear of it)
        known = isinstance(error, (Failure, Unreachable, Garbled, NoCredentials))
        answer = {"Status": "FAILED", "Reason": str(error) if known else f"{type(error).__name__}: {error}"}
        sys.stderr.write(f"{answer['Reason']}\n")
        if event["RequestType"] == "Create":
            physical = FAILED_ID
        elif _is_rolling_back(event["StackId"], network, clock, deadline - _FOR_ANSWER_S):
            answer = {"Status": "SUCCESS"}  # else the stack would be stuck half-way, and nobody be helped
    _answer(event, {**answer, "PhysicalResourceId": physical}, network, deadline)


def is_rolling_back(answer: bytes) -> bool:
    """Whether a stack undoes what it began, by CloudFormation's answer. Pure."""
    found = re.search(rb"<StackStatus>([A-Z_]+)</StackStatus>", answer)
    return found is not None and b"ROLLBACK" in found.group(1)


class Asked(NamedTuple):
    """What is to run. `label` is how the user wrote it."""

    kind: str
    function: Optional[str]
    label: str
    payload: Dict[str, Any]


def read_event(event: Mapping[str, Any]) -> Asked:
    """From CloudFormation's event. Pure."""
    kind = _KINDS[event["RequestType"]]
    script = json.loads(event["ResourceProperties"]["Script"])
    payload: Dict[str, Any] = {"type": kind, "params": script["params"]}
    before = event.get("OldResourceProperties")
    if kind == "update" and before:
        payload["previous_params"] = json.loads(before["Script"])["params"]
    named = script.get(kind) or {}
    return Asked(kind, named.get("function"), named.get("label", ""), payload)


def failure_text(label: str, kind: str, body: bytes) -> str:
    """A function's error document as one line. Pure."""
    try:
        document = json.loads(body)
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    text = f"on_{kind} ({label}) failed: {document.get('errorType', 'Error')}: {document.get('errorMessage', '')}"
    trace = document.get("stackTrace")
    if isinstance(trace, list) and trace:
        text += f", at {' '.join(str(trace[-1]).split())}"
    return text if len(text) <= _REASON_LIMIT else f"{text[:_REASON_LIMIT]}…"


def _run(event: Mapping[str, Any], network: Network, clock: Clock, deadline: float) -> None:
    asked = read_event(event)
    if asked.function is None:
        return
    answer = _invoke(asked.function, json.dumps(asked.payload).encode(), network, clock, deadline)
    if "x-amz-function-error" in answer.headers:
        raise Failure(failure_text(asked.label, asked.kind, answer.body))
    if answer.status != 200:
        said = answer.body[:300].decode("utf-8", "replace")
        raise Failure(f"on_{asked.kind} ({asked.label}) could not be invoked: Lambda answers {answer.status}: {said}")


def _is_rolling_back(stack: str, network: Network, clock: Clock, deadline: float) -> bool:
    body = f"Action=DescribeStacks&Version=2010-05-15&StackName={quote(stack, safe='')}".encode()
    try:
        answer = _ask("cloudformation", "/", "application/x-www-form-urlencoded", body, network, clock, deadline)
    except (Unreachable, Garbled, NoCredentials):
        return False
    return answer.status == 200 and is_rolling_back(answer.body)


def _invoke(function: str, payload: bytes, network: Network, clock: Clock, deadline: float) -> Response:
    target = f"/2015-03-31/functions/{quote(function, safe='')}/invocations"
    patience = clock.elapsed() + _NOT_YET_S
    while True:
        answer = _ask("lambda", target, "application/json", payload, network, clock, deadline)
        if answer.status not in _NOT_YET or clock.elapsed() > patience:
            return answer
        time.sleep(_PAUSE_S)


def _ask(
    service: str, target: str, content: str, body: bytes, network: Network, clock: Clock, deadline: float
) -> Response:
    region = os.environ["AWS_REGION"]
    origin = Origin(f"{service}.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}")
    signer = Signer(region, lambda: credentials_from(os.environ), clock)
    headers = signer.sign(service, "POST", origin.host, target, {"content-type": content}, body)
    return request(network, "POST", origin, target, headers=headers, body=body, deadline=deadline, limit=_LIMIT)


def _answer(event: Mapping[str, Any], answer: Dict[str, Any], network: Network, deadline: float) -> None:
    origin, target = parse_url(event["ResponseURL"])
    body = json.dumps(
        {**answer, **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}}
    ).encode()
    # The URL is signed for a request without a content type.
    sent = request(
        network, "PUT", origin, target, headers={"content-type": ""}, body=body, deadline=deadline, limit=_LIMIT
    )
    if sent.status >= 300:
        raise Failure(f"CloudFormation took no answer: {sent.status}")
