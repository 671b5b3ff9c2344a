"""A worker never outlives who runs it: the lifeline is a pipe nobody writes to, and its end is the worker's.

On Linux the kernel itself kills the worker's whole process group when the pipe's other end closes, whatever the user's
code is doing; elsewhere a thread watches. I/O: the descriptor it is given.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys


def hold(descriptor: int) -> None:
    """From now on, end this process group when the other end of `descriptor` closes."""
    os.set_inheritable(descriptor, False)
    if sys.platform == "linux":
        import fcntl
        import select

        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)
        ended = select.poll()
        ended.register(descriptor, 0)
        if ended.poll(0):  # it closed before the kernel was asked to tell
            os._exit(1)
    else:
        _thread.start_new_thread(_watch, (descriptor,))


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 1024):
        pass
    if sys.platform != "win32":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
