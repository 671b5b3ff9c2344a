"""The file that stands between `kite` and an executable where the kernel does not tell of its parent's end.

Run by its path: `python -I guard.py COMMAND...`, with the lifeline as stdin. Starts the command without it, ends with
the command's status, and ends the command, with what it started, when the lifeline closes. Imports nothing of ours.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading


def _watch(child: "subprocess.Popen[bytes]") -> None:
    while os.read(0, 1024):
        pass
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(child.pid)], capture_output=True, check=False)
    else:
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def main() -> int:
    try:
        child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.stderr.write(f"cannot start `{sys.argv[1]}`: {error.strerror}\n")
        return 127
    threading.Thread(target=_watch, args=(child,), daemon=True).start()
    status = child.wait()
    if status < 0:
        with contextlib.suppress(OSError):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main())
