"""Event APIs of the embedded cloud, spoken to as AWS's: by a stock WebSocket client, signed by botocore."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import pytest
from botocore.credentials import Credentials
from websockets.exceptions import ConnectionClosed, InvalidStatus

from kit.embedded_cloud import REGION, RunningCloud, deploy, empty_zip
from kit.events import PROTOCOL, EventsClient, ask, compact, hear
from skykite.deploy.bootstrap import bootstrap_template
from skykite.deploy.eventapi import event_api_outputs, event_api_resources
from skykite.model.bootstrap import EventApi, parse_event_api

STAGE = "0f" * 16
REQUESTS = f"/kite-requests/{STAGE}"
REPLIES = f"/kite-replies/{STAGE}/{'a1' * 16}"
EVENT = '{"hello":"wörld"}'
UNAUTHORIZED = {"errorType": "UnauthorizedException", "message": "You are not authorized to make this call."}
DENIED = {"errorType": "UnauthorizedException", "message": "Permission denied"}
TRUST_ALL = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}


@pytest.fixture(scope="module")
def api(cloud: RunningCloud) -> EventApi:
    template = bootstrap_template(REGION)
    stack = deploy(cloud, "skykite-bootstrap", template["Resources"], Outputs=template["Outputs"])
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack["Failures"]
    return parse_event_api(stack["OutputValues"], region=REGION)


@pytest.fixture(scope="module")
def owner(cloud: RunningCloud, api: EventApi) -> EventsClient:
    """The project's own key, which may do everything."""
    assert cloud.address is not None
    key = Credentials(cloud.address.access_key_id, cloud.address.secret_access_key)
    return EventsClient(url=cloud.address.url, api=api, credentials=key, region=REGION)


def _allow(action: str, resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": f"appsync:{action}", "Resource": resource}


@pytest.fixture(scope="module")
def role(cloud: RunningCloud, api: EventApi) -> str:
    """A role that may do what a stub may: connect, publish requests, subscribe to replies."""
    iam = cloud.client("iam")
    arn: str = iam.create_role(RoleName="stub", AssumeRolePolicyDocument=json.dumps(TRUST_ALL))["Role"]["Arn"]
    statements = [
        _allow("EventConnect", api.arn),
        _allow("EventPublish", api.namespace_arn("kite-requests")),
        _allow("EventSubscribe", api.namespace_arn("kite-replies")),
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName="stub", PolicyName="live", PolicyDocument=policy)
    return arn


def _assume(cloud: RunningCloud, owner: EventsClient, role: str, **more: Any) -> EventsClient:
    given = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="stub", **more)["Credentials"]
    credentials = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    return EventsClient(url=owner.url, api=owner.api, credentials=credentials, region=REGION)


@pytest.fixture(scope="module")
def stub(cloud: RunningCloud, owner: EventsClient, role: str) -> EventsClient:
    return _assume(cloud, owner, role)


@pytest.fixture
def skewed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[timedelta], None]]:
    """Let botocore sign at another time."""

    def sign_at(offset: timedelta) -> None:
        at = (datetime.now(UTC) + offset).replace(tzinfo=None)
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: at)

    yield sign_at
    monkeypatch.undo()


# ----------------------------------------------------------------------
# What is published is heard


def test_a_request_and_its_reply_reach_each_other_and_nobody_else(owner: EventsClient, stub: EventsClient) -> None:
    with owner.connect() as dev, stub.connect() as lambda_, stub.connect() as other:
        assert ask(dev, '{"type":"connection_init"}') == {"type": "connection_ack", "connectionTimeoutMs": 300_000}
        assert ask(dev, owner.subscribe_message(REQUESTS, "requests")) == {
            "type": "subscribe_success",
            "id": "requests",
        }
        assert ask(lambda_, stub.subscribe_message(REPLIES, "replies"))["type"] == "subscribe_success"
        elsewhere = f"/kite-replies/{STAGE}/{'b2' * 16}"
        assert ask(other, stub.subscribe_message(elsewhere, "replies"))["type"] == "subscribe_success"

        published = ask(lambda_, stub.publish_message(REQUESTS, EVENT, "[1]", id="p1"))

        assert (published["type"], published["id"], published["failed"]) == ("publish_success", "p1", [])
        assert [one["index"] for one in published["successful"]] == [0, 1]
        assert hear(dev) == {"type": "data", "id": "requests", "event": EVENT}
        assert hear(dev) == {"type": "data", "id": "requests", "event": "[1]"}
        status, answer = owner.publish(REPLIES, EVENT)
        assert (status, answer["failed"], answer["successful"][0]["index"]) == (200, [], 0)
        assert hear(lambda_) == {"type": "data", "id": "replies", "event": EVENT}
        owner.publish(elsewhere, "1")
        assert hear(other)["event"] == "1"


