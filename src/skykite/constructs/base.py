"""What `Function`, `Api` and `Table` have in common: a place in the tree, the program, and errors that name both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from constructs import Construct

from skykite.constructs.blame import refuse
from skykite.constructs.program import Program, program_of
from skykite.constructs.props import PropProblem
from skykite.errors import SkykiteError
from skykite.model.names import ConstructPath


class SkykiteConstruct(Construct):
    """A construct that knows its path (`path`) without asking the kernel, and its program."""

    def __init__(self, scope: Construct, id: str, *, kind: str) -> None:
        if not hasattr(scope, "node"):
            raise refuse(
                "construct-scope",
                f"a {kind} was given the scope `{scope!r}`, which is not a construct",
                hint=f'make it inside a stack: {type(self).__name__}(self, "{id}", …)',
            )
        if not isinstance(id, str) or not id:
            raise refuse("construct-id", f"a {kind} was given the id `{id!r}`, which is not a non-empty string")
        self._kite_program = program_of(scope)
        with construct_errors(lambda: f"{kind} `{scope.node.path}/{id}`", self._kite_program):
            super().__init__(scope, id)
        self.path = path_of(self)
        self._kite_program.remember_line(self.path)
        self._kind = kind

    @property
    def title(self) -> str:
        """How errors call it: ``table `NotesStack/Notes```."""
        return f"{self._kind} `{self.path}`"

    @contextmanager
    def _checking(self) -> Iterator[None]:
        """Turn what is wrong with a prop into an error that names this construct and the user's line."""
        try:
            with construct_errors(lambda: self.title, self._kite_program):
                yield
        except PropProblem as problem:
            raise self.refuse(
                problem.code, f"{self.title} {problem.message}", hint=problem.hint, link=problem.link
            ) from None

    def refuse(self, code: str, message: str, *, hint: str | None = None, link: str | None = None) -> SkykiteError:
        return refuse(code, message, hint=hint, link=link, root=self._kite_program.root, place=self._kite_program.place)


def path_of(construct: Any) -> ConstructPath:
    return ConstructPath(construct.node.path)


@contextmanager
def construct_errors(title: Callable[[], str], program: Program) -> Iterator[None]:
    """jsii's errors carry a JavaScript stack and no line of the user's; say both things better."""
    try:
        yield
    except RuntimeError as error:
        if type(error).__module__.partition(".")[0] not in ("builtins", "jsii"):
            raise
        text = str(error).strip()
        if "There is already a Construct with name" in text:
            raise refuse(
                "construct-exists",
                f"{title()} is made twice: its scope already holds a construct of that id",
                hint="give one of them another id",
                root=program.root,
                place=program.place,
            ) from None
        raise refuse("cdk-error", f"{title()}: {text}", root=program.root, place=program.place) from error
