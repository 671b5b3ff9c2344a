"""Policy documents of templates, as short as can be compared whole."""

from __future__ import annotations

from typing import Any

from kit.stacks import Built


def role_policies(built: Built, stack: str = "NotesStack") -> dict[str, list[dict[str, Any]]]:
    """The statements of each role's policies, by the construct path of the policy; `Effect: Allow` is left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for policy in built.resources("AWS::IAM::Policy", stack):
        found[policy["Metadata"]["aws:cdk:path"]] = _statements(policy)
    return found


def resource_policy(built: Built, type: str, path: str, stack: str = "NotesStack") -> list[dict[str, Any]]:
    """The statements of the policy of a queue or a topic, at a construct path."""
    (policy,) = (one for one in built.resources(type, stack) if one["Metadata"]["aws:cdk:path"] == path)
    return _statements(policy)


def logical_id(built: Built, path: str, stack: str = "NotesStack") -> str:
    """Of the resource at a construct path."""
    resources = built.template(stack)["Resources"]
    (found,) = (name for name, one in resources.items() if one["Metadata"]["aws:cdk:path"] == path)
    return str(found)


def arn_of(built: Built, path: str, stack: str = "NotesStack") -> dict[str, Any]:
    """How a template says the ARN of what is at a construct path."""
    return {"Fn::GetAtt": [logical_id(built, path, stack), "Arn"]}


def ref_to(built: Built, path: str, stack: str = "NotesStack") -> dict[str, Any]:
    return {"Ref": logical_id(built, path, stack)}


def _statements(policy: dict[str, Any]) -> list[dict[str, Any]]:
    document = policy["Properties"]["PolicyDocument"]
    assert document["Version"] == "2012-10-17"
    return [
        {key: value for key, value in statement.items() if (key, value) != ("Effect", "Allow") and key != "Sid"}
        for statement in document["Statement"]
    ]
