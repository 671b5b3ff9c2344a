"""Lambda's Runtime API for executables: HTTP on loopback on one side, `skykite_lambda.frames` on the other.

In: one worker process that speaks the Runtime API. Out: the socket that the runtime knows workers by, so that pool,
time, logs and reports are the same for all kinds of functions. I/O: a listener per worker, on 127.0.0.1.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from skykite.runtime.runtime_api.endpoint import Endpoint

__all__ = ["Endpoint"]
