"""AppSync Events as AWS serves them: publishing over HTTP and WebSocket, and subscribing.

MiniStack manages Event APIs (`management` mends what it leaves out); their data plane is here, because MiniStack takes
every signature on trust, and because a bridged invocation crosses it several times.
"""
