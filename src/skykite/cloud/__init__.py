"""The embedded cloud seen from outside: make its environment, start it, stop it, and take its invocations.

The cloud itself is MiniStack in a child process (`skykite_cloud`), bound to loopback, in a virtual environment of its
own. This room starts and watches that process, hands its Lambda invocations to an `Invoker`, and knows its address.
"""

from skykite.cloud.address import CloudAddress, cloud_environment, cloud_owner, is_cloud_held, read_address
from skykite.cloud.codestore import CodeStore
from skykite.cloud.deployed import DeployedFunction, DeployedInvoker, FetchCode, Layer
from skykite.cloud.environment import ensure_environment, ensure_function_environment
from skykite.cloud.handoff import HandoffServer
from skykite.cloud.process import Denied, EmbeddedCloud, own_session
from skykite.cloud.registry import uv_environment
from skykite.cloud.urls import translate_urls

__all__ = [
    "CloudAddress",
    "CodeStore",
    "Denied",
    "DeployedFunction",
    "DeployedInvoker",
    "EmbeddedCloud",
    "FetchCode",
    "HandoffServer",
    "Layer",
    "cloud_environment",
    "cloud_owner",
    "ensure_environment",
    "ensure_function_environment",
    "is_cloud_held",
    "own_session",
    "read_address",
    "translate_urls",
    "uv_environment",
]
