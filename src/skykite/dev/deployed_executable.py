"""The executable of a deployed function, in its unpacked zip. I/O: looks for it."""

from __future__ import annotations

from skykite.model.built import BuildError, BuildInputs, BuiltSource
from skykite.model.executable import BOOTSTRAP
from skykite.model.invocation import FunctionConfig


class DeployedExecutable:
    """`SourceBuilds` of what was built before it was deployed: nothing is made, and nothing changes. It was built for
    Lambda, which may be another machine than this."""

    async def build(self, config: FunctionConfig) -> BuiltSource:
        if (config.import_root / BOOTSTRAP).is_file():
            return BuiltSource(folder=config.import_root, file=BOOTSTRAP, inputs=BuildInputs())
        raise BuildError(
            "Runtime.InvalidEntrypoint",
            "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
            inputs=BuildInputs(),
            context=None,
            hint=f"the zip of the function has no `{BOOTSTRAP}` at its top",
        )
