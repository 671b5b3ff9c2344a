import json

import pytest
from functions import changes, members, welcome


def join(name):
    return read(members.join({"body": json.dumps({"name": name})}, None))


def read(response):
    return json.loads(response["body"])


def joined(*people):
    """What the table's stream says of them."""
    images = [{"id": {"S": person["id"]}, "name": {"S": person["name"]}} for person in people]
    return {"Records": [{"eventName": "INSERT", "dynamodb": {"NewImage": image}} for image in images]}


def test_who_joins_is_welcomed(bus):
    ada = join("Ada")
    assert ada["welcomed"] is False

    changes.publish(joined(ada), None)
    [entry] = bus.entries
    assert (entry["EventBusName"], entry["DetailType"]) == ("bus-in-tests", "MemberJoined")
    welcome.send({"Records": [{"body": json.dumps({"detail": json.loads(entry["Detail"])})}]}, None)

    assert read(members.get({"pathParameters": {"id": ada["id"]}}, None))["welcomed"] is True


def test_many_at_once_are_told_in_several_calls(bus):
    changes.publish(joined(*({"id": str(n), "name": "Ada"} for n in range(25))), None)
    assert [json.loads(entry["Detail"])["id"] for entry in bus.entries] == [str(n) for n in range(25)]


def test_what_the_bus_does_not_take_is_tried_again(bus):
    bus.failing = 1
    with pytest.raises(RuntimeError):
        changes.publish(joined({"id": "1", "name": "Ada"}), None)


@pytest.mark.parametrize("body", [None, "{", "[]", "{}", '{"name": " "}', '{"name": 1}'])
def test_who_has_no_name_is_a_400_and_not_kept(body, table):
    assert members.join({"body": body}, None)["statusCode"] == 400
    assert table.items == {}


def test_a_member_who_is_not_there_is_a_404():
    assert members.get({"pathParameters": {"id": "nope"}}, None)["statusCode"] == 404
