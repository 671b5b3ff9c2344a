"""Which environment variables a function may have. In: names and values as a user gave them. Out: nothing, or a
PropProblem. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from skykite.constructs.links import link_variable
from skykite.constructs.props import PropProblem, check_type, shown
from skykite.model.live import STUB_VARIABLE

RESERVED_VARIABLES: Final = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
_OWN_VARIABLES: Final = ("KITE_APP", "KITE_STAGE", STUB_VARIABLE)
_VARIABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
_VARIABLES_LIMIT: Final = 4096  # bytes, names and values as JSON


def check_environment(environment: object) -> None:
    """All of a function's own."""
    check_type("environment", environment, Mapping, "a dict of strings")
    assert isinstance(environment, Mapping)
    for name, value in environment.items():
        check_variable(name, value)
    size = len(json.dumps(dict(environment)).encode())
    if size > _VARIABLES_LIMIT:
        raise PropProblem(
            "environment-too-large",
            f"has environment variables of {size} bytes; Lambda takes {_VARIABLES_LIMIT}",
            hint="keep large values in Parameter Store or in a file beside the handler",
        )


def check_variable(name: object, value: object) -> None:
    """One of them."""
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
        if name in RESERVED_VARIABLES:
            raise _reserved(name)
        raise PropProblem(
            "environment-name",
            f"has an environment variable named {shown(name)}, which Lambda refuses",
            hint="use letters, digits and underscores, starting with a letter, at least two characters",
        )
    if name in RESERVED_VARIABLES:
        raise _reserved(name)
    if name in _OWN_VARIABLES or name.startswith(link_variable("")):
        raise PropProblem(
            "environment-reserved",
            f"sets the environment variable `{name}`, which Skykite sets itself",
            hint="give it another name",
        )
    if not isinstance(value, str):
        raise PropProblem(
            "prop-type",
            f"sets the environment variable `{name}` to {shown(value)}, which is not a string",
            hint=f'write "{value}"' if isinstance(value, int | float) else None,
        )


def _reserved(name: object) -> PropProblem:
    return PropProblem(
        "environment-reserved",
        f"sets the environment variable `{name}`, which Lambda reserves for itself",
        hint="give it another name",
        link="https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html",
    )
