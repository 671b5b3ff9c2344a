"""The Lambda runtime on this machine: invocation by invocation, in worker processes of the project's interpreter."""

from skykite.runtime.debugger import DebuggerEndpoint, detect_debugger, run_outside_debugger
from skykite.runtime.runtime import Runtime
from skykite.runtime.saved import Reloaded

__all__ = ["DebuggerEndpoint", "Reloaded", "Runtime", "detect_debugger", "run_outside_debugger"]
