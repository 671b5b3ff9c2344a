"""From a manifest and what was deployed to what runs here. Pure, but for finding an interpreter (stat)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from skykite.aws import FunctionState
from skykite.model.invocation import FunctionConfig, parse_handler
from skykite.model.manifest import FunctionEntry, Manifest
from skykite.model.names import FunctionId


def live_functions(manifest: Manifest) -> tuple[FunctionEntry, ...]:
    """The functions that run on this machine: ours, and not opted out."""
    return tuple(entry for entry in manifest.functions if entry.live and entry.handler is not None)


def configure_functions(
    manifest: Manifest,
    states: Mapping[FunctionId, FunctionState],
    *,
    project_root: Path,
    credentials: Mapping[str, str],
    translate: Callable[[str], str],
) -> tuple[FunctionConfig, ...]:
    """One `FunctionConfig` per live function, with the environment it was deployed with.

    `credentials` stands in for what Lambda takes from the role: region, keys, and the endpoint of the embedded cloud.
    `translate` turns URLs that only exist in the cloud into local ones.
    """
    configs = []
    for entry in live_functions(manifest):
        state = states[entry.id]
        assert entry.handler is not None
        import_root = project_root / (entry.import_root or ".")
        handler = parse_handler(entry.handler)
        inside = (project_root / handler.path).relative_to(import_root).as_posix()
        environment = {name: translate(value) for name, value in state.environment.items()}
        configs.append(
            FunctionConfig(
                id=entry.id,
                name=state.name,
                arn=state.arn,
                handler=parse_handler(f"{inside}.{handler.function}"),
                import_root=import_root,
                project_root=project_root,
                runtime=entry.runtime,
                memory_mb=entry.memory_mb,
                timeout_s=float(entry.timeout_s),
                environment={**credentials, **environment},
                region=manifest.region,
                source=str(entry.location) if entry.location else None,
            )
        )
    return tuple(configs)


def find_interpreter(project_root: Path, environment: Mapping[str, str]) -> Path:
    """The project's own Python: `.venv` in the project, else the active virtual environment, else ours."""
    candidates = [project_root / ".venv"]
    if active := environment.get("VIRTUAL_ENV"):
        candidates.append(Path(active))
    for venv in candidates:
        python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        if python.exists():
            return python
    return Path(sys.executable)
