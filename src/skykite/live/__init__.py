"""The bridge: invocations come from the cloud, run on this machine, and their outcomes go back.

`bridge` drives the wire's dev machine and an `Invoker`; `transport` says what it needs of a network, `appsync` and
`memory` are two; `lease` says who serves a stage, `key` what its messages are authenticated by, `payloads` carries what
is too large for messages.
"""
