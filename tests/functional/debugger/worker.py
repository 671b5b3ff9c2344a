"""One worker: attaches, imports the user's file, calls its function, tells what happens. Python 3.9 and later."""

import importlib
import json
import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "src"))
debugging = importlib.import_module("skykite_lambda.debugging")
del sys.path[0]


def say(what, **more):
    os.write(1, json.dumps({"say": what, "thread": threading.current_thread().name, **more}).encode() + b"\n")


request = json.loads(sys.stdin.read())
environment = dict(os.environ)
reason = None
if request["debugger"]:
    reason = debugging.attach(request["debugger"], lambda: say("suspended"), lambda: say("resumed"), request["limit"])
changed = sorted(set(os.environ.items()) ^ set(environment.items()))
say("attached", pid=os.getpid(), reason=reason, debugged="pydevd" in sys.modules, changed=changed)
sys.path.insert(0, str(Path(request["file"]).parent))
module = importlib.import_module(Path(request["file"]).stem)
try:
    say("result", value=getattr(module, request["function"])(request["event"], None))
except Exception as error:  # noqa: BLE001 - whatever user code raises
    say("result", error=repr(error))
