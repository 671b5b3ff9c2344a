import io
import json

from functions import pictures, thumbnails
from PIL import Image


def read(response):
    return json.loads(response["body"])


def picture(*size):
    data = io.BytesIO()
    Image.new("RGB", size, "orange").save(data, "JPEG")
    return data.getvalue()


def upload(bucket, id, data):
    """What the bucket does when somebody has used the link."""
    bucket.objects[f"uploads/{id}"] = data
    thumbnails.make({"Records": [{"s3": {"object": {"key": f"uploads/{id}"}}}]}, None)
    return read(pictures.get({"pathParameters": {"id": id}}, None))


def test_a_picture_becomes_a_thumbnail(bucket):
    begun = read(pictures.begin({}, None))
    assert begun["upload"] == f"https://files-in-tests/uploads/{begun['id']}?put_object"

    found = upload(bucket, begun["id"], picture(1600, 800))

    assert (found["status"], found["width"], found["height"]) == ("ready", 160, 80)
    with Image.open(io.BytesIO(bucket.objects[f"thumbnails/{begun['id']}.png"])) as small:
        assert (small.format, small.size) == ("PNG", (160, 80))
    assert found["thumbnail"].endswith(f"thumbnails/{begun['id']}.png?get_object")


def test_what_is_no_picture_is_refused(bucket):
    begun = read(pictures.begin({}, None))

    assert upload(bucket, begun["id"], b"not a picture")["status"] == "refused"
    assert list(bucket.objects) == [f"uploads/{begun['id']}"]


def test_half_a_picture_is_refused(bucket):
    begun = read(pictures.begin({}, None))
    whole = picture(1600, 800)

    assert upload(bucket, begun["id"], whole[: len(whole) // 2])["status"] == "refused"


def test_a_picture_nobody_has_begun_is_a_404():
    assert pictures.get({"pathParameters": {"id": "nope"}}, None)["statusCode"] == 404
