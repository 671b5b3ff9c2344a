"""The stub: what stands in for a live function in AWS and has each invocation run on the developer's machine.

Standard library only, Python 3.9 and later. Together with `skykite_lambda.wire` it is shipped under another top-level
name (`kite_stub`), so that a `skykite_lambda` that is already imported cannot stand in its way: relative imports only.
"""
