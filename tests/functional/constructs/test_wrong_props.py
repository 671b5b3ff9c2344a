"""Whatever is wrong with a construct's props fails when it is made, and names the construct and the user's line."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from kit.stacks import build_source, error_text, write_project
from skykite.errors import SkykiteError

PROGRAM = """\
from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from skykite import Api, Function, Script, Stack, Table


def main(app):
    stack = Stack(app, "NotesStack")
    notes = Table(stack, "Notes", fields={{"id": "string"}}, primary_index={{"partition_key": "id"}})
    {line}
"""

FUNCTIONS = {
    "unknown prop": 'Function(stack, "F", "functions/notes.get", memory=512)',
    "no handler": 'Function(stack, "F")',
    "handler is no string": 'Function(stack, "F", 5)',
    "handler with suffix": 'Function(stack, "F", "functions/notes.py")',
    "handler file missing": 'Function(stack, "F", "functions/note.get")',
    "handler folder missing": 'Function(stack, "F", "lambdas/notes.get")',
    "handler function missing": 'Function(stack, "F", "functions/notes.gets")',
    "handler function not written yet": 'Function(stack, "F", "functions/notes.archive")',
    "handler function in a file with one other": 'Function(stack, "F", "functions/one.archive")',
    "handler with dots for slashes": 'Function(stack, "F", "functions.notes.get")',
    "handler in a file without functions": 'Function(stack, "F", "functions/empty.get")',
    "handler in a file with a syntax error": 'Function(stack, "F", "functions/broken.get")',
    "handler in what is not deployed": 'Function(stack, "F", "tests/handlers.get")',
    "runtime": 'Function(stack, "F", "functions/notes.get", runtime="python3.8")',
    "architecture": 'Function(stack, "F", "functions/notes.get", architecture="arm")',
    "memory type": 'Function(stack, "F", "functions/notes.get", memory_size="512")',
    "memory too small": 'Function(stack, "F", "functions/notes.get", memory_size=64)',
    "timeout too long": 'Function(stack, "F", "functions/notes.get", timeout=901)',
    "timeout too long as duration": 'Function(stack, "F", "functions/notes.get", timeout=Duration.hours(1))',
    "timeout type": 'Function(stack, "F", "functions/notes.get", timeout=1.5)',
    "live": 'Function(stack, "F", "functions/notes.get", live="no")',
    "reserved variable": 'Function(stack, "F", "functions/notes.get", environment={"AWS_REGION": "x"})',
    "our own variable": 'Function(stack, "F", "functions/notes.get", environment={"KITE_STAGE": "x"})',
    "variable name": 'Function(stack, "F", "functions/notes.get", environment={"A-B": "x"})',
    "variable value": 'Function(stack, "F", "functions/notes.get", environment={"SIZE": 5})',
    "variables too large": 'Function(stack, "F", "functions/notes.get", environment={"TEXT": "x" * 5000})',
    "permissions as one string": 'Function(stack, "F", "functions/notes.get", permissions="s3:GetObject")',
    "permission without action": 'Function(stack, "F", "functions/notes.get", permissions=["s3"])',
    "permission of the wrong kind": 'Function(stack, "F", "functions/notes.get", permissions=[5])',
    "grant that is not there": 'Function(stack, "F", "functions/notes.get", permissions=[(notes, "grant_reading")])',
    "construct nobody can grant": 'Function(stack, "F", "functions/notes.get", permissions=[stack])',
    "link to what cannot be linked": 'Function(stack, "F", "functions/notes.get", link=[stack])',
    "link with a bad name": 'Function(stack, "F", "functions/notes.get", link=[sqs.Queue(stack, "My-Queue")])',
    "two links of one name": 'Function(stack, "F", "functions/notes.get", link=[notes, '
    'sqs.Queue(Stack(app, "Other"), "Notes")])',
    "link to a string": 'Function(stack, "F", "functions/notes.get", link=["Notes"])',
    "layers no list": 'Function(stack, "F", "functions/notes.get", layers="arn")',
    "layer that is no arn": 'Function(stack, "F", "functions/notes.get", layers=["tools"])',
    "too many layers": 'Function(stack, "F", "functions/notes.get", layers=["a:layer:b:1"] * 6)',
    "subnets without a vpc": 'Function(stack, "F", "functions/notes.get", vpc_subnets={})',
    "vpc by name": 'Function(stack, "F", "functions/notes.get", vpc="vpc-1")',
    "too little storage": 'Function(stack, "F", "functions/notes.get", ephemeral_storage=256)',
    "too many retries": 'Function(stack, "F", "functions/notes.get", retry_attempts=3)',
    "events too old": 'Function(stack, "F", "functions/notes.get", max_event_age=30)',
    "more provisioned than reserved": 'Function(stack, "F", "functions/notes.get", reserved_concurrency=1, '
    "provisioned_concurrency=2)",
    "destination of the wrong kind": 'Function(stack, "F", "functions/notes.get", on_failure=notes)',
    "destination by name": 'Function(stack, "F", "functions/notes.get", on_failure="Queue")',
    "dead letters to a fifo queue": 'Function(stack, "F", "functions/notes.get", '
    'dead_letter_queue=sqs.Queue(stack, "Q", fifo=True))',
    "dead letters to a function": 'Function(stack, "F", "functions/notes.get", '
    'dead_letter_queue=Function(stack, "G", "functions/notes.get"))',
    "tracing": 'Function(stack, "F", "functions/notes.get", tracing=True)',
    "log retention": 'Function(stack, "F", "functions/notes.get", log_retention="1_month")',
    "log retention in days": 'Function(stack, "F", "functions/notes.get", log_retention=30)',
    "log format": 'Function(stack, "F", "functions/notes.get", log_format="JSON")',
    "copy of nothing": 'Function(stack, "F", "functions/notes.get", copy_files=["data"])',
    "copy as one string": 'Function(stack, "F", "functions/notes.get", copy_files="data")',
    "copy from outside": 'Function(stack, "F", "functions/notes.get", copy_files=["../data"])',
    "copy in other words": 'Function(stack, "F", "functions/notes.get", copy_files=[{"source": "data"}])',
    "copy over code": 'Function(stack, "F", "functions/notes.get", '
    'copy_files=[{"from": "functions/one.py", "to": "functions/notes.py"}])',
    "hook in other words": 'Function(stack, "F", "functions/notes.get", hooks={"before_bundle": "make"})',
    "hook that is no command": 'Function(stack, "F", "functions/notes.get", hooks={"before_build": [["make"]]})',
    "hook that fails": 'Function(stack, "F", "functions/notes.get", hooks={"before_build": "echo no; exit 3"})',
    "same id twice": 'Function(stack, "Notes", "functions/notes.get")',
}
APIS = {
    "api: unknown prop": 'Api(stack, "Api", route={})',
    "api: route without method": 'Api(stack, "Api", routes={"/notes": "functions/notes.get"})',
    "api: route with lower-case method": 'Api(stack, "Api", routes={"get /notes": "functions/notes.get"})',
    "api: route with unknown method": 'Api(stack, "Api", routes={"FETCH /notes": "functions/notes.get"})',
    "api: route without slash": 'Api(stack, "Api", routes={"GET notes": "functions/notes.get"})',
    "api: route with half a variable": 'Api(stack, "Api", routes={"GET /notes/a{id}": "functions/notes.get"})',
    "api: greedy variable in the middle": 'Api(stack, "Api", routes={"GET /{p+}/x": "functions/notes.get"})',
    "api: trailing slash": 'Api(stack, "Api", routes={"GET /notes/": "functions/notes.get"})',
    "api: two routes alike": 'Api(stack, "Api", routes={"GET /a/{x}": "functions/notes.get", '
    '"GET /a/{y}": "functions/notes.get"})',
    "api: one route twice": 'Api(stack, "Api", routes={"GET /a": "functions/notes.get", '
    '"GET  /a": "functions/notes.get"})',
    "api: function prop in a route": 'Api(stack, "Api", routes={"GET /": {"handlr": "functions/notes.get"}})',
    "api: handler missing in a route": 'Api(stack, "Api", routes={"GET /": "functions/notes.gone"})',
    "api: handler misspelt in a route": 'Api(stack, "Api", routes={"GET /": "functions/notes.gets"})',
    "api: handler with dots in a route": 'Api(stack, "Api", routes={"GET /": "functions.notes.get"})',
    "api: handler of a dict in a route": 'Api(stack, "Api", routes={"GET /": {"handler": "functions/notes.gets"}})',
    "api: one route written twice in a line": 'Api(stack, "Api", routes={"GET /a": "functions/notes.get", '
    '"GET /a": "functions/notes.create"})',
    "api: one route written twice": 'Api(\n        stack,\n        "Api",\n        routes={\n'
    '            "GET /a": "functions/notes.get",\n            "POST /a": "functions/notes.create",\n'
    '            "GET /a": "functions/notes.create",\n        },\n    )',
    "api: second route of several wrong": 'Api(\n        stack,\n        "Api",\n        routes={\n'
    '            "GET /a": "functions/notes.get",\n            "GET /b": "functions/notes.gone",\n        },\n    )',
    "api: route to nothing": 'Api(stack, "Api", routes={"GET /": None})',
    "api: unknown default": 'Api(stack, "Api", defaults={"functions": {}}, routes={})',
    "api: unknown default for functions": 'Api(stack, "Api", defaults={"function": {"timout": 5}}, routes={})',
    "api: cors with credentials": 'Api(stack, "Api", cors={"allow_credentials": True, "allow_origins": ["*"]})',
    "api: cors with credentials and any header": 'Api(stack, "Api", cors={"allow_credentials": True, '
    '"allow_origins": ["https://example.com"], "allow_headers": ["*"]})',
    "api: cors origin": 'Api(stack, "Api", cors={"allow_origins": ["example.com"]})',
    "api: cors method": 'Api(stack, "Api", cors={"allow_methods": ["get"]})',
}
TABLES = {
    "table: no key": 'Table(stack, "T", fields={"id": "string"})',
    "table: field type": 'Table(stack, "T", fields={"id": "str"}, primary_index={"partition_key": "id"})',
    "table: key is no field": 'Table(stack, "T", fields={"id": "string"}, primary_index={"partition_key": "key"})',
    "table: key in other words": 'Table(stack, "T", fields={"id": "string"}, primary_index={"hash_key": "id"})',
    "table: field without index": 'Table(stack, "T", fields={"id": "string", "x": "string"}, '
    'primary_index={"partition_key": "id"})',
    "table: local index without sort key": 'Table(stack, "T", fields={"id": "string", "x": "string"}, '
    'primary_index={"partition_key": "id"}, local_indexes={"l": {"sort_key": "x"}})',
    "table: one field for both keys": 'Table(stack, "T", fields={"id": "string"}, '
    'primary_index={"partition_key": "id", "sort_key": "id"})',
    "table: two indexes of one name": 'Table(stack, "T", fields={"id": "string", "x": "string"}, '
    'primary_index={"partition_key": "id", "sort_key": "x"}, global_indexes={"i": {"partition_key": "x"}}, '
    'local_indexes={"i": {"sort_key": "x"}})',
    "table: stream": 'Table(stack, "T", fields={"id": "string"}, primary_index={"partition_key": "id"}, stream="all")',
    "table: ttl": 'Table(stack, "T", fields={"id": "string"}, primary_index={"partition_key": "id"}, '
    'time_to_live="id")',
}
OTHERS = {
    "script: nothing to run": 'Script(stack, "S", params={})',
    "script: unknown prop": 'Script(stack, "S", on_deploy="functions/notes.get")',
    "script: handler missing": 'Script(stack, "S", on_delete="functions/notes.gone")',
    "script: construct in params": 'Script(stack, "S", on_create="functions/notes.get", params={"table": notes})',
    "script: version": 'Script(stack, "S", on_create="functions/notes.get", version=2)',
    "output name": 'stack.add_outputs({"api-url": "x"})',
    "output value": "stack.add_outputs(Api=notes)",
    "stack name": 'Stack(app, "Notes_Stack")',
    "stack region": 'Stack(app, "Other", env={"region": "us-east-1"})',
    "defaults after a function": 'Function(stack, "F", "functions/notes.get"); '
    "app.set_default_function_props(memory_size=512)",
    "unknown default": "stack.set_default_function_props(memory=512)",
    "wrong default": "app.set_default_function_props(timeout=0)",
    "default permission": 'app.add_default_permissions("s3")',
    "default environment": 'app.add_default_environment({"AWS_REGION": "x"})',
    "default link": "stack.add_default_link(stack)",
    "live credentials": 'app.live_credentials = "develop"',
    "not in an app": 'Table(__import__("aws_cdk").App(), "T")',
    "no scope": 'Table("T", "Notes", fields={})',
    "no id": 'Table(stack, "")',
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(
        tmp_path,
        {
            "functions/one.py": "def get(event, context): ...\n",
            "functions/empty.py": "X = 1\n",
            "functions/broken.py": "def get(event, context)\n    return 1\n",
            "tests/handlers.py": "def get(event, context): ...\n",
        },
    )


def test_wrong_props_are_explained(project: Path, snapshot: SnapshotAssertion) -> None:
    said = []
    for name, line in (FUNCTIONS | APIS | TABLES | OTHERS).items():
        with pytest.raises(SkykiteError) as raised:
            build_source(project, PROGRAM.format(line=line))
        shown = {"api: one route written twice": 16, "api: second route of several wrong": 15}.get(name, 10)
        assert f"stacks/app.py:{shown}" in (raised.value.context or ""), name
        said.append(f"--- {name}\n{error_text(raised.value)}")
    assert "\n\n".join(said).replace(str(project), "PROJECT") == snapshot
