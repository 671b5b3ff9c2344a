import base64
import json

import pytest
from functions import notes


def create(body):
    return notes.create({"body": body}, None)


def read(response):
    return json.loads(response["body"])


def test_a_created_note_can_be_read_again():
    created = create(json.dumps({"text": "buy milk"}))
    assert created["statusCode"] == 201
    note = read(created)
    assert note["text"] == "buy milk"

    found = notes.get({"pathParameters": {"id": note["id"]}}, None)
    assert found["statusCode"] == 200
    assert read(found) == note


def test_a_body_sent_as_base64_is_understood():
    body = base64.b64encode(b'{"text": "buy milk"}').decode()
    response = notes.create({"body": body, "isBase64Encoded": True}, None)
    assert response["statusCode"] == 201


def test_a_note_that_is_not_there_is_a_404():
    response = notes.get({"pathParameters": {"id": "nope"}}, None)
    assert response["statusCode"] == 404
    assert read(response) == {"message": "there is no note `nope`"}


TOO_LONG = json.dumps({"text": "x" * (notes.LONGEST + 1)})


@pytest.mark.parametrize("body", [None, "", "{", "[]", "{}", '{"text": 1}', '{"text": " "}', TOO_LONG])
def test_a_note_without_a_sensible_text_is_a_400_and_not_kept(body, table):
    assert create(body)["statusCode"] == 400
    assert table.items == {}


def test_notes_come_in_pages():
    ids = [read(create(json.dumps({"text": str(n)})))["id"] for n in range(notes.PAGE + 1)]

    first = read(notes.browse({}, None))
    assert [note["id"] for note in first["notes"]] == ids[: notes.PAGE]

    second = read(notes.browse({"queryStringParameters": {"after": first["next"]}}, None))
    assert [note["id"] for note in second["notes"]] == ids[notes.PAGE :]
    assert second["next"] is None
