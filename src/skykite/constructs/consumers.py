"""What runs when something happens: a route, a message, an event, a schedule. One way for all constructs.

In: what a user gave (a handler, a dict of `Function`'s arguments with its `handler`, a `Function`, a CDK Lambda
function) and the construct's defaults. Out: a function. I/O: what making a `Function` takes.

Constructs that have consumers keep to this:

- they make them with `make_function`, inside `with self._checking():`; where consumers are a dict, inside
  `with keys.at(name), self._checking():` of a `given_keys.GivenKeys`, so that errors show the line of the key;
- they take `defaults={"function": {…}}`, read by `read_defaults`;
- options of a consumer stand beside it in a dict, `{"function": …, "batch_size": 5}`, taken apart by `split_consumer`;
- what exists already comes in by the one prop `existing`: an ARN as a string, or the CDK object
  (`Queue(self, "Orders", existing="arn:aws:sqs:…")`). Props that would configure a new resource are refused beside it;
- `get_function(name)` gives back what the user sees, and `.cdk` the CDK objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from skykite.constructs.base import SkykiteConstruct
from skykite.constructs.function import Function
from skykite.constructs.function_props import merge_function_props
from skykite.constructs.links import has_attribute
from skykite.constructs.program import Source, program_of
from skykite.constructs.props import (
    Consumer,
    ConsumerFunctionProps,
    FunctionDefaults,
    FunctionProps,
    PropProblem,
    check_known,
    check_type,
    listed,
    shown,
)

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

_ANSWERS: Final[Mapping[Source, str]] = {
    "request": "answers a request",
    "batch": "says which records of a batch failed",
    "event": "answers nobody",
}


def make_function(
    scope: SkykiteConstruct,
    id: str,
    given: object,
    defaults: Mapping[str, Any],
    *,
    within: str,
    source: Source,
    also: str = "",
) -> Function | lambda_.IFunction:
    """A child of `scope` for a handler or a dict, anything else as it is. `within` says which prop it is of:
    `subscribers["receipt"]`; `also` what else it takes. Raises PropProblem, and SkykiteError for what is wrong with the
    function itself."""
    if isinstance(given, str):
        own: Mapping[str, Any] = {"handler": given}
    elif isinstance(given, Mapping):
        check_known(given, tuple(ConsumerFunctionProps.__annotations__), within=within)
        own = given
    elif isinstance(given, Function):
        _check_shared(scope, program_of(scope).functions[given.path].handler, within, source)
        return given
    elif has_attribute(given, "function_arn"):
        return cast("lambda_.IFunction", given)
    else:
        raise PropProblem(
            "not-a-function",
            f"was given {within}={shown(given)}, which is not a function",
            hint=f"give a handler, a dict of function props, a `Function` or a CDK Lambda function{also}",
        )
    _check_shared(scope, own.get("handler"), within, source)
    change = f"change {within} to " if isinstance(given, str) else "set handler="
    return _ConsumerFunction(scope, id, change, merge_function_props(defaults, own))


def split_consumer(
    given: object, options: Sequence[str], *, within: str, whats: Sequence[str] = ("function",)
) -> tuple[str, object, Mapping[str, Any]]:
    """What takes the events, under which of `whats`, and the options beside it: of a dict that has one of `whats`, as
    in `{"function": …, "batch_size": 5}`; anything else is the function itself, or the queue. Raises PropProblem."""
    if not isinstance(given, Mapping):
        return whats[0], given, {}
    if "handler" in given:
        for name in given:
            if name in options and name not in ConsumerFunctionProps.__annotations__:
                raise PropProblem(
                    "prop-misplaced",
                    f"has {name} beside `handler` in {within}",
                    hint=f'{name} is not the function\'s: write {{"function": {{"handler": …}}, "{name}": …}}',
                )
        return whats[0], given, {}
    check_known(given, (*whats, *options), within=within)
    named = [what for what in whats if given.get(what) is not None]
    if len(named) != 1:
        raise PropProblem(
            "prop-missing" if not named else "prop-contradiction",
            f"has {'none' if not named else 'more than one'} of {listed(whats)} in {within}"
            if len(whats) > 1
            else f"has no `{whats[0]}` in {within}",
            hint=f'add "{whats[0]}": "path/to/file.function"' if not named else "keep one of them",
        )
    return named[0], given[named[0]], {name: value for name, value in given.items() if name not in whats}


def cdk_function(function: Function | lambda_.IFunction) -> lambda_.IFunction:
    """The CDK object of what `make_function` gave: what is to be invoked."""
    return function.cdk_target if isinstance(function, Function) else function


def timeout_of(function: Function | lambda_.IFunction) -> int | None:
    """Seconds; None of an imported function, which only a deploy could ask."""
    if isinstance(function, Function):
        return program_of(function).functions[function.path].timeout_s
    if not has_attribute(function, "timeout"):
        return None
    timeout = cast("Any", function).timeout
    return 3 if timeout is None else int(timeout.to_seconds())  # Lambda's default


def read_defaults(given: object) -> Mapping[str, Any]:
    """What `defaults={"function": {…}}` says of functions. Raises PropProblem."""
    if given is None:
        return {}
    check_type("defaults", given, Mapping, "a dict")
    defaults = cast("Mapping[str, Any]", given)
    check_known(defaults, tuple(FunctionDefaults.__annotations__), within="`defaults`")
    function = defaults.get("function", {})
    check_type('defaults["function"]', function, Mapping, "a dict")
    check_known(function, tuple(FunctionProps.__annotations__), within='`defaults["function"]`')
    return cast("Mapping[str, Any]", function)


def _check_shared(scope: SkykiteConstruct, handler: object, within: str, source: Source) -> None:
    """One handler cannot answer what means different things: a partial failure told to a topic is a success."""
    if not isinstance(handler, str):
        return
    other, title = program_of(scope).sources.setdefault(handler, (source, scope.title))
    if other != source:
        raise PropProblem(
            "handler-shared",
            f"has `{handler}` for {within}, where it {_ANSWERS[source]}, and {title} has it too, where it "
            f"{_ANSWERS[other]}",
            hint="what it returns means something else to each: write a handler for each, and let both call what they "
            "share. A CDK function (`function.cdk.function`) is not checked",
        )


class _ConsumerFunction(Function):
    """Made by another construct: what is wrong with it is to be changed where the other's prop stands."""

    def __init__(self, scope: SkykiteConstruct, id: str, change: str, props: Any) -> None:
        self._change_handler = change
        super().__init__(scope, id, **props)


__all__ = ["Consumer", "Source", "cdk_function", "make_function", "read_defaults", "split_consumer", "timeout_of"]
