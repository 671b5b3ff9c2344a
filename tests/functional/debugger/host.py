"""What the runtime does, in little: started under a debugger, it steps aside, then runs each request in a new worker.

Speaks lines of JSON on a port it prints. A request names the interpreter, the file, the function and the event; the
answers are `{"say": "attached"|"suspended"|"resumed"|"result", …}`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from skykite.runtime.debugger import DEBUGGER_VARIABLE, detect_debugger, run_outside_debugger

FACTS = Path(sys.argv[1])
WORKER = Path(__file__).with_name("worker.py")


async def main() -> None:
    debugger = detect_debugger()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = json.loads(await reader.readline())
        request["debugger"] = debugger.encode() if debugger else None
        worker = await asyncio.create_subprocess_exec(
            request["python"], str(WORKER), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps(request).encode())
        worker.stdin.close()
        async for line in worker.stdout:
            writer.write(line)
        writer.write(json.dumps({"say": "exit", "code": await worker.wait()}).encode() + b"\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    if sys.stdin.isatty():
        loop.add_reader(0, lambda: print("host was told:", os.read(0, 1024).decode().strip(), flush=True))
    facts = {
        "port": server.sockets[0].getsockname()[1],
        "pid": os.getpid(),
        "debugger": debugger is not None,
        "traced": "pydevd" in sys.modules or sys.gettrace() is not None,
        "variable": DEBUGGER_VARIABLE in os.environ,
    }
    FACTS.write_text(json.dumps(facts))  # noqa: ASYNC240 - before anything is served
    print("host is ready", flush=True)
    await stop.wait()
    print("host stops cleanly", flush=True)


if __name__ == "__main__":
    run_outside_debugger(sys.argv[1:], program=(sys.executable, __file__))
    asyncio.run(main())
    sys.exit(3)
