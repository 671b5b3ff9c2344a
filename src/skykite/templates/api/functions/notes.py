"""The Notes API: one function per route, one table."""

import base64
import json
import uuid
from datetime import datetime, timezone

import boto3
from skykite_lambda import resource

table = boto3.resource("dynamodb").Table(resource.Notes.name)

PAGE = 25
LONGEST = 10_000


def browse(event, context):
    """`GET /notes`: a page of notes; `next` is what to pass as `?after=` for the one behind it."""
    after = (event.get("queryStringParameters") or {}).get("after")
    page = table.scan(Limit=PAGE, ExclusiveStartKey={"id": after}) if after else table.scan(Limit=PAGE)
    last = page.get("LastEvaluatedKey")
    return answer(200, {"notes": page["Items"], "next": last["id"] if last else None})


def create(event, context):
    """`POST /notes` with `{"text": "..."}`."""
    try:
        body = read_json(event)
    except ValueError:
        return answer(400, {"message": "the body is not JSON"})
    text = body.get("text") if isinstance(body, dict) else None
    if not isinstance(text, str) or not text.strip():
        return answer(400, {"message": "`text` must be a string that says something"})
    if len(text) > LONGEST:
        return answer(400, {"message": f"`text` is longer than {LONGEST} characters"})
    note = {"id": str(uuid.uuid4()), "text": text, "created": datetime.now(timezone.utc).isoformat()}
    table.put_item(Item=note)
    print(f"created note {note['id']}")
    return answer(201, note)


def get(event, context):
    """`GET /notes/{id}`."""
    wanted = event["pathParameters"]["id"]
    note = table.get_item(Key={"id": wanted}).get("Item")
    if note is None:
        return answer(404, {"message": f"there is no note `{wanted}`"})
    return answer(200, note)


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
