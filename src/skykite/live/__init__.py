"""The bridge: every invocation of a live function in the cloud runs on this machine."""
