"""The front door of `--local`: HTTP APIs on loopback, exactly as API Gateway serves them, into an `Invoker`."""

from skykite.gateway.api import ServedApi
from skykite.gateway.connection import Limits
from skykite.gateway.door import check_port
from skykite.gateway.gateway import Gateway

__all__ = ["Gateway", "Limits", "ServedApi", "check_port"]
