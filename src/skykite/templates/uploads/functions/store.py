"""Where pictures are kept, and what is known of them."""

import boto3
from skykite_lambda import resource

s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(resource.Pictures.name)

BUCKET = resource.Files.name
LINKS_LAST = 15 * 60  # seconds


def upload_link(picture):
    return link("put_object", f"uploads/{picture}")


def thumbnail_link(picture):
    return link("get_object", f"thumbnails/{picture}.png")


def link(operation, key):
    """Whoever has it may do this one thing, for a while."""
    return s3.generate_presigned_url(operation, Params={"Bucket": BUCKET, "Key": key}, ExpiresIn=LINKS_LAST)


def read(key):
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def write_thumbnail(picture, data):
    s3.put_object(Bucket=BUCKET, Key=f"thumbnails/{picture}.png", Body=data, ContentType="image/png")


def note(picture, **facts):
    table.put_item(Item={"id": picture, **facts})


def find(picture):
    return table.get_item(Key={"id": picture}).get("Item")
