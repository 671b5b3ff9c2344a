"""What a live stage is deployed with: to the letter what stubs and the developer need, and nothing else changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.live_stage import STAGE
from skykite.errors import SkykiteError
from skykite.live.templates import LiveTemplates, live_templates
from skykite.model.events import Notice
from skykite.model.live import STUB_VARIABLE, lease_key, stage_channel
from skykite.model.manifest import FunctionEntry, SourceLocation
from skykite.model.names import FunctionId, LogicalId, StackName

WEB, DATA = StackName("alice-notes-Web"), StackName("alice-notes-Data")
LAMBDA_TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
CHANNEL = stage_channel("notes", "alice")
BUCKET = "skykite-bootstrap-123456789012-eu-west-1"
POLICY = {
    "PolicyName": "SkykiteLive",
    "PolicyDocument": {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "appsync:EventConnect",
                "Resource": "arn:aws:appsync:eu-west-1:123456789012:apis/abc",
            },
            {
                "Effect": "Allow",
                "Action": "appsync:EventPublish",
                "Resource": "arn:aws:appsync:eu-west-1:123456789012:apis/abc/channelNamespace/kite-requests",
            },
            {
                "Effect": "Allow",
                "Action": "appsync:EventSubscribe",
                "Resource": "arn:aws:appsync:eu-west-1:123456789012:apis/abc/channelNamespace/kite-replies",
            },
            {
                "Effect": "Allow",
                "Action": "ssm:GetParameter",
                "Resource": "arn:aws:ssm:eu-west-1:123456789012:parameter/skykite/notes/alice/live-key",
            },
            {
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{BUCKET}/live/{CHANNEL}/lease.json",
            },
        ],
    },
}
DEVELOPER_TRUST = {
    "Sid": "SkykiteLive",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
    "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"],
    "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:user/alice"}},
}
SOURCE: Mapping[str, Any] = {"Fn::GetAtt": ["Orders", "Arn"]}


def role(**properties: Any) -> dict[str, Any]:
    trust = {"Version": "2012-10-17", "Statement": [dict(LAMBDA_TRUST)]}
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust, **properties}}


def function(**properties: Any) -> dict[str, Any]:
    given = {"Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Timeout": 7, "MemorySize": 1024, "Handler": "stub.handler"}
    return {"Type": "AWS::Lambda::Function", "Properties": {**given, **properties}}


def mapping(source: object = SOURCE, function: object = None, **properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {
            "FunctionName": function or {"Ref": "Function"},
            "EventSourceArn": source,
            "BatchSize": 5,
            **properties,
        },
    }


def queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", **({"Properties": properties} if properties else {})}


def entry(logical_id: str = "Function", stack: StackName = WEB) -> FunctionEntry:
    return FunctionEntry(
        id=FunctionId(f"Web/{logical_id}"),
        stack=stack,
        logical_id=LogicalId(logical_id),
        runtime="python3.12",
        memory_mb=128,
        timeout_s=7,
        architecture="arm64",
        live=True,
        handler="functions/notes.get",
        import_root=".",
        location=SourceLocation(file="stacks/app.py", line=12),
    )


def opened(resources: Mapping[str, Any], *functions: FunctionEntry, **stacks: Mapping[str, Any]) -> LiveTemplates:
    """The stack `Web` with these resources beside others, given as `Data={…}`, whole."""
    templates = {WEB: {"Resources": resources}, **{StackName(f"alice-notes-{name}"): t for name, t in stacks.items()}}
    return live_templates(templates, functions or [entry()], STAGE)


def resources(made: LiveTemplates, stack: StackName = WEB) -> Mapping[str, Any]:
    found: Mapping[str, Any] = made.templates[stack]["Resources"]
    return found


def told(made: LiveTemplates, logical_id: str = "Function") -> dict[str, Any]:
    text = resources(made)[logical_id]["Properties"]["Environment"]["Variables"][STUB_VARIABLE]
    settings: dict[str, Any] = json.loads(text)
    return settings


def test_a_live_function_is_told_where_it_belongs_and_its_role_opened_to_no_more_than_that() -> None:
    own = {"PolicyName": "Mine", "PolicyDocument": {"Statement": []}}
    made = opened(
        {
            "Role": role(Policies=[own]),
            "Function": function(Environment={"Variables": {"WORD": "here"}}, Layers=["l"], VpcConfig={}, Tags=[]),
        }
    )

    assert resources(made)["Role"]["Properties"] == {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [LAMBDA_TRUST, DEVELOPER_TRUST]},
        "Policies": [own, POLICY],
    }
    properties = resources(made)["Function"]["Properties"]
    variables = properties.pop("Environment")["Variables"]
    assert properties == function(Tags=[], Timeout=900)["Properties"]
    assert variables.pop("WORD") == "here"
    assert {name: json.loads(value) for name, value in variables.items()} == {
        "KITE_LIVE": {
            "v": 1,
            "http": "x.appsync-api.eu-west-1.amazonaws.com",
            "ws": "x.appsync-realtime-api.eu-west-1.amazonaws.com",
            "requests": f"/kite-requests/{CHANNEL}",
            "replies": f"/kite-replies/{CHANNEL}",
            "lease": {"bucket": BUCKET, "key": f"live/{CHANNEL}/lease.json"},
            "key": "/skykite/notes/alice/live-key",
            "function": "Web/Function",
            "app": "notes",
            "stage": "alice",
        }
    }
    assert made.notices == ()


def test_a_stub_is_not_started_by_a_wrapper_or_with_libraries_of_layers_that_it_has_not() -> None:
    variables = {
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
        "LD_PRELOAD": "/opt/lib/spy.so",
        "PYTHONHOME": "/opt/python",
        "TABLE": "notes",
    }
    given = function(Environment={"Variables": variables}, Layers=["arn:aws:lambda:eu-west-1:1:layer:wrapper:1"])
    made = live_templates({WEB: {"Resources": {"Function": given, "Role": role()}}}, [entry()], STAGE)
    properties = made.templates[WEB]["Resources"]["Function"]["Properties"]
    assert properties["Environment"]["Variables"].keys() == {"TABLE", STUB_VARIABLE}
    assert "Layers" not in properties


def test_nobody_is_trusted_with_a_role_that_nobody_has_to_assume() -> None:
    stage = replace(STAGE, credentials="developer")
    given = {"Role": role(), "Function": function()}
    made = live_templates({WEB: {"Resources": given}}, [entry()], stage)
    assert resources(made)["Role"]["Properties"] == {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [LAMBDA_TRUST]},
        "Policies": [POLICY],
    }


def test_no_permission_of_a_stub_has_a_wildcard() -> None:
    made = opened({"Role": role(), "Function": function()})
    (policy,) = resources(made)["Role"]["Properties"]["Policies"]
    assert "*" not in json.dumps(policy)


def test_functions_that_share_a_role_open_it_once() -> None:
    made = opened({"Role": role(), "A": function(), "B": function()}, entry("A"), entry("B"))
    settings = resources(made)["Role"]["Properties"]
    assert settings["Policies"] == [POLICY]
    assert settings["AssumeRolePolicyDocument"]["Statement"] == [LAMBDA_TRUST, DEVELOPER_TRUST]


def test_only_live_functions_are_touched() -> None:
    other = {"OtherRole": role(), "Other": function(Role={"Fn::GetAtt": ["OtherRole", "Arn"]})}
    made = opened({"Role": role(), "Function": function(), **copy.deepcopy(other)})
    assert {name: resources(made)[name] for name in other} == other


# Roles


def test_a_role_of_another_stack_is_opened_there() -> None:
    data = {
        "Resources": {"Role": role()},
        "Outputs": {"R": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}, "Export": {"Name": "data:role"}}},
    }
    made = opened({"Function": function(Role={"Fn::ImportValue": "data:role"})}, Data=data)
    assert resources(made, DATA)["Role"]["Properties"]["Policies"] == [POLICY]


def test_a_role_that_is_not_of_the_app_is_refused_with_what_to_do() -> None:
    with pytest.raises(SkykiteError) as raised:
        opened({"Function": function(Role="arn:aws:iam::123456789012:role/shared")})
    error = raised.value
    assert (error.code, error.message, error.hint) == (
        "live-role-foreign",
        "`Web/Function` has a role that is not part of the app, so it cannot be opened to its stub",
        "set live=False for it at `stacks/app.py:12`, or let the function make its own role",
    )


@pytest.mark.parametrize(
    "properties",
    [
        {"Policies": {"Fn::If": ["A", [], []]}},
        {"AssumeRolePolicyDocument": {"Fn::If": ["A", {}, {}]}},
        {"AssumeRolePolicyDocument": {"Statement": LAMBDA_TRUST}},
    ],
    ids=["policies", "trust", "one statement"],
)
def test_policies_that_are_no_lists_are_refused_and_not_overwritten(properties: dict[str, Any]) -> None:
    with pytest.raises(SkykiteError) as raised:
        opened({"Role": role(**properties), "Function": function()})
    assert raised.value.code == "live-role-unchangeable"


# Queues


@pytest.mark.parametrize("given", [{}, {"VisibilityTimeout": 60}, {"VisibilityTimeout": 0}])
def test_a_queue_that_feeds_a_stub_hides_its_messages_as_long_as_the_stub_may_take(given: dict[str, Any]) -> None:
    made = opened({"Role": role(), "Function": function(), "Orders": queue(**given), "M": mapping()})
    assert resources(made)["Orders"] == queue(VisibilityTimeout=900)
    assert told(made)["visibility"] == given.get("VisibilityTimeout", 30)
    assert resources(made)["Function"]["Properties"]["Timeout"] == 900


@pytest.mark.parametrize("pointer", [{"Fn::GetAtt": ["Function", "Arn"]}, {"Ref": "Alias"}])
def test_a_function_url_that_streams_passes_on_whole_answers_while_its_function_is_live(pointer: Any) -> None:
    alias = {"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": {"Ref": "Function"}, "Name": "live"}}
    url = {"Type": "AWS::Lambda::Url", "Properties": {"AuthType": "NONE", "TargetFunctionArn": pointer}}
    streams = {**url, "Properties": {**url["Properties"], "InvokeMode": "RESPONSE_STREAM"}}
    deployed = {**streams, "Properties": {**streams["Properties"], "TargetFunctionArn": {"Ref": "Deployed"}}}
    made = resources(
        opened(
            {
                "Role": role(),
                "Function": function(),
                "Alias": alias,
                "Deployed": function(),
                "Streams": streams,
                "Plain": url,
                "OfDeployed": deployed,
            }
        )
    )
    assert made["Streams"]["Properties"] == {**streams["Properties"], "InvokeMode": "BUFFERED"}
    assert (made["Plain"], made["OfDeployed"]) == (url, deployed)


def test_a_queue_that_hides_them_longer_stays_as_it_is() -> None:
    made = opened(
        {"Role": role(), "Function": function(), "Orders": queue(VisibilityTimeout=1800), "M": mapping()},
    )
    assert resources(made)["Orders"] == queue(VisibilityTimeout=1800)


def test_a_queue_that_feeds_no_live_function_stays_as_it_is() -> None:
    made = opened(
        {
            "Role": role(),
            "Function": function(),
            "Other": function(),
            "Orders": queue(),
            "M": mapping(function={"Ref": "Other"}),
        }
    )
    assert resources(made)["Orders"] == queue()
    assert "visibility" not in told(made)


@pytest.mark.parametrize("pointer", ["name", "alias", "version"])
def test_a_mapping_on_an_alias_counts_as_one_on_the_function(pointer: str) -> None:
    made = opened(
        {
            "Role": role(),
            "Function": function(FunctionName="mine"),
            "Version": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "Function"}}},
            "Alias": {"Type": "AWS::Lambda::Alias", "Properties": {"FunctionName": {"Ref": "Version"}}},
            "Orders": queue(),
            "M": mapping(function={"name": "mine", "alias": {"Ref": "Alias"}, "version": {"Ref": "Version"}}[pointer]),
        }
    )
    assert resources(made)["Orders"] == queue(VisibilityTimeout=900)


def test_a_queue_of_another_stack_is_changed_there() -> None:
    data = {
        "Resources": {"Orders": queue(), "Plain": queue()},
        "Outputs": {"Q": {"Value": SOURCE, "Export": {"Name": "data:orders"}}},
    }
    made = opened(
        {"Role": role(), "Function": function(), "M": mapping({"Fn::ImportValue": "data:orders"})},
        Data=copy.deepcopy(data),
    )
    assert made.templates[DATA] == {
        **data,
        "Resources": {"Orders": queue(VisibilityTimeout=900), "Plain": queue()},
    }
    assert made.notices == ()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("arn:aws:sqs:eu-west-1:123456789012:shared", "that is not part of the app"),
        ({"Fn::ImportValue": "somebody:elses"}, "that is not part of the app"),
        (
            {"Fn::Join": ["", ["arn:aws:sqs:", {"Ref": "AWS::Region"}, ":1:shared"]]},
            "that is not part of the app",
        ),
        ({"Fn::GetAtt": ["Parametric", "Arn"]}, "whose visibility timeout is only known when it is deployed"),
    ],
)
def test_a_stub_fed_by_a_queue_that_cannot_be_changed_keeps_the_functions_own_timeout(source: Any, why: str) -> None:
    parametric = queue(VisibilityTimeout={"Ref": "Seconds"})
    made = opened({"Role": role(), "Function": function(), "Parametric": parametric, "M": mapping(source)})
    assert resources(made)["Function"]["Properties"]["Timeout"] == 7
    assert resources(made)["Parametric"] == parametric
    assert made.notices == (
        Notice(
            notice="live-timeout-kept",
            message=f"`Web/Function` is fed by a queue {why}: its stub keeps the function's own timeout of 7 s, "
            "also at a breakpoint",
        ),
    )


@pytest.mark.parametrize(
    "source",
    [
        mapping({"Fn::GetAtt": ["Table", "StreamArn"]}, StartingPosition="LATEST"),
        mapping("arn:aws:kinesis:eu-west-1:1:stream/s", StartingPosition="LATEST"),
        mapping({"Fn::ImportValue": "a:stream"}, StartingPosition="TRIM_HORIZON"),
        mapping({"Fn::ImportValue": "a:broker"}, Queues=["q"]),
        mapping("arn:aws:mq:eu-west-1:1:broker:b:c"),
    ],
)
def test_streams_and_brokers_have_no_say_in_a_stubs_timeout(source: dict[str, Any]) -> None:
    made = opened({"Role": role(), "Function": function(), "Table": {"Type": "AWS::DynamoDB::Table"}, "M": source})
    assert resources(made)["Function"]["Properties"]["Timeout"] == 900
    assert made.notices == ()


# The environment


def test_variables_may_fill_lambdas_limit_to_the_byte_and_not_exceed_it() -> None:
    settings = told(opened({"Role": role(), "Function": function()}))
    value = json.dumps(settings, separators=(",", ":"))
    token = {"Fn::GetAtt": ["Table", "Arn"]}
    rest = 4096 - len(json.dumps({"TOKEN": "", "FILL": "", STUB_VARIABLE: value}, separators=(",", ":")))

    def filled(size: int) -> Mapping[str, Any]:
        variables = {"TOKEN": token, "FILL": "ü" * (size // 2) + "x" * (size % 2)}
        return {"Role": role(), "Function": function(Environment={"Variables": variables})}

    assert told(opened(filled(rest))) == settings
    with pytest.raises(SkykiteError) as raised:
        opened(filled(rest + 1))
    error = raised.value
    assert (error.code, error.message, error.hint) == (
        "live-environment-too-large",
        "the environment variables of `Web/Function` take 4097 bytes with the one its stub needs; Lambda takes 4096",
        "set live=False for it at `stacks/app.py:12`, or keep large values elsewhere",
    )


# Any template


FUNCTIONS = tuple(f"F{number}" for number in range(3))
QUEUES = tuple(f"Q{number}" for number in range(3))


@st.composite
def apps(draw: st.DrawFn) -> tuple[dict[StackName, Any], list[FunctionEntry]]:
    """Functions, their roles, queues and mappings, spread over two stacks, among resources of all sorts."""
    anything = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)
    home = {name: draw(st.sampled_from((WEB, DATA))) for name in (*FUNCTIONS, *QUEUES)}
    templates: dict[StackName, Any] = {
        stack: {
            "Resources": {"Thing": {"Type": "AWS::SNS::Topic", "Properties": {"Anything": draw(anything)}}},
            "Outputs": {},
            "Metadata": draw(anything),
        }
        for stack in (WEB, DATA)
    }
    for name in QUEUES:
        given = draw(st.dictionaries(st.just("VisibilityTimeout"), st.integers(0, 43200)))
        template = templates[home[name]]
        template["Resources"][name] = queue(**given)
        template["Outputs"][name] = {"Value": {"Fn::GetAtt": [name, "Arn"]}, "Export": {"Name": f"x:{name}"}}
    for name in FUNCTIONS:
        here = templates[home[name]]["Resources"]
        roles = draw(st.sampled_from(("Shared", f"{name}Role")))
        more = {"Environment": {"Variables": {"A": "b"}}} if draw(st.booleans()) else {}
        here.setdefault(roles, role(**({"Policies": []} if draw(st.booleans()) else {})))
        here[name] = function(Role={"Fn::GetAtt": [roles, "Arn"]}, **more)
        for fed in draw(st.sets(st.sampled_from((*QUEUES, "elsewhere")))):
            local = home.get(fed) == home[name]
            source = {"Fn::GetAtt": [fed, "Arn"]} if local else {"Fn::ImportValue": f"x:{fed}"}
            here[f"{name}{fed}"] = mapping(source, {"Ref": name})
    live = draw(st.sets(st.sampled_from(FUNCTIONS)))
    return templates, [entry(name, home[name]) for name in sorted(live)]


@settings(max_examples=60, deadline=None)
@given(apps())
def test_whatever_the_app_nothing_changes_but_what_live_needs_and_doing_it_twice_is_doing_it_once(
    app: tuple[dict[StackName, Any], list[FunctionEntry]],
) -> None:
    templates, live = app
    before = copy.deepcopy(templates)
    made = live_templates(templates, live, STAGE)
    assert templates == before
    assert live_templates(made.templates, live, STAGE) == made

    for stack, template in made.templates.items():
        undone = copy.deepcopy(template)
        for name, resource in undone["Resources"].items():
            original = before[stack]["Resources"][name]
            properties, given = resource.get("Properties", {}), original.get("Properties", {})
            if resource["Type"] == "AWS::Lambda::Function" and any(one.logical_id == name for one in live):
                properties["Timeout"] = given["Timeout"]
                assert properties["Environment"]["Variables"].pop(STUB_VARIABLE)
                _restore(properties, given, "Environment", empty={"Variables": {}})
            elif resource["Type"] == "AWS::IAM::Role":
                statements = properties["AssumeRolePolicyDocument"]["Statement"]
                assert statements in ([LAMBDA_TRUST], [LAMBDA_TRUST, DEVELOPER_TRUST])
                properties["AssumeRolePolicyDocument"]["Statement"] = statements[:1]
                properties["Policies"] = [one for one in properties.get("Policies", []) if one != POLICY]
                _restore(properties, given, "Policies", empty=[])
            elif resource["Type"] == "AWS::SQS::Queue" and given.get("VisibilityTimeout", 30) < 900:
                assert properties.get("VisibilityTimeout") in (given.get("VisibilityTimeout"), 900)
                resource.pop("Properties", None)
                resource.update({"Properties": given} if "Properties" in original else {})
        assert undone == before[stack]
        assert json.dumps(undone) == json.dumps(before[stack])  # in the same order, too


def _restore(properties: dict[str, Any], given: Mapping[str, Any], name: str, *, empty: object) -> None:
    if name not in given:
        assert properties.pop(name) == empty


def test_the_lease_of_the_policy_is_the_one_that_sessions_write() -> None:
    assert lease_key("notes", "alice") == f"live/{CHANNEL}/lease.json"
