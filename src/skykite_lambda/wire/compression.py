"""Smaller where it pays; never larger than promised on the way back. In and out: bytes. No I/O."""

from __future__ import annotations

import zlib
from typing import Tuple

from .codec import Malformed
from .items import COMPRESSED
from .limits import COMPRESS_FROM, LARGEST_MESSAGE

_SAMPLE = 32 * 1024
_WORTH = 0.9


def compress(data: bytes) -> Tuple[int, bytes]:
    """Flags and bytes. What does not shrink (images, what is compressed already) is left alone after a sample."""
    if len(data) < COMPRESS_FROM:
        return 0, data
    if len(data) > 2 * _SAMPLE:
        middle = len(data) // 2
        sample = data[middle : middle + _SAMPLE]
        if len(zlib.compress(sample, 1)) > _WORTH * len(sample):
            return 0, data
    smaller = zlib.compress(data, 1)
    return (COMPRESSED, smaller) if len(smaller) < _WORTH * len(data) else (0, data)


def decompress(flags: int, data: bytes, largest: int = LARGEST_MESSAGE) -> bytes:
    """Raises `Malformed` for what is no complete stream, or would be larger than `largest`."""
    if not flags & COMPRESSED:
        return data
    stream = zlib.decompressobj()
    try:
        whole = stream.decompress(data, largest + 1)
    except zlib.error:
        raise Malformed from None
    if len(whole) > largest or not stream.eof or stream.unused_data:
        raise Malformed
    return whole
