"""What is said about routes and APIs that are not served on this machine."""

from __future__ import annotations

from skykite.dev.unserved import unserved_notices
from skykite.model.events import Notice
from skykite.model.manifest import HttpApiEntry, Manifest, UnservedApi, UnservedRoute
from skykite.model.names import AppName, ConstructPath, LogicalId, StackName, StageName


def test_an_unserved_route_or_api_is_not_mentioned_or_floods_the_terminal() -> None:
    routes = [UnservedRoute(key=f"GET /{name}", reason="it asks for a JSON web token") for name in "abcde"]
    manifest = Manifest(
        version=1,
        app=AppName("notes"),
        stage=StageName("alice"),
        region="eu-west-1",
        mode="local",
        stacks=(),
        http_apis=(
            HttpApiEntry(
                path=ConstructPath("Web/Api"),
                stack=StackName("web"),
                logical_id=LogicalId("Api"),
                name="api",
                unserved=(*routes, UnservedRoute(key="$default", reason="it passes requests into a VPC")),
            ),
        ),
        unserved_apis=(UnservedApi(path=ConstructPath("Web/Chat"), reason="it is a WebSocket API"),),
    )
    once_deployed = "it runs as it should once deployed: `kite deploy`"
    assert unserved_notices(manifest) == (
        Notice(
            notice="route-unserved",
            message="`GET /a`, `GET /b`, `GET /c` and 2 more of `Web/Api` are answered with 501 on this machine: "
            "it asks for a JSON web token",
            hint=once_deployed,
        ),
        Notice(
            notice="route-unserved",
            message="`$default` of `Web/Api` is answered with 501 on this machine: it passes requests into a VPC",
            hint=once_deployed,
        ),
        Notice(
            notice="api-unserved",
            message="`Web/Chat` is not served on this machine: it is a WebSocket API",
            hint=f"`kite dev --local` serves HTTP APIs; {once_deployed}",
        ),
    )
