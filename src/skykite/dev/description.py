"""What a Python says of itself, as JSON. In: nothing. Out: its version, where its packages are, and the variables of
environment markers (https://peps.python.org/pep-0508/#environment-markers). No I/O but that.

Imported for `kite`'s own interpreter and run as a script by any other: standard library only, Python 3.9 and later.
"""

from __future__ import annotations

import os
import platform
import sys
from typing import Any


def describe() -> dict[str, Any]:
    """As `interpreter.Interpreter` takes it."""
    minor, version = "%d.%d" % sys.version_info[:2], platform.python_version()  # noqa: UP031
    return {
        "runtime": f"python{minor}",
        "folders": [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")],  # noqa: PTH119
        "variables": {
            "implementation_name": sys.implementation.name,
            "implementation_version": version,
            "os_name": os.name,
            "platform_machine": platform.machine(),
            "platform_python_implementation": platform.python_implementation(),
            "platform_release": platform.release(),
            "platform_system": platform.system(),
            "platform_version": platform.version(),
            "python_full_version": version,
            "python_version": minor,
            "sys_platform": sys.platform,
        },
    }


if __name__ == "__main__":
    import json

    print(json.dumps(describe()))  # noqa: T201
