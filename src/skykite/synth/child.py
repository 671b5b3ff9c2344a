"""The process that runs the user's program: `python -m skykite.synth.child [MEMORY [--ahead]]`.

In: a `Synthesis` in `KITE_SYNTHESIS`, the project root as working directory, and an `Order` as a line of its input.
Out: the assembly, a `Report` in the file that the order names, and whatever the user's program prints; its output ends
when all of that is there. It leaves by `os._exit`: tearing down politely takes longer than a synth.

With the folder MEMORY it writes down there what the program imported. With `--ahead` it imports what is written there
before it waits for its order: it is a spare then, for one run like any other process of this kind, only warm. If what
it has imported is no longer what there is, it leaves with `STALE` and does nothing.
"""

from __future__ import annotations

import importlib
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skykite.synth.kernel import start_kernel

if TYPE_CHECKING:
    from skykite.model.synthesis import Synthesis
    from skykite.synth.kernel import Kernel
    from skykite.synth.recorder import Recorder
    from skykite.synth.report import Report

STALE: Final = 75
_LOST_KERNEL: Final = 70


def main() -> None:
    memory = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    ahead = "--ahead" in sys.argv[2:]
    kernel = start_kernel(memory, waits=ahead)
    lines = _watch_parent(kernel)

    # Imported while the kernel starts, which takes longer.
    from skykite.model.synthesis import SYNTHESIS_VARIABLE, decode_synthesis
    from skykite.synth.kernel import install_kernel
    from skykite.synth.recorder import Recorder
    from skykite.synth.report import decode_order, encode_report
    from skykite.synth.warmth import import_ahead, learn

    root = Path(decode_synthesis(os.environ[SYNTHESIS_VARIABLE]).project_root)
    recorder = Recorder(root)
    install_kernel(kernel, recorder.note_asset)
    recorder.start()
    imported = None
    if memory is not None and ahead:
        imported = import_ahead(memory, root)
        _come_to_rest()
    order = decode_order(lines.get())
    if imported is not None and not (imported.holds() and os.path.samefile(root, ".")):  # noqa: PTH121
        kernel.leave()
        os._exit(STALE)
    importlib.invalidate_caches()
    os.environ[SYNTHESIS_VARIABLE] = order.synthesis
    report = _run(decode_synthesis(order.synthesis), kernel, recorder)
    kernel.hear_out()
    if kernel.lost:
        os._exit(_LOST_KERNEL)
    fresh = Path(f"{order.report}.tmp")
    fresh.write_bytes(encode_report(report))
    fresh.replace(order.report)
    _end_output()  # nobody waits any longer
    if memory is not None:
        learn(memory, root)
    kernel.leave()
    os._exit(1 if report.error is not None else 0)


def _run(synthesis: Synthesis, kernel: Kernel, recorder: Recorder) -> Report:
    from skykite.errors import SkykiteError
    from skykite.synth.program import missing_module, run_program
    from skykite.synth.report import Report, ReportedError

    try:
        run_program(synthesis)
    except SkykiteError as error:
        sought = [str(file) for file in missing_module(error.__cause__, Path(synthesis.project_root))]
        if error.code.startswith("handler-") and recorder.last_handler is not None:
            sought.append(recorder.last_handler)
        return Report(reads=recorder.reads(), error=ReportedError.of(error), sought=tuple(sought))
    else:
        kernel.settle()
        return Report(reads=recorder.reads())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _come_to_rest() -> None:
    """Have the kernel finish what it was told to load, and give back the memory that loading took."""
    import ctypes
    import gc

    import jsii

    importlib.import_module("skykite.synth.program")
    for _ in range(2):  # Node does its loading between two requests
        jsii.kernel.stats()
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library
        if trim is not None:
            trim(0)


def _end_output() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)


def _watch_parent(kernel: Kernel) -> queue.SimpleQueue[bytes]:
    """`kite` holds our stdin and writes one line to it: that comes out of the queue. Its end is the end of `kite`,
    however that came about, and then of everything started here. The user's program gets an empty one instead."""
    watched = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def wait() -> None:
        ordered = False
        with os.fdopen(watched, "rb") as stream:
            for line in stream:
                ordered = True
                lines.put(line)
        if not ordered:
            kernel.leave()  # nobody else has anything to say to it
        if sys.platform != "win32" and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
    return lines


if __name__ == "__main__":
    main()
