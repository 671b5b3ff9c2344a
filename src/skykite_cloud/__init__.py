"""The embedded cloud's own process: MiniStack with its seams replaced. Never imports `skykite`.

Runs by path (`python …/skykite_cloud`) in an environment that holds MiniStack and nothing of Skykite's. What replaces
what: `executor` the Lambda executor, `cloudformation` the handlers of resource types, `endpoints` the host names,
`snapshots` the persistence, `guard` the door.
"""