def test_who_is_connected_to_an_api_that_was_deleted_has_to_go_when_somebody_uses_it(
    cloud: RunningCloud, owner: EventsClient
) -> None:
    stack = deploy(cloud, "second", event_api_resources(2), Outputs=event_api_outputs(2))
    second = replace(owner, api=parse_event_api(stack["OutputValues"], region=REGION))
    with second.connect() as dev, second.connect() as lambda_, owner.connect() as other:
        ask(dev, second.subscribe_message(REQUESTS, "requests"))
        cloud.client("appsync").delete_api(apiId=second.api.api_id)

        assert ask(lambda_, second.publish_message(REQUESTS, EVENT))["type"] == "publish_error"
        for socket in (dev, lambda_):
            with pytest.raises(ConnectionClosed):
                hear(socket)
        assert ask(other, owner.publish_message(REQUESTS, "1"))["type"] == "publish_success"
    with pytest.raises(InvalidStatus), second.connect():
        pass


def test_who_unsubscribes_hears_nothing_more(owner: EventsClient) -> None:
    with owner.connect() as socket:
        ask(socket, owner.subscribe_message(REQUESTS, "a"))
        assert ask(socket, compact({"type": "unsubscribe", "id": "a"})) == {"type": "unsubscribe_success", "id": "a"}
        assert ask(socket, compact({"type": "unsubscribe", "id": "a"}))["errors"] == [
            {"errorType": "UnknownOperationError", "message": "Unknown operation id a"}
        ]

        assert ask(socket, owner.publish_message(REQUESTS, "1"))["type"] == "publish_success"
        assert ask(socket, '{"type":"connection_init"}')["type"] == "connection_ack"


def test_200_kilobytes_arrive_as_they_were_sent(owner: EventsClient, stub: EventsClient) -> None:
    event = json.dumps(base64.b64encode(bytes(range(256)) * 700).decode())
    with owner.connect() as dev, stub.connect() as lambda_:
        ask(dev, owner.subscribe_message(REQUESTS, "r"))

        lambda_.send(stub.publish_message(REQUESTS, event))

        assert hear(dev)["event"] == event


def test_a_second_subscription_to_a_channel_hears_everything_too(owner: EventsClient) -> None:
    with owner.connect() as socket:
        ask(socket, owner.subscribe_message(REQUESTS, "a"))
        ask(socket, owner.subscribe_message(REQUESTS, "b"))

        owner.publish(REQUESTS, "1")

        assert {hear(socket)["id"], hear(socket)["id"]} == {"a", "b"}


# ----------------------------------------------------------------------
# Signatures


def test_a_connection_without_a_right_signature_is_refused(
    owner: EventsClient, skewed: Callable[[timedelta], None]
) -> None:
    tampered = owner.sign("{}")
    tampered["authorization"] = tampered["authorization"][:-1] + ("0" if tampered["authorization"][-1] != "0" else "1")
    unknown = EventsClient(url=owner.url, api=owner.api, credentials=Credentials("AKIAUNKNOWN", "x"), region=REGION)
    for headers, error_type, code, message in (
        (tampered, "BadRequestException", 403, "The request signature we calculated does not match"),
        (owner.sign('{"channel":"/a"}'), "BadRequestException", 403, "The request signature we calculated"),
        (owner.sign("{}", region="us-east-1"), "BadRequestException", 403, "Credential should be scoped to a valid"),
        (owner.sign("{}", service="execute-api"), "BadRequestException", 403, "Credential should be scoped to correct"),
        (owner.sign("{}", host=owner.api.realtime_host), "UnauthorizedException", 401, "You are not authorized"),
        (unknown.sign("{}"), "UnrecognizedClientException", 403, "The security token included in the request is inv"),
        ({"host": owner.api.http_host}, "UnauthorizedException", 401, "Valid authorization header not provided."),
        ({"host": owner.api.http_host, "x-api-key": "da2-x"}, "UnauthorizedException", 401, "You are not authorized"),
    ):
        _is_refused(owner, headers, error_type, code, message)
    for offset, message in ((-timedelta(minutes=6), "Signature expired"), (timedelta(minutes=6), "Signature not yet")):
        skewed(offset)
        _is_refused(owner, owner.sign("{}"), "BadRequestException", 403, message)
    skewed(timedelta(minutes=4))
    with owner.connect() as socket:
        assert ask(socket, '{"type":"connection_init"}')["type"] == "connection_ack"


