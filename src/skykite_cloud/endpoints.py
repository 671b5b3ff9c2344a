"""URLs as AWS writes them, independent of the port this cloud has today.

MiniStack puts its own host and port into what it hands out, and keys its queues by it. Templates, environments and
saved state would then go stale with the port. AWS's own form stays true: clients reach the cloud through
AWS_ENDPOINT_URL, which they set apart from it, and Skykite translates what it shows to people.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import get_region

from skykite_cloud.seams import when_imported


def install(port: int) -> None:
    """Replace MiniStack's URL makers. Before any state is restored."""

    def custom_resources_call(custom_resource: Any) -> None:
        custom_resource._HOST = "127.0.0.1"  # `localhost` may be ::1 first, where nobody listens
        custom_resource._PORT = str(port)

    when_imported("ministack.services.sqs", _name_queues)
    when_imported("ministack.services.apigateway", _name_apis)
    when_imported("ministack.services.cloudformation.custom_resource", custom_resources_call)


def queue_url(account: str, name: str) -> str:
    """`https://sqs.eu-west-1.amazonaws.com/000000000000/orders`."""
    return f"https://sqs.{get_region()}.amazonaws.com/{account}/{name}"


def api_endpoint(api_id: str, protocol: str) -> str:
    """`https://a1b2c3d4.execute-api.eu-west-1.amazonaws.com`."""
    scheme = "wss" if protocol == "WEBSOCKET" else "https"
    return f"{scheme}://{api_id}.execute-api.{get_region()}.amazonaws.com"


def _name_queues(sqs: Any) -> None:
    sqs._queue_url_for_account = queue_url  # `_queue_url` goes through it
    sqs._HOST_EXPLICIT = True  # nothing is to be rewritten to what the caller used


def _name_apis(apigateway: Any) -> None:
    create = apigateway._create_api

    def create_api(data: dict[str, Any]) -> Any:
        known = set(apigateway._apis)
        answer = create(data)
        for api_id in set(apigateway._apis) - known:
            api = apigateway._apis[api_id]
            api["apiEndpoint"] = api_endpoint(api_id, api["protocolType"])
            return apigateway._apigw_response(api, 201)
        return answer

    apigateway._create_api = create_api
