"""`kite dev` in Live: the place is AWS, or the embedded cloud as if it were AWS; invocations come over the bridge.

In: an assembly. Out: stubs deployed, and what they pass on run here under the functions' roles. I/O: CloudFormation,
Lambda, STS, SSM and S3 of that cloud through its session; the bridge's connection.

The bridge is up before a deployment begins, since a deployment may call functions it has only just made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from skykite.cloud import translate_urls
from skykite.dev.clouds import CloudOfLive
from skykite.dev.configure import deployed_part, live_functions, resource_names
from skykite.dev.freshness import GatedInvoker
from skykite.dev.functions import DevFunctions
from skykite.dev.place import DevMode, Served, Surroundings
from skykite.errors import SkykiteError
from skykite.live.bridge import Bridge
from skykite.live.credentials import DeveloperCredentials, FunctionRole, RoleCredentials
from skykite.live.keeper import CredentialedInvoker, CredentialKeeper
from skykite.live.opening import open_bridge
from skykite.live.sessionpolicy import session_policy
from skykite.live.templates import LiveStage, live_template
from skykite.model.bootstrap import EventApi, bootstrap_bucket
from skykite.model.events import Endpoint, Notice
from skykite.model.invocation import Invocation, Outcome
from skykite.model.manifest import FunctionEntry, Manifest, StackEntry
from skykite.model.names import FunctionId

if TYPE_CHECKING:
    from pathlib import Path

    from skykite.aws import AwsSession, Identity
    from skykite.deploy import Deployed, Deployer
