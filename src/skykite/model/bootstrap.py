"""Names of the one stack per account and region that holds what every app's deploy needs. Pure.

`constructs` writes them into templates, `deploy` creates what they name, `live` talks through it; that they agree is
the whole point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from skykite.errors import SkykiteError

BOOTSTRAP_STACK: Final = "skykite-bootstrap"
BOOTSTRAP_VERSION: Final = 2
BOOTSTRAP_VERSION_OUTPUT: Final = "Version"
BOOTSTRAP_BUCKET: Final = "skykite-bootstrap-${AWS::AccountId}-${AWS::Region}"
"""With CloudFormation's placeholders, as it stands in templates and in the manifest's assets."""

IMAGES_REPOSITORY: Final = "skykite-bootstrap-images"
"""Where container images of functions go; made by the first deploy that has one."""

LIVE_PREFIX: Final = "live/"
"""Where Live keeps its leases and large payloads in the bucket; what lies there is forgotten after a day."""

REQUESTS_NAMESPACE: Final = "kite-requests"
REPLIES_NAMESPACE: Final = "kite-replies"

EVENT_API_GENERATION_OUTPUT: Final = "EventApiGeneration"
"""How many Event APIs the stack has had. One that was deleted outside of CloudFormation comes back under another
logical id only: CloudFormation takes that of the old one for made."""

EVENT_API_ID_OUTPUT: Final = "EventApiId"
EVENT_API_ARN_OUTPUT: Final = "EventApiArn"
EVENT_HTTP_HOST_OUTPUT: Final = "EventHttpHost"
EVENT_REALTIME_HOST_OUTPUT: Final = "EventRealtimeHost"

REGIONS_WITHOUT_EVENT_APIS: Final = frozenset(
    {"ap-east-2", "ap-southeast-6", "mx-central-1", "us-gov-east-1", "us-gov-west-1"}
)
"""Regions with Lambda where CloudFormation knows no `AWS::AppSync::Api`: the stack is made without it there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventApi:
    """The AppSync Event API that Live's messages go through, and its hosts: one to publish at over HTTP, one for
    WebSockets."""

    api_id: str
    arn: str
    http_host: str
    realtime_host: str

    def namespace_arn(self, namespace: str) -> str:
        """The resource that IAM's EventPublish and EventSubscribe are about."""
        return f"{self.arn}/channelNamespace/{namespace}"


def parse_event_api(outputs: Mapping[str, str], *, region: str) -> EventApi:
    """From the outputs of the bootstrap stack. Raises `live-no-event-api` where it has none."""
    try:
        return EventApi(
            api_id=outputs[EVENT_API_ID_OUTPUT],
            arn=outputs[EVENT_API_ARN_OUTPUT],
            http_host=outputs[EVENT_HTTP_HOST_OUTPUT],
            realtime_host=outputs[EVENT_REALTIME_HOST_OUTPUT],
        )
    except KeyError as missing:
        if region in REGIONS_WITHOUT_EVENT_APIS:
            raise SkykiteError(
                "live-no-event-api",
                f"AWS offers no AppSync Event APIs in `{region}`, and Live needs one",
                hint="develop in another region, or with `kite dev --local`",
            ) from None
        raise SkykiteError(
            "live-no-event-api",
            f"the stack `{BOOTSTRAP_STACK}` in `{region}` has no output `{missing.args[0]}`",
            hint="run `kite bootstrap` to bring it up to date",
        ) from None


def bootstrap_bucket(account: str, region: str) -> str:
    """The bucket's real name."""
    return fill_placeholders(BOOTSTRAP_BUCKET, account=account, region=region)


def fill_placeholders(text: str, *, account: str, region: str, partition: str = "aws") -> str:
    """Replace the placeholders that CDK leaves in asset destinations."""
    return (
        text.replace("${AWS::AccountId}", account)
        .replace("${AWS::Region}", region)
        .replace("${AWS::Partition}", partition)
    )
