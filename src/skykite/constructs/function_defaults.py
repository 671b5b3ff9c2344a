"""What all functions of an app or a stack are made with: `app.set_default_function_props(...)` and what adds to it.

In: props as a user gave them. Out: they are kept on the program, by the path of the stack, empty for the app. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack

from skykite.constructs.blame import refuse
from skykite.constructs.function_props import merge_function_props, read_function_props
from skykite.constructs.links import link_variables
from skykite.constructs.permissions import check_permission
from skykite.constructs.props import FunctionProps, PropProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs import IConstruct

    from skykite.constructs.program import Program


class GivesFunctionDefaults:
    """A part of `App` and `Stack`."""

    _kite_program: Program

    @property
    def _defaults_place(self) -> tuple[str, str]:
        """The path that functions' paths begin with, and how errors call this."""
        path = str(self.node.path)  # type: ignore[attr-defined]
        return path, f"stack `{path}`" if path else "`App`"

    def set_default_function_props(self, **props: Unpack[FunctionProps]) -> None:
        """What all functions in here are made with, unless they say otherwise: what `Function` takes but the handler.

        `environment` merges, `permissions` and `link` add up, anything else of a function's own replaces the default; a
        stack's defaults do the same to the app's. Call it before functions are made in here; `add_default_…` add to it
        at any time.

        ```python
        app.set_default_function_props(runtime="python3.12", memory_size=512, tracing="active")
        ```
        """
        path, title = self._defaults_place
        program = self._kite_program
        made = next((one for one in program.functions if not path or one.startswith(f"{path}/")), None)
        if made is not None:
            raise refuse(
                "defaults-too-late",
                f"{title} is given default function props after the function `{made}` was made, which does not have "
                "them",
                hint="call it before functions are made; `add_default_environment`, `add_default_permissions` and "
                "`add_default_link` can be called later, for functions to come",
                root=program.root,
            )
        self._add_defaults(dict(props), replace=True)

    def add_default_environment(self, environment: Mapping[str, str]) -> None:
        """Variables of all functions that are made in here from now on."""
        self._add_defaults({"environment": dict(environment) if isinstance(environment, Mapping) else environment})

    def add_default_permissions(self, *permissions: Any) -> None:
        """Permissions of all functions that are made in here from now on; takes what `permissions` takes."""
        everything = permissions == ("*",)
        self._add_defaults({"permissions": "*" if everything else list(permissions)})

    def add_default_link(self, *resources: IConstruct) -> None:
        """Resources that are linked to all functions that are made in here from now on."""
        self._add_defaults({"link": list(resources)})

    def _add_defaults(self, props: dict[str, Any], *, replace: bool = False) -> None:
        path, title = self._defaults_place
        with _blaming(title, self._kite_program):
            settings = read_function_props(props)
            link_variables(settings.link)
            for permission in settings.permissions:
                check_permission(permission)
        known = {} if replace else self._kite_program.defaults.get(path, {})
        self._kite_program.defaults[path] = merge_function_props(known, props)


@contextmanager
def _blaming(title: str, program: Program) -> Iterator[None]:
    try:
        yield
    except PropProblem as problem:
        raise refuse(
            problem.code,
            f"{title} {problem.message}, as a default of its functions",
            hint=problem.hint,
            link=problem.link,
            root=program.root,
        ) from None
