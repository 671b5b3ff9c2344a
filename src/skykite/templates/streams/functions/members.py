"""The API. It only writes to the table; that something follows from it is not its concern."""

import base64
import json
import uuid

import boto3
from skykite_lambda import resource

table = boto3.resource("dynamodb").Table(resource.Members.name)


def join(event, context):
    """`POST /members` with `{"name": "Ada"}`."""
    try:
        body = read_json(event)
    except ValueError:
        return answer(400, {"message": "the body is not JSON"})
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(name, str) or not name.strip():
        return answer(400, {"message": "a member has a `name`"})
    member = {"id": str(uuid.uuid4()), "name": name, "welcomed": False}
    table.put_item(Item=member)
    return answer(201, member)


def get(event, context):
    """`GET /members/{id}`: the member, and whether they were welcomed."""
    wanted = event["pathParameters"]["id"]
    member = table.get_item(Key={"id": wanted}).get("Item")
    if member is None:
        return answer(404, {"message": f"there is no member `{wanted}`"})
    return answer(200, member)


def read_json(event):
    """API Gateway sends bodies it takes for binary, such as form data, as base64."""
    body = event.get("body") or ""
    return json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)


def answer(status, document):
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(document),
    }
