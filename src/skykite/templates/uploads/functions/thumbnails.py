"""Told by the bucket of every upload; makes it small."""

import io
from urllib.parse import unquote_plus

from PIL import Image, UnidentifiedImageError

from functions import store

LARGEST = (160, 160)
Image.MAX_IMAGE_PIXELS = 50_000_000  # a small file can hold a picture that takes all the memory


def make(event, context):
    for record in event["Records"]:
        key = unquote_plus(record["s3"]["object"]["key"])
        picture = key.rpartition("/")[2]
        try:
            data, size = thumbnail(store.read(key))
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as error:
            print(f"{key} is refused: {error}")
            store.note(picture, status="refused")
            continue
        store.write_thumbnail(picture, data)
        store.note(picture, status="ready", width=size[0], height=size[1])
        print(f"{key}: {size[0]} × {size[1]}")


def thumbnail(data):
    """A PNG, and its size in pixels."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.thumbnail(LARGEST)
        small = io.BytesIO()
        picture.convert("RGBA").save(small, "PNG")
        return small.getvalue(), picture.size