def _is_refused(owner: EventsClient, headers: dict[str, str], error_type: str, code: int, message: str) -> None:
    with owner.connect(PROTOCOL, owner.authorization(headers)) as socket:
        refused = hear(socket)
        assert refused["type"] == "connection_error"
        (error,) = refused["errors"]
        assert (error["errorType"], error["errorCode"]) == (error_type, code), error
        assert error["message"].startswith(message)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)


@pytest.mark.parametrize("protocols", [[PROTOCOL], [PROTOCOL, "header-!"], [PROTOCOL, "header-Ww"]])
def test_a_connection_without_a_readable_authorization_is_refused(owner: EventsClient, protocols: list[str]) -> None:
    with owner.connect(*protocols) as socket:
        assert hear(socket)["type"] == "connection_error"


def test_every_subscribe_and_publish_is_signed_anew(owner: EventsClient) -> None:
    with owner.connect() as socket:
        connected = owner.sign("{}")
        other = owner.sign(compact({"channel": f"/kite-requests/{'1' * 32}"}))
        for headers in (connected, other, {}):
            message = compact({"type": "subscribe", "id": "s", "channel": REQUESTS, "authorization": headers})
            assert ask(socket, message)["type"] == "subscribe_error"
        assert ask(socket, compact({"type": "subscribe", "id": "s", "channel": REQUESTS}))["errors"] == [
            {"errorType": "UnauthorizedException", "message": "Valid authorization header not provided."}
        ]

        publish = json.loads(owner.publish_message(REQUESTS, "1"))
        for change in ({"events": ["2"]}, {"events": ["1", "1"]}, {"channel": f"/kite-requests/{'2' * 32}"}):
            answer = ask(socket, compact({**publish, **change}))
            assert (answer["type"], answer["id"]) == ("publish_error", publish["id"])
            assert answer["errors"][0]["errorType"] == "BadRequestException"
        assert ask(socket, compact(publish))["type"] == "publish_success"


def test_publishing_over_http_is_verified(owner: EventsClient, skewed: Callable[[timedelta], None]) -> None:
    body = compact({"channel": REQUESTS, "events": ["1"]})
    right = owner.sign(body)
    assert owner.post(body, right)[0] == 200

    status, answer = owner.post(body.replace('"1"', '"2"'), right)
    assert (status, answer["errors"][0]["errorType"]) == (403, "BadRequestException")
    assert owner.post(body, {**right, "accept": "*/*"})[0] == 403
    assert owner.post(body, {}) == (
        401,
        {"errors": [{"errorType": "UnauthorizedException", "message": "Valid authorization header not provided."}]},
    )
    elsewhere = {**owner.sign(body, host=owner.api.realtime_host), "host": owner.api.http_host}
    assert owner.post(body, elsewhere)[0] == 403
    skewed(-timedelta(minutes=6))
    status, answer = owner.post(body, owner.sign(body))
    assert (status, answer["errors"][0]["message"][:18]) == (403, "Signature expired:")


def test_a_session_key_needs_its_own_token(stub: EventsClient) -> None:
    body = compact({"channel": REQUESTS, "events": ["1"]})
    key = stub.credentials
    for token in (None, "wrong"):
        credentials = Credentials(key.access_key, key.secret_key, token)
        other = EventsClient(url=stub.url, api=stub.api, credentials=credentials, region=REGION)
        status, answer = other.post(body, other.sign(body))
        assert (status, answer["errors"][0]["errorType"]) == (403, "UnrecognizedClientException")


