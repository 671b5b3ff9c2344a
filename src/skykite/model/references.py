"""What the expressions in an app's templates point to, within a stack and across stacks, and what it is called.

In: every template of the app, by stack. Out: resources, and texts as far as they are known before a deploy. Pure.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from skykite.model.names import ConstructPath, LogicalId, StackName

_SUBSTITUTED: Final = re.compile(r"\$\{([^!}][^}]*)\}")
_KEPT: Final = re.compile(r"\$\{!([^}]*)\}")
_PLUMBING_IDS: Final = ("Resource", "Default")  # CDK hides these parts of a path, too
_FUNCTION_NAME: Final = re.compile(r"(?:.*:function:)?([A-Za-z0-9_-]+)(?::[A-Za-z0-9$_-]+)?(?:/invocations)?")
_FUNCTION: Final = "AWS::Lambda::Function"
_POINTERS: Final = ("AWS::Lambda::Alias", "AWS::Lambda::Version")  # to a function
_PASSING_ON: Final = ("Fn::Join", "Fn::Select", "Fn::Split")  # whatever is in their arguments is in their value


class Address(NamedTuple):
    """A resource of the app."""

    stack: StackName
    logical_id: LogicalId


class Expression(NamedTuple):
    """A value of a template, with the stack that its names belong to."""

    stack: StackName
    value: object


class Templates:
    """The templates of an app together."""

    def __init__(self, templates: Mapping[StackName, Mapping[str, Any]]) -> None:
        self._templates = templates
        self._exports = {
            self.text(Expression(stack, output["Export"]["Name"])): Expression(stack, output.get("Value"))
            for stack, template in templates.items()
            for output in template.get("Outputs", {}).values()
            if "Name" in output.get("Export", {})
        }
        self._function_names = {
            name: address
            for address, resource in self.of_type(_FUNCTION)
            if (name := self.literal(Expression(address.stack, resource.get("Properties", {}).get("FunctionName"))))
        }

    def of_type(self, type: str) -> Iterator[tuple[Address, Mapping[str, Any]]]:
        """The resources of a type, stack by stack, in the order of the templates."""
        for stack, template in self._templates.items():
            for logical_id, resource in template.get("Resources", {}).items():
                if resource["Type"] == type:
                    yield Address(stack, LogicalId(logical_id)), resource

    def resource(self, address: Address) -> Mapping[str, Any]:
        """As its template has it."""
        found: Mapping[str, Any] = self._templates[address.stack]["Resources"][address.logical_id]
        return found

    def targets(self, expression: Expression, _through: frozenset[str] = frozenset()) -> Iterator[Address]:
        """The resources of the app that a value is made of, in the order they stand in it. `_through` are the
        outputs on the way here: templates that import from each other in a circle are CloudFormation's to refuse."""
        stack, value = expression
        match value:
            case list():
                for item in value:
                    yield from self.targets(Expression(stack, item), _through)
            case {"Ref": name}:
                yield from self._named(stack, name)
            case {"Fn::GetAtt": [name, *_]}:
                yield from self._named(stack, name)
            case {"Fn::GetAtt": str(text)}:
                yield from self._named(stack, text.partition(".")[0])
            case {"Fn::Sub": str(text)}:
                yield from self._substituted(stack, text, {}, _through)
            case {"Fn::Sub": [str(text), dict(variables)]}:
                yield from self._substituted(stack, text, variables, _through)
            case {"Fn::ImportValue": imported}:
                name = self.text(Expression(stack, imported))
                if name in self._exports and name not in _through:
                    yield from self.targets(self._exports[name], _through | {name})
            case {"Fn::GetStackOutput": {"StackName": other, "OutputName": str(output)}}:
                name = self.text(Expression(stack, other))
                outputs = self._templates.get(StackName(name), {}).get("Outputs", {})
                if output in outputs and (step := f"{name}.{output}") not in _through:
                    value_there = Expression(StackName(name), outputs[output].get("Value"))
                    yield from self.targets(value_there, _through | {step})
            case dict():
                for function in _PASSING_ON:
                    yield from self.targets(Expression(stack, value.get(function)), _through)

    def functions(self, expression: Expression, _through: frozenset[Address] = frozenset()) -> Iterator[Address]:
        """The Lambda functions that a name, an ARN or an invoke ARN is about, behind aliases and versions."""
        for address in self.targets(expression):
            resource = self.resource(address)
            if resource["Type"] == _FUNCTION:
                yield address
            elif resource["Type"] in _POINTERS and address not in _through:
                name = Expression(address.stack, resource.get("Properties", {}).get("FunctionName"))
                yield from self.functions(name, _through | {address})
        named = _FUNCTION_NAME.fullmatch(self.text(expression))
        if named and named[1] in self._function_names:
            yield self._function_names[named[1]]

    def text(self, expression: Expression) -> str:
        """A value as text. What only a deploy will tell stands in it as `${…}`, the same for the same thing."""
        stack, value = expression
        match value:
            case str():
                return value
            case {"Ref": "AWS::StackName"}:
                return stack
            case {"Ref": str(name)}:
                parameter = self._templates[stack].get("Parameters", {}).get(name, {})
                if parameter.get("Type") == "String" and isinstance(parameter.get("Default"), str):
                    return str(parameter["Default"])
                return f"${{{name}}}" if name.startswith("AWS::") else f"${{{stack}.{name}}}"
            case {"Fn::Join": [str(separator), list(items)]}:
                return separator.join(self.text(Expression(stack, item)) for item in items)
            case {"Fn::Sub": str(text)}:
                return self._substitute(stack, text, {})
            case {"Fn::Sub": [str(text), dict(variables)]}:
                return self._substitute(stack, text, variables)
            case _:
                return "${?}"

    def literal(self, expression: Expression) -> str | None:
        """A text that is known in full, else None."""
        text = self.text(expression)
        return None if "${" in text else text

    def _named(self, stack: StackName, name: object) -> Iterator[Address]:
        if isinstance(name, str) and name in self._templates[stack].get("Resources", {}):
            yield Address(stack, LogicalId(name))

    def _substituted(
        self, stack: StackName, text: str, variables: Mapping[str, object], through: frozenset[str]
    ) -> Iterator[Address]:
        for name in _SUBSTITUTED.findall(text):
            if name in variables:
                yield from self.targets(Expression(stack, variables[name]), through)
            else:
                yield from self._named(stack, name.partition(".")[0])

    def _substitute(self, stack: StackName, text: str, variables: Mapping[str, object]) -> str:
        def replace(match: re.Match[str]) -> str:
            name = match[1]
            return self.text(Expression(stack, variables.get(name, {"Ref": name})))

        return _KEPT.sub(r"${\1}", _SUBSTITUTED.sub(replace, text))


def path_of_resource(resource: Mapping[str, Any]) -> ConstructPath:
    """A resource's construct path without the parts that CDK adds: `NotesStack/Api`, not `NotesStack/Api/Resource`."""
    path = str(resource.get("Metadata", {}).get("aws:cdk:path", ""))
    return ConstructPath("/".join(part for part in path.split("/") if part not in _PLUMBING_IDS))
