"""The environment variables of a function, as Lambda sets them. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
Of the host's environment only what a process cannot do without comes along.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from skykite.model.invocation import FunctionConfig

_FROM_HOST: Final = frozenset(
    {
        "PATH",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        # Windows
        "COMSPEC",
        "NUMBER_OF_PROCESSORS",
        "PATHEXT",
        "SYSTEMDRIVE",
        "SYSTEMROOT",
        "TEMP",
        "TMP",
        "WINDIR",
    }
)


def process_environment(host: Mapping[str, str], *, interpreter: Path, home: Path) -> dict[str, str]:
    """What any process of ours gets. `home` is an empty folder: a function has no `~/.aws` in the cloud either."""
    kept = {name: value for name, value in host.items() if name.upper() in _FROM_HOST}
    path = host.get("PATH", os.defpath)
    return {
        **kept,
        "PATH": f"{interpreter.parent}{os.pathsep}{path}",
        "HOME": str(home),
        "USERPROFILE": str(home),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
    }


def function_environment(
    config: FunctionConfig, process: Mapping[str, str], *, now: datetime, worker: str
) -> dict[str, str]:
    """Everything the function sees; what it is configured with wins."""
    return {
        **process,
        "AWS_DEFAULT_REGION": config.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": config.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{config.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{now:%Y/%m/%d}/[$LATEST]{worker}",
        "AWS_REGION": config.region,
        "LAMBDA_RUNTIME_DIR": str(Path(__file__).parent),
        "LAMBDA_TASK_ROOT": str(config.task_root or config.import_root),
        "_HANDLER": str(config.handler),
        **config.environment,
    }


def needs_own_start(environment: Mapping[str, str]) -> bool:
    """Whether Python reads some of this when it starts, so that a process already running will not do."""
    return any(name.startswith("PYTHON") and name not in ("PYTHONPATH", "PYTHONUNBUFFERED") for name in environment)