def test_an_api_key_opens_only_what_is_open_for_api_keys(cloud: RunningCloud, owner: EventsClient) -> None:
    both = [{"AuthType": "AWS_IAM"}, {"AuthType": "API_KEY"}]
    iam = [{"AuthType": "AWS_IAM"}]
    config = {
        "AuthProviders": both,
        "ConnectionAuthModes": iam,
        "DefaultPublishAuthModes": iam,
        "DefaultSubscribeAuthModes": both,
    }
    namespace = {"ApiId": {"Fn::GetAtt": ["Api", "ApiId"]}}
    resources = {
        "Api": {"Type": "AWS::AppSync::Api", "Properties": {"Name": "keys", "EventConfig": config}},
        "Open": {
            "Type": "AWS::AppSync::ChannelNamespace",
            "Properties": {**namespace, "Name": "open", "PublishAuthModes": both},
        },
        "Closed": {"Type": "AWS::AppSync::ChannelNamespace", "Properties": {**namespace, "Name": "closed"}},
    }
    outputs = {name: {"Value": {"Fn::GetAtt": ["Api", f"Dns.{name}"]}} for name in ("Http", "Realtime")}
    outputs["Id"] = {"Value": {"Fn::GetAtt": ["Api", "ApiId"]}}
    found = deploy(cloud, "keys", resources, Outputs=outputs)["OutputValues"]
    key = cloud.client("appsync").create_api_key(apiId=found["Id"])["apiKey"]["id"]
    api = EventApi(api_id=found["Id"], arn="", http_host=found["Http"], realtime_host=found["Realtime"])
    client = EventsClient(url=owner.url, api=api, credentials=owner.credentials, region=REGION)

    def publish(channel: str, given: str) -> int:
        return client.post(compact({"channel": channel, "events": ["1"]}), {"x-api-key": given})[0]

    assert publish("/open/a", key) == 200
    assert publish("/open/a", "da2-other") == 401
    assert publish("/closed/a", key) == 401
    assert client.publish("/closed/a", "1")[0] == 200
    with client.connect() as socket:
        by_key = {"type": "subscribe", "id": "s", "authorization": {"x-api-key": key}}
        assert ask(socket, compact({**by_key, "channel": "/closed/a"})) == {"type": "subscribe_success", "id": "s"}


# ----------------------------------------------------------------------
# Permissions


def test_a_role_may_do_what_its_policy_says_and_nothing_else(stub: EventsClient) -> None:
    assert stub.publish(REQUESTS, "1")[0] == 200
    assert stub.publish(REPLIES, "1") == (401, {"errors": [DENIED]})
    with stub.connect() as socket:
        assert ask(socket, stub.subscribe_message(REQUESTS, "s")) == {
            "type": "subscribe_error",
            "id": "s",
            "errors": [DENIED],
        }
        assert ask(socket, stub.publish_message(REPLIES, "1", id="p")) == {
            "type": "publish_error",
            "id": "p",
            "errors": [DENIED],
        }


PUBLISHES = """
import json, os, urllib.error, urllib.request
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

def handler(event, context):
    body = json.dumps({"channel": event["channel"], "events": ["1"]}).encode()
    request = AWSRequest("POST", f"https://{event['host']}/event", {"host": event["host"]}, body)
    SigV4Auth(Session().get_credentials(), "appsync", os.environ["AWS_REGION"]).add_auth(request)
    url = os.environ["AWS_ENDPOINT_URL"] + "/event"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, dict(request.headers.items()))) as response:
            return response.status
    except urllib.error.HTTPError as refused:
        return refused.status
"""


def test_a_function_that_runs_in_the_cloud_publishes_as_its_role_may(
    cloud: RunningCloud, api: EventApi, role: str
) -> None:
    code = {"ZipFile": empty_zip(index__py=PUBLISHES)}
    cloud.function("publishes", None, Handler="index.handler", Role=role, Timeout=20, Code=code)

    def invoke(channel: str) -> Any:
        event = json.dumps({"host": api.http_host, "channel": channel})
        answer = cloud.client("lambda").invoke(FunctionName="publishes", Payload=event)
        return json.loads(answer["Payload"].read())

    assert invoke(REQUESTS) == 200
    assert invoke(REPLIES) == 401


def test_a_role_without_permission_does_not_connect(cloud: RunningCloud, owner: EventsClient) -> None:
    iam = cloud.client("iam")
    arn = iam.create_role(RoleName="nothing", AssumeRolePolicyDocument=json.dumps(TRUST_ALL))["Role"]["Arn"]
    client = _assume(cloud, owner, arn)

    with client.connect() as socket:
        assert hear(socket)["errors"] == [{**DENIED, "errorCode": 401}]


