"""What `Cron` puts into templates, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.stacks import Built, build, build_source, error_text, load_cdk, write_project
from kit.templates import template_errors
from skykite.errors import SkykiteError

load_cdk()

import aws_cdk  # noqa: E402
from aws_cdk import aws_sqs as sqs  # noqa: E402

from skykite import App, Cron, Function, Stack  # noqa: E402


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path, {})


def schedule_of(built: Built) -> dict[str, Any]:
    return built.only("AWS::Scheduler::Schedule")


def test_a_cron_is_a_schedule_that_may_invoke_its_job_and_nothing_else(project: Path) -> None:
    def define(app: App) -> None:
        Cron(
            Stack(app, "NotesStack"),
            "Nightly",
            schedule="cron(0 3 ? * MON-FRI *)",
            timezone="Europe/Berlin",
            job={"handler": "functions/notes.get", "timeout": 60},
            event={"kind": "nightly", "at": "<aws.scheduler.scheduled-time>"},
            retry_attempts=2,
            max_event_age=3600,
            description="cleans up",
        )

    built = build(project, define)
    (function,) = built.manifest.functions
    schedule = schedule_of(built)
    assert (function.id, function.timeout_s) == ("NotesStack/Nightly/Job", 60)
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == (
        "cron(0 3 ? * MON-FRI *)",
        "Europe/Berlin",
    )
    assert (schedule["State"], schedule["Description"]) == ("ENABLED", "cleans up")
    target = schedule["Target"]
    assert target["Arn"] == {"Fn::GetAtt": [function.logical_id, "Arn"]}
    assert json.loads(target["Input"]) == {"kind": "nightly", "at": "<aws.scheduler.scheduled-time>"}
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 2}
    role = target["RoleArn"]["Fn::GetAtt"][0]
    (policy,) = (
        policy["Properties"]
        for policy in built.resources("AWS::IAM::Policy")
        if policy["Properties"]["Roles"] == [{"Ref": role}]
    )
    arn = {"Fn::GetAtt": [function.logical_id, "Arn"]}
    assert policy["PolicyDocument"] == {
        "Statement": [
            {
                "Action": "lambda:InvokeFunction",
                "Effect": "Allow",
                "Resource": [arn, {"Fn::Join": ["", [arn, ":*"]]}],
            }
        ],
        "Version": "2012-10-17",
    }
    (trust,) = built.template()["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"]["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert template_errors(built.directory) == []


def test_a_rate_without_more_is_enabled_and_sends_schedulers_own_event(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        shared = Function(stack, "Shared", "functions/notes.get")
        cron = Cron(stack, "Tick", schedule="rate(1 minute)", job=shared)
        resting = Cron(stack, "Rest", schedule="rate(2 days)", job=shared.cdk.function, enabled=False)
        assert cron.job is shared
        assert cron.cdk.function is resting.cdk.function
        stack.add_outputs(Name=cron.name, Arn=cron.arn)

    built = build(project, define)
    schedules = {
        schedule["Properties"]["ScheduleExpression"]: schedule["Properties"]
        for schedule in built.resources("AWS::Scheduler::Schedule")
    }
    assert schedules["rate(1 minute)"]["State"] == "ENABLED"
    assert schedules["rate(2 days)"]["State"] == "DISABLED"
    assert "Input" not in schedules["rate(1 minute)"]["Target"]
    assert len(built.manifest.functions) == 1
    assert template_errors(built.directory) == []


def test_what_could_not_be_handed_over_goes_to_a_queue(project: Path) -> None:
    def define(app: App) -> None:
        stack = Stack(app, "NotesStack")
        lost = sqs.Queue(stack, "Lost")
        Cron(
            stack,
            "Tick",
            schedule="rate(1 hour)",
            job="functions/notes.get",
            max_event_age=aws_cdk.Duration.minutes(5),
            dead_letter_queue=lost,
        )

    built = build(project, define)
    target = schedule_of(built)["Target"]
    assert target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0].startswith("Lost")
    assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 300
    actions = [
        statement["Action"]
        for policy in built.resources("AWS::IAM::Policy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]
    assert sorted(actions) == ["lambda:InvokeFunction", "sqs:SendMessage"]
    assert template_errors(built.directory) == []


PROGRAM = """\
from skykite import Cron, Stack, Table


