"""The module of a deployed Node function, found in its unpacked zip as Lambda finds it. I/O: looks at files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

from skykite.model.built import BuildError, BuildInputs, BuiltSource
from skykite.model.invocation import FunctionConfig

Format = Literal["module", "commonjs"]
_DIALECT: Final[tuple[tuple[str, Format], ...]] = ((".mjs", "module"), (".cjs", "commonjs"))


class DeployedNode:
    """`SourceBuilds` of what was built before it was deployed: nothing is made, and nothing changes.

    https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html
    """

    async def build(self, config: FunctionConfig) -> BuiltSource:
        folder, module = config.import_root, config.handler.path
        script = folder / f"{module}.js"
        if script.is_file():
            format_: Format = "module" if _is_module(script.parent, folder) else "commonjs"
            return BuiltSource(folder=folder, file=f"{module}.js", inputs=BuildInputs(), format=format_)
        for suffix, format_ in _DIALECT:
            if (folder / f"{module}{suffix}").is_file():
                return BuiltSource(folder=folder, file=f"{module}{suffix}", inputs=BuildInputs(), format=format_)
        raise BuildError(
            "Runtime.ImportModuleError",
            f"Error: Cannot find module '{module}'",
            inputs=BuildInputs(),
            context=None,
            hint=f"the zip of the function has no `{module}.js`, `.mjs` or `.cjs`",
        )


def _is_module(folder: Path, root: Path) -> bool:
    """Whether `.js` files there are modules: the nearest `package.json` says so, up to the next `node_modules`."""
    for place in (folder, *folder.parents):
        if place.name == "node_modules":
            return False
        package = place / "package.json"
        if package.is_file():
            try:
                return bool(json.loads(package.read_bytes()).get("type") == "module")
            except (ValueError, AttributeError):
                return False
        if place == root:
            return False
    return False