def test_a_session_policy_takes_the_bridges_own_actions_away(
    cloud: RunningCloud, owner: EventsClient, role: str
) -> None:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    but = {"Effect": "Deny", "Action": "appsync:Event*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything, but]})

    worker = _assume(cloud, owner, role, Policy=policy)

    assert worker.publish(REQUESTS, "1") == (401, {"errors": [DENIED]})


def test_a_permission_that_is_taken_away_is_gone_within_a_moment(cloud: RunningCloud, owner: EventsClient) -> None:
    iam = cloud.client("iam")
    arn = iam.create_role(RoleName="fired", AssumeRolePolicyDocument=json.dumps(TRUST_ALL))["Role"]["Arn"]
    policy = json.dumps({"Statement": [_allow("EventPublish", f"{owner.api.arn}/*")]})
    iam.put_role_policy(RoleName="fired", PolicyName="p", PolicyDocument=policy)
    client = _assume(cloud, owner, arn)
    assert client.publish(REQUESTS, "1")[0] == 200

    iam.delete_role_policy(RoleName="fired", PolicyName="p")

    deadline = time.monotonic() + 5
    while client.publish(REQUESTS, "1")[0] != 401:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "channel",
    ["/kite-requests/*", "/kite-replies/*", f"/kite-replies/{STAGE}/*", f"/kite-replies/{STAGE}", "/kite-requests"],
)
def test_nobody_listens_to_more_than_one_channel_not_even_the_owner(owner: EventsClient, channel: str) -> None:
    with owner.connect() as socket:
        assert ask(socket, owner.subscribe_message(channel, "s")) == {
            "type": "subscribe_error",
            "id": "s",
            "errors": [{"errorType": "Unauthorized", "message": "You are not authorized to make this call."}],
        }


# ----------------------------------------------------------------------
# Limits and grammar


@pytest.mark.parametrize(
    ("channel", "events", "status", "message"),
    [
        ("/kite-requests/a_b", ["1"], 400, "Invalid Channel Format"),
        ("/kite-requests/*", ["1"], 400, "Invalid Channel Format"),
        ("/nowhere/a", ["1"], 401, "You are not authorized to make this call."),
        ("", ["1"], 400, "Missing channel"),
        (REQUESTS, [], 400, "Missing events"),
        (REQUESTS, [1], 400, "Expected list of strings"),
        (REQUESTS, ["1"] * 6, 400, "Input exceeded 5 event limit"),
    ],
)
def test_a_publish_that_aws_would_refuse_is_refused(
    owner: EventsClient, channel: str, events: list[Any], status: int, message: str
) -> None:
    body = compact({"channel": channel, "events": events})

    answer = owner.post(body, owner.sign(body))

    assert answer[0] == status
    assert answer[1]["errors"][0]["message"] == message
    with owner.connect() as socket:
        refused = ask(socket, owner.publish_message(channel, *events, id="p"))
        assert (refused["type"], refused["id"], refused["errors"][0]["message"]) == ("publish_error", "p", message)


def test_240_kilobytes_are_an_event_and_one_byte_more_is_none(owner: EventsClient) -> None:
    largest = '"' + "x" * (240 * 1024 - 2) + '"'
    with owner.connect() as socket:
        ask(socket, owner.subscribe_message(REQUESTS, "s"))

        status, answer = owner.publish(REQUESTS, "1", largest[:-1] + 'x"', "not json", largest)

        assert status == 200
        assert [one["index"] for one in answer["successful"]] == [0, 3]
        assert [(one["index"], one["code"], one["message"]) for one in answer["failed"]] == [
            (1, 400, "The event is larger than 240 KB"),
            (2, 400, "The event is not valid JSON"),
        ]
        assert [hear(socket)["event"], hear(socket)["event"]] == ["1", largest]


def test_a_publish_of_more_than_a_megabyte_and_a_fifth_is_refused(owner: EventsClient) -> None:
    escaped = json.dumps("\\" * 110_000)  # twice that on the wire
    events = [escaped] * 3
    assert sum(len(event) for event in events) < 1_200_000

    status, answer = owner.publish(REQUESTS, *events)
    assert (status, answer["errors"][0]["errorType"]) == (413, "RequestEntityTooLargeException")
    with owner.connect() as socket:
        assert ask(socket, owner.publish_message(REQUESTS, *events))["errors"][0]["errorType"] == "InvalidInputError"


def test_a_websocket_publishes_25_times_a_second(owner: EventsClient) -> None:
    with owner.connect() as socket:
        for _ in range(60):
            socket.send(owner.publish_message(REQUESTS, "1"))
        answers = [hear(socket) for _ in range(60)]

        refused = [answer for answer in answers if answer["type"] == "publish_error"]
        assert 60 - 30 >= len(refused) > 0
        assert refused[0]["errors"] == [{"errorType": "LimitExceededError", "message": "Rate exceeded"}]
    with owner.connect() as socket:
        assert ask(socket, owner.publish_message(REQUESTS, "1"))["type"] == "publish_success"


