"""What the bootstrap stack's outputs say."""

from __future__ import annotations

import pytest

from skykite.errors import SkykiteError
from skykite.model.bootstrap import EventApi, parse_event_api

OUTPUTS = {
    "Version": "2",
    "EventApiId": "abc",
    "EventApiArn": "arn:aws:appsync:eu-west-1:000000000000:apis/abc",
    "EventHttpHost": "xyz.appsync-api.eu-west-1.amazonaws.com",
    "EventRealtimeHost": "xyz.appsync-realtime-api.eu-west-1.amazonaws.com",
}


def test_the_outputs_name_the_event_api() -> None:
    api = parse_event_api(OUTPUTS, region="eu-west-1")

    assert api == EventApi(
        api_id="abc",
        arn="arn:aws:appsync:eu-west-1:000000000000:apis/abc",
        http_host="xyz.appsync-api.eu-west-1.amazonaws.com",
        realtime_host="xyz.appsync-realtime-api.eu-west-1.amazonaws.com",
    )
    assert api.namespace_arn("kite-requests") == (
        "arn:aws:appsync:eu-west-1:000000000000:apis/abc/channelNamespace/kite-requests"
    )


@pytest.mark.parametrize("missing", sorted(set(OUTPUTS) - {"Version"}))
def test_a_stack_without_one_of_them_is_to_be_brought_up_to_date(missing: str) -> None:
    with pytest.raises(SkykiteError) as raised:
        parse_event_api({key: value for key, value in OUTPUTS.items() if key != missing}, region="eu-west-1")

    assert raised.value.code == "live-no-event-api"
    assert raised.value.message == f"the stack `skykite-bootstrap` in `eu-west-1` has no output `{missing}`"
    assert raised.value.hint == "run `kite bootstrap` to bring it up to date"


def test_a_region_without_event_apis_is_named() -> None:
    with pytest.raises(SkykiteError) as raised:
        parse_event_api({"Version": "2"}, region="mx-central-1")

    assert raised.value.message == "AWS offers no AppSync Event APIs in `mx-central-1`, and Live needs one"
    assert raised.value.hint == "develop in another region, or with `kite dev --local`"
