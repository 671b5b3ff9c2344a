"""The Lambda runtime on this machine: invocation by invocation, in worker processes of the project's interpreter."""

from skykite.runtime.debugger import DebuggerEndpoint, detect_debugger, run_outside_debugger
from skykite.runtime.executables import ExecutableLauncher
from skykite.runtime.freshness import Observed
from skykite.runtime.inspector import Inspector
from skykite.runtime.launcher import Launcher
from skykite.runtime.messages import WorkerError
from skykite.runtime.node_choice import NodeChoice
from skykite.runtime.node_starter import NodeStarter, detect_editor
from skykite.runtime.runtime import Runtime
from skykite.runtime.saved import Reloaded

__all__ = [
    "DebuggerEndpoint",
    "ExecutableLauncher",
    "Inspector",
    "Launcher",
    "NodeChoice",
    "NodeStarter",
    "Observed",
    "Reloaded",
    "Runtime",
    "WorkerError",
    "detect_debugger",
    "detect_editor",
    "run_outside_debugger",
]