@pytest.mark.parametrize("subscription", ["", "a b", "a/b", "x" * 129, 7, None])
def test_an_id_that_is_none_is_refused(owner: EventsClient, subscription: Any) -> None:
    with owner.connect() as socket:
        answer = ask(socket, owner.subscribe_message(REQUESTS, subscription))
        assert (answer["type"], answer["id"]) == ("subscribe_error", subscription)
        assert answer["errors"][0]["errorType"] == "InvalidInputError"


def test_a_connection_has_at_most_100_subscriptions_each_with_its_own_id(owner: EventsClient) -> None:
    with owner.connect() as socket:
        for number in range(100):
            assert ask(socket, owner.subscribe_message(REQUESTS, f"s{number}"))["type"] == "subscribe_success"
        full = ask(socket, owner.subscribe_message(REQUESTS, "s100"))
        assert full["errors"][0]["errorType"] == "MaxSubscriptionsReachedError"
        again = ask(socket, owner.subscribe_message(REQUESTS, "s1"))
        assert again["errors"][0]["errorType"] == "DuplicatedOperationError"


def test_half_a_character_cannot_be_published(owner: EventsClient) -> None:
    body = f'{{"channel":"{REQUESTS}","events":["\\ud800"]}}'
    assert owner.post(body, owner.sign(body))[0] == 400
    with owner.connect() as socket:
        assert ask(socket, f'{{"type":"publish","id":"p",{body[1:]}')["type"] == "publish_error"
        assert ask(socket, '{"type":"connection_init"}')["type"] == "connection_ack"


@pytest.mark.parametrize("message", ["", "no json", "[]", '{"type":"nothing"}', "{}", "[" * 50_000])
def test_a_message_that_means_nothing_is_answered_and_the_connection_goes_on(owner: EventsClient, message: str) -> None:
    with owner.connect() as socket:
        assert ask(socket, message)["type"] == "error"
        assert ask(socket, '{"type":"connection_init"}')["type"] == "connection_ack"


def test_a_name_of_no_api_leads_nowhere(owner: EventsClient) -> None:
    body = compact({"channel": REQUESTS, "events": ["1"]})
    nowhere = f"nowhere.appsync-api.{REGION}.amazonaws.com"
    assert owner.post(body, {**owner.sign(body), "host": nowhere})[0] == 404
    with pytest.raises(InvalidStatus), owner.connect(host=f"nowhere.appsync-realtime-api.{REGION}.amazonaws.com"):
        pass


def test_pages_of_others_neither_publish_nor_connect(owner: EventsClient) -> None:
    body = compact({"channel": REQUESTS, "events": ["1"]})

    assert owner.post(body, {**owner.sign(body), "origin": "https://evil.example"})[0] == 403


# ----------------------------------------------------------------------
# The WebSocket itself


def test_pings_fragments_and_bytes_are_taken_as_a_websocket_server_takes_them(owner: EventsClient) -> None:
    with owner.connect() as socket:
        assert socket.ping(b"are you there").wait(10)
        socket.send(['{"type":"conne', 'ction_init"}'])
        assert hear(socket)["type"] == "connection_ack"
        socket.send(b'{"type":"connection_init"}')
        assert hear(socket)["type"] == "error"


def test_a_client_that_breaks_the_protocol_is_told_why_it_is_closed(owner: EventsClient) -> None:
    with owner.connect() as socket:
        socket.send(b"\xff\xfe", text=True)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1007


def test_a_refused_client_reads_why_though_it_has_said_more(owner: EventsClient) -> None:
    """What it has sent and nobody reads must not cost it the answer."""
    with owner.connect(PROTOCOL, owner.authorization({"host": owner.api.http_host})) as socket:
        for _ in range(50):
            with contextlib.suppress(ConnectionClosed):
                socket.send('{"type":"connection_init"}' + " " * 10_000)
        assert hear(socket)["type"] == "connection_error"
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_one_who_listens_no_more_is_forgotten(owner: EventsClient) -> None:
    with owner.connect() as staying:
        assert ask(staying, owner.subscribe_message(REPLIES, "s"))["type"] == "subscribe_success"
        for leave in (lambda socket: socket.close(), lambda socket: socket.socket.shutdown(2)):
            with owner.connect() as going:
                assert ask(going, owner.subscribe_message(REPLIES, "s"))["type"] == "subscribe_success"
                leave(going)
        assert owner.publish(REPLIES, EVENT)[0] == 200
        assert hear(staying)["event"] == EVENT
