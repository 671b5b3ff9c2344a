"""The bridge: every invocation of a live function in the cloud runs on this machine, and its outcome goes back.

`bridge` drives the wire's dev machine and an `Invoker`; `transport` says what it needs of a network, `appsync` and
`memory` are two; `lease` says who serves a stage, `key` what its messages are authenticated by, `payloads` carries what
is too large for messages. `package` is what functions in the cloud are deployed with.
"""
