"""Refuse templates that CloudFormation refuses before it makes anything: references to nothing, capabilities not given.

MiniStack lets an undefined reference through as a string, and asks for capabilities only where it checks permissions.
Change sets see when a reference is to something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from skykite_cloud.seams import when_imported

Template = dict[str, Any]
_UNRECOGNIZED = "Unrecognized resource types"
_VARIABLE = re.compile(r"\$\{([^!][^}]*)\}")


def install() -> None:
    """Add the checks where MiniStack validates templates."""
    when_imported("ministack.services.cloudformation", _add_checks)
    when_imported("ministack.services.cloudformation.changesets", _see_other_references)


def refuse_undefined_references(template: Template) -> None:
    """Raises ValueError with AWS's words for a Ref, Fn::GetAtt, Fn::Sub or DependsOn that names nothing."""
    resources = template.get("Resources") or {}
    known = set(resources) | set(template.get("Parameters") or {})
    for block in ("Resources", "Outputs"):
        missing: set[str] = set()
        for part in (template.get(block) or {}).values():
            if not isinstance(part, dict):
                continue
            depends = part.get("DependsOn") or []
            missing |= set([depends] if isinstance(depends, str) else depends) - set(resources)
            for target, attribute in _references(part):
                if target in known or target.startswith("AWS::"):
                    continue
                if attribute and block == "Resources":
                    raise ValueError(f"Template error: instance of Fn::GetAtt references undefined resource {target}")
                missing.add(target)
        if missing:
            raise ValueError(
                f"Template format error: Unresolved resource dependencies [{', '.join(sorted(missing))}] "
                f"in the {block} block of the template"
            )


def _references(value: Any) -> Iterator[tuple[str, str]]:
    """Names that `value` refers to, each with the attribute it wants, empty for a Ref."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for key, argument in value.items():
            if key == "Ref" and isinstance(argument, str):
                yield argument, ""
            elif key == "Fn::GetAtt":
                yield from _attribute(argument)
            elif key == "Fn::Sub":
                yield from _variables(argument)
            else:
                yield from _references(argument)


def _attribute(argument: Any) -> Iterator[tuple[str, str]]:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if isinstance(parts, list) and len(parts) > 1 and isinstance(parts[0], str):
        yield parts[0], str(parts[1])


def _variables(argument: Any) -> Iterator[tuple[str, str]]:
    text, given = argument if isinstance(argument, list) and len(argument) > 1 else (argument, {})
    for variable in _VARIABLE.findall(str(text)):
        name = variable.partition(".")[0]
        if name not in given:
            yield name, ""
    yield from _references(list(given.values()))


def with_references_named(template: Template) -> Template:
    """A template in which each Fn::GetAtt of one of its resources is a text that names both. For comparisons."""
    resources = template.get("Resources") or {}

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(item) for item in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Fn::GetAtt"}:
            ((target, attribute),) = [*_attribute(value["Fn::GetAtt"])] or [("", "")]
            if target in resources:
                return f"<{target}.{attribute}>"
        return {key: named(item) for key, item in value.items()}

    return {**template, "Resources": named(resources)}


def _see_other_references(changesets: Any) -> None:
    """MiniStack's change sets take every attribute of a resource for the same, so that a consumer which is moved from
    one queue to another is no change."""
    resolve = changesets._resolve_props_for_diff

    def resolving(template: Template, *arguments: Any, **options: Any) -> Any:
        return resolve(with_references_named(template), *arguments, **options)

    changesets._resolve_props_for_diff = resolving


def _add_checks(cloudformation: ModuleType) -> None:
    cloudformation.handlers._capabilities_enforced = lambda: True
    for module in (cloudformation.changesets, cloudformation.handlers):
        validate = module.validate_template_support

        def checked(template: Template, *arguments: Any, validate: Any = validate, **options: Any) -> Any:
            refuse_undefined_references(template)
            try:
                return validate(template, *arguments, **options)
            except ValueError as error:
                if _UNRECOGNIZED in str(error):
                    raise ValueError(f"{error}: the embedded cloud does not have them") from error
                raise

        module.validate_template_support = checked