def main(app):
    stack = Stack(app, "NotesStack")
    notes = Table(stack, "Notes", fields={{"id": "string"}}, primary_index={{"partition_key": "id"}})
    Cron(stack, "Nightly", {props})
"""
JOB = 'job="functions/notes.get"'


@pytest.mark.parametrize(
    ("props", "code", "message", "hint"),
    [
        (JOB, "schedule-missing", "has no schedule", 'add schedule="rate(5 minutes)" to its arguments'),
        ('schedule="rate(1 hour)"', "job-missing", "has no job", 'add job="path/to/file.function" to its arguments'),
        (
            f'schedule="0 9 * * 1-5", {JOB}',
            "schedule-invalid",
            "has the schedule `0 9 * * 1-5`, which AWS refuses: it is a cron of Unix, and AWS's have six fields",
            'write "cron(0 9 ? * MON-FRI *)"',
        ),
        (
            f'schedule="rate(1 minutes)", {JOB}',
            "schedule-invalid",
            "has the schedule `rate(1 minutes)`, which AWS refuses: the unit of 1 is singular",
            'write "rate(1 minute)"',
        ),
        (f"schedule=5, {JOB}", "prop-type", "was given schedule=`5`, which is not a string", None),
        (
            f'schedule="rate(1 hour)", timezone="Europe/Berlin", {JOB}',
            "schedule-timezone",
            "has timezone=`Europe/Berlin` beside `rate(1 hour)`, on which it has no effect",
            "leave it out, or say when with a cron",
        ),
        (
            f'schedule="cron(0 3 * * ? *)", timezone="Berlin", {JOB}',
            "schedule-timezone",
            "has timezone=`Berlin`, which is not the name of a time zone",
            "did you mean `Europe/Berlin`?",
        ),
        (
            f'schedule="cron(0 3 * * ? *)", timezone="Utopia", {JOB}',
            "schedule-timezone",
            "has timezone=`Utopia`, which is not the name of a time zone",
            'write it as IANA does, for instance "Europe/Berlin"',
        ),
        (
            f'schedule="rate(1 hour)", event={{"notes": notes}}, {JOB}',
            "prop-type",
            "which is not JSON: Object of type Table is not JSON serializable",
            "use dicts and lists",
        ),
        (
            f'schedule="rate(1 hour)", event={{"text": "x" * 300_000}}, {JOB}',
            "event-too-large",
            "has an event of 300012 bytes",
            "EventBridge Scheduler takes 262144 bytes",
        ),
        (
            f'schedule="rate(1 hour)", retry_attempts=186, {JOB}',
            "prop-value",
            "was given retry_attempts=`186`",
            "EventBridge Scheduler takes 0 to 185",
        ),
        (
            f'schedule="rate(1 hour)", max_event_age=30, {JOB}',
            "prop-value",
            "was given max_event_age=`30`",
            "EventBridge Scheduler takes 60 to 86400 seconds",
        ),
        (
            f'schedule="rate(1 hour)", dead_letter_queue=notes, {JOB}',
            "prop-type",
            "which is not a queue",
            None,
        ),
        (
            f'schedule="rate(1 hour)", enable=True, {JOB}',
            "prop-unknown",
            "was given `enable`, which it does not know",
            "did you mean `enabled`?",
        ),
        (
            'schedule="rate(1 hour)", job="functions/notes.gets"',
            "handler-not-found",
            "but `functions/notes.py` defines `get` and `create`",
            'change job to "functions/notes.get"',
        ),
        (
            'schedule="rate(1 hour)", job=notes',
            "not-a-function",
            "which is not a function",
            "give a handler, a dict of function props, a `Function` or a CDK Lambda function",
        ),
    ],
)
def test_a_wrong_cron_is_refused_with_the_users_line(
    project: Path, props: str, code: str, message: str, hint: str | None
) -> None:
    with pytest.raises(SkykiteError) as caught:
        build_source(project, PROGRAM.format(props=props))
    error = caught.value
    assert (error.code, error.hint) == (code, hint)
    assert message in error.message
    assert "NotesStack/Nightly" in error.message
    assert "stacks/app.py:7" in error_text(error)
