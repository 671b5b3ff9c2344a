"""The process that runs the user's program: `python -m skykite.synth.child REPORT`.

In: a `Synthesis` in `KITE_SYNTHESIS`, the project root as working directory. Out: the assembly, a `Report` in the file
named by the argument, and whatever the user's program prints. It leaves by `os._exit`: tearing the kernel down politely
takes longer than a synth.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from skykite.synth.kernel import start_kernel


def main() -> None:
    kernel = start_kernel()
    _watch_parent()

    # Imported while the kernel starts, which takes longer.
    from pathlib import Path

    from skykite.errors import SkykiteError
    from skykite.model.synthesis import SYNTHESIS_VARIABLE, decode_synthesis
    from skykite.synth.kernel import install_kernel
    from skykite.synth.program import missing_module, run_program
    from skykite.synth.recorder import Recorder
    from skykite.synth.report import Report, ReportedError, encode_report

    report = Path(sys.argv[1])
    synthesis = decode_synthesis(os.environ[SYNTHESIS_VARIABLE])
    recorder = Recorder(Path(synthesis.project_root))
    install_kernel(kernel, recorder.note_asset)
    recorder.start()
    error: SkykiteError | None = None
    try:
        run_program(synthesis)
    except SkykiteError as raised:
        error = raised
    else:
        kernel.settle()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    reads = recorder.reads()
    if error is None:
        ended = Report(reads=reads)
    else:
        sought = [str(file) for file in missing_module(error.__cause__, Path(synthesis.project_root))]
        if error.code.startswith("handler-") and recorder.last_handler is not None:
            sought.append(recorder.last_handler)
        ended = Report(reads=reads, error=ReportedError.of(error), sought=tuple(sought))
    report.write_bytes(encode_report(ended))
    kernel.kill()
    os._exit(1 if error is not None else 0)


def _watch_parent() -> None:
    """`kite` holds our stdin and never writes to it: its end is the end of `kite`, however that came about, and then
    of everything started here. The user's program gets an empty one instead."""
    watched = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def wait() -> None:
        while os.read(watched, 1):
            pass
        if sys.platform != "win32" and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


if __name__ == "__main__":
    main()
