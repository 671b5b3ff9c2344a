"""A stage that is live, as templates are opened to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kit.stacks import Built
from skykite.aws import Identity
from skykite.live.templates import LiveStage, LiveTemplates, live_templates
from skykite.model.bootstrap import EventApi
from skykite.model.names import AppName, StackName, StageName

ALICE = Identity(account="123456789012", arn="arn:aws:iam::123456789012:user/alice", partition="aws")
STAGE = LiveStage(
    app=AppName("notes"),
    stage=StageName("alice"),
    region="eu-west-1",
    api=EventApi(
        api_id="abc",
        arn="arn:aws:appsync:eu-west-1:123456789012:apis/abc",
        http_host="x.appsync-api.eu-west-1.amazonaws.com",
        realtime_host="x.appsync-realtime-api.eu-west-1.amazonaws.com",
    ),
    developer=ALICE,
)


def opened(built: Built, stage: LiveStage = STAGE) -> LiveTemplates:
    """The templates of an assembly as a live stage is deployed with them."""
    manifest = built.manifest
    templates: Mapping[StackName, Mapping[str, Any]] = {
        entry.name: json.loads((built.directory / entry.template).read_text()) for entry in manifest.stacks
    }
    live = [entry for entry in manifest.functions if entry.live and entry.handler is not None]
    return live_templates(templates, live, stage)
