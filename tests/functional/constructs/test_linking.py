"""What a link puts into templates and manifest: `Secret`, `Parameter`, `Linkable`, and constructs of users' own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.stacks import Built, build, load_cdk, write_project
from kit.templates import template_errors
from skykite.errors import SkykiteError

load_cdk()

from aws_cdk import aws_iam as iam  # noqa: E402
from aws_cdk import aws_sqs as sqs  # noqa: E402
from constructs import Construct  # noqa: E402

from skykite import App, Function, Linkable, Parameter, Secret, Stack, Table  # noqa: E402

ARN = {"Ref": "AWS::Partition"}, {"Ref": "AWS::Region"}, {"Ref": "AWS::AccountId"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {})


def statements(built: Built) -> list[dict[str, Any]]:
    return [
        statement
        for policy in built.resources("AWS::IAM::Policy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def parameter_arn(name: str) -> dict[str, Any]:
    partition, region, account = ARN
    return {"Fn::Join": ["", ["arn:", partition, ":ssm:", region, ":", account, f":parameter{name}"]]}


def variables(built: Built) -> dict[str, Any]:
    found: dict[str, Any] = built.only("AWS::Lambda::Function")["Environment"]["Variables"]
    return {name: json.loads(value) if isinstance(value, str) and name.startswith("KITE_RESOURCE_") else value
            for name, value in found.items()}  # fmt: skip


def test_a_secret_grants_reading_its_two_names_and_tells_them_alone(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Function(stack, "Pay", "functions/notes.get", link=[Secret(stack, "StripeKey")])

    built = build(project, define)
    own, fallback = "/skykite/notes/alice/secrets/StripeKey", "/skykite/notes/.fallback/secrets/StripeKey"
    assert statements(built) == [
        {
            "Action": ["ssm:GetParameter", "ssm:GetParameters"],
            "Effect": "Allow",
            "Resource": [parameter_arn(fallback), parameter_arn(own)],
        }
    ]
    assert variables(built)["KITE_RESOURCE_StripeKey"] == {"type": "Secret", "parameter": own, "fallback": fallback}
    assert not built.resources("AWS::SSM::Parameter")
    assert template_errors(built.directory) == []
    (secret,) = built.manifest.secrets
    assert (secret.name, secret.kind, secret.functions) == ("StripeKey", "secret", ("NotesStack/Pay",))
    assert secret.required


@pytest.mark.parametrize("stage", ["prod", "production", "prod-eu"])
def test_production_never_reads_a_fallback(project: Path, stage: str) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Function(stack, "Pay", "functions/notes.get", link=[Secret(stack, "StripeKey")])

    built = build(project, define, stage=stage)
    own = f"/skykite/notes/{stage}/secrets/StripeKey"
    assert [statement["Resource"] for statement in statements(built)] == [parameter_arn(own)]
    assert variables(built)["KITE_RESOURCE_StripeKey"] == {"type": "Secret", "parameter": own}


def test_a_parameter_brings_its_default_and_is_never_required(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Function(stack, "F", "functions/notes.get", link=[Parameter(stack, "PageSize", default="20")])

    built = build(project, define)
    assert variables(built)["KITE_RESOURCE_PageSize"]["default"] == "20"
    (parameter,) = built.manifest.secrets
    assert (parameter.kind, parameter.required) == ("parameter", False)


def test_one_secret_may_be_made_where_each_stack_needs_it(project: Path) -> None:
    """And in the app, above all stacks; none of them exports anything to another."""

    def define(app: App) -> None:
        shared = Secret(app, "Shared")
        for name in ("NotesStack", "OtherStack"):
            stack = Stack(app, name)
            Function(stack, "F", "functions/notes.get", link=[shared, Secret(stack, "StripeKey")])

    built = build(project, define)
    found = {secret.name: secret.functions for secret in built.manifest.secrets}
    both = ("NotesStack/F", "OtherStack/F")
    assert found == {"Shared": both, "StripeKey": both}
    assert all(not entry.dependencies for entry in built.manifest.stacks)
    assert [(link.name, link.path, link.functions) for link in built.manifest.links] == [
        ("Shared", "Shared", both),
        ("StripeKey", "NotesStack/StripeKey", ("NotesStack/F",)),
        ("StripeKey", "OtherStack/StripeKey", ("OtherStack/F",)),
    ]


def test_a_linkable_hands_over_what_it_says_and_allows_no_more(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        queue = sqs.Queue(stack, "Queue")
        search = Linkable(
            stack,
            "Search",
            properties={"url": queue.queue_url, "shards": 3, "fuzzy": True, "indexes": ["notes", "people"]},
            permissions=[
                (queue, "grant_send_messages"),
                iam.PolicyStatement(actions=["es:ESHttpGet"], resources=["*"]),
            ],
        )
        Function(stack, "Find", "functions/notes.get", link=[search])

    built = build(project, define)
    (queue,) = (name for name, one in built.template()["Resources"].items() if one["Type"] == "AWS::SQS::Queue")
    assert statements(built) == [
        {
            "Action": ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"],
            "Effect": "Allow",
            "Resource": {"Fn::GetAtt": [queue, "Arn"]},
        },
        {"Action": "es:ESHttpGet", "Effect": "Allow", "Resource": "*"},
    ]
    joined = built.only("AWS::Lambda::Function")["Environment"]["Variables"]["KITE_RESOURCE_Search"]
    pieces = [piece if isinstance(piece, str) else "URL" for piece in joined["Fn::Join"][1]]
    assert json.loads("".join(pieces)) == {
        "type": "Search", "url": "URL", "shards": 3, "fuzzy": True, "indexes": ["notes", "people"],
    }  # fmt: skip
    (link,) = built.manifest.links
    assert link.attributes == {"url": "str", "shards": "int", "fuzzy": "bool", "indexes": "list"}


def test_a_construct_of_the_users_own_takes_part_by_two_methods(project: Path) -> None:
    class Mailer(Construct):
        def link_properties(self) -> dict[str, str]:
            return {"type": "Mailer", "sender": "no-reply@example.com"}

        def grant_to(self, grantee: iam.IGrantable) -> None:
            iam.Grant.add_to_principal(grantee=grantee, actions=["ses:SendEmail"], resource_arns=["*"])

    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        Function(stack, "F", "functions/notes.get", link=[Mailer(stack, "Mail")])

    built = build(project, define)
    assert statements(built) == [{"Action": "ses:SendEmail", "Effect": "Allow", "Resource": "*"}]
    assert variables(built)["KITE_RESOURCE_Mail"] == {"type": "Mailer", "sender": "no-reply@example.com"}
    (link,) = built.manifest.links
    assert (link.type, link.path, link.attributes) == ("Mailer", "NotesStack/Mail", {"sender": "str"})


def test_links_added_later_are_in_the_manifest_too(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        function = Function(stack, "F", "functions/notes.get")
        function.add_link(Table(stack, "Notes", fields={"id": "string"}, primary_index={"partition_key": "id"}))

    (link,) = build(project, define).manifest.links
    assert (link.name, link.type, link.functions) == ("Notes", "Table", ("NotesStack/F",))
    assert link.attributes == {"name": "str", "arn": "str"}


def wrong(project: Path, make: Any) -> SkykiteError:
    def define(app: App) -> None:
        make(Stack(app, "NotesStack"))

    with pytest.raises(SkykiteError) as raised:
        build(project, define)
    return raised.value


def test_a_value_that_is_given_to_a_secret_in_code_is_refused_and_not_repeated(project: Path) -> None:
    error = wrong(project, lambda stack: Secret(stack, "StripeKey", value="sk_live_4242"))  # type: ignore[call-arg]

    assert error.code == "secret-in-code"
    assert error.message.startswith("secret `NotesStack/StripeKey` was given `value`: ")
    assert "kite secrets set StripeKey" in (error.hint or "")
    assert "sk_live_4242" not in f"{error.message} {error.context} {error.hint}"


def test_what_cannot_be_linked_is_refused_with_the_construct_named(project: Path) -> None:
    error = wrong(project, lambda stack: Secret(stack, "Stripe-Key"))
    assert (error.code, error.message) == (
        "secret-name",
        "secret `NotesStack/Stripe-Key` has an id that is no name for a secret: `Stripe-Key`",
    )
    error = wrong(project, lambda stack: Parameter(stack, "PageSize", default=20))  # type: ignore[arg-type]
    assert (error.code, error.message) == (
        "prop-type",
        "parameter `NotesStack/PageSize` was given default=`20`, which is not a string",
    )

    def differing(stack: Stack) -> None:
        Parameter(stack, "PageSize", default="20")
        Parameter(Construct(stack, "Inner"), "PageSize", default="30")

    error = wrong(project, differing)
    assert error.code == "secret-differs"
    assert error.message.startswith("parameter `NotesStack/Inner/PageSize` has the name of `NotesStack/PageSize`")

    error = wrong(project, lambda stack: Linkable(stack, "Search", properties={"type": "x"}))
    assert (error.code, error.message) == (
        "link-properties",
        "linkable `NotesStack/Search` has a property named `'type'`, which code cannot read from `resource`",
    )
    error = wrong(project, lambda stack: Linkable(stack, "Search", properties={"at": [{"where": stack}]}))
    assert 'has a linked property `at[0]["where"]` that is' in error.message
    error = wrong(project, lambda stack: Linkable(stack, "Search", properties={}, permissions="s3:GetObject"))
    assert (error.code, error.hint) == ("prop-type", "write permissions=['s3:GetObject']")
    for name in ("class", "_Hidden", "Größe"):

        def linked(stack: Stack, name: str = name) -> None:
            Function(stack, "F", "functions/notes.get", link=[Linkable(stack, name, properties={"a": "b"})])

        assert wrong(project, linked).code == "link-name"


def test_a_wrong_permission_of_a_linkable_names_the_linkable(project: Path) -> None:
    def define(stack: Stack) -> None:
        search = Linkable(stack, "Search", properties={}, permissions=["s3"])
        Function(stack, "F", "functions/notes.get", link=[search])

    error = wrong(project, define)
    assert error.code == "permission-unknown"
    assert error.message.startswith("linkable `NotesStack/Search` has `s3` in `permissions`")
