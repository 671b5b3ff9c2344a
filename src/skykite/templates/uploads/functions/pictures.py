"""The API: a link to upload to, and what became of it. The picture itself never passes through a function."""

import json
import uuid

from functions import store


def begin(event, context):
    """`POST /pictures`: an id, and where to `PUT` the picture."""
    picture = str(uuid.uuid4())
    store.note(picture, status="awaited")
    return answer(201, {"id": picture, "upload": store.upload_link(picture)})


def get(event, context):
    """`GET /pictures/{id}`: `awaited`, `ready` with a link to the thumbnail, or `refused`."""
    wanted = event["pathParameters"]["id"]
    picture = store.find(wanted)
    if picture is None:
        return answer(404, {"message": f"there is no picture `{wanted}`"})
    if picture["status"] == "ready":
        picture["thumbnail"] = store.thumbnail_link(wanted)
    return answer(200, picture)


def answer(status, document):
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(document, default=int),  # DynamoDB's numbers are Decimals
    }
