"""What a frame carries: any number of acknowledgements, segments of messages, and notes.

    1 ACK      message u32, verdict u8 (0: not all of it is here; 1: taken; 2: refused), segments here u64 (a bitmap)
    2 SEGMENT  message u32, part u8, of u8 parts, flags u8 (1: compressed), size u32 of the whole, age u32,
               length u32, data
    3 NOTE     length u32, data: a message that is sent once and not acknowledged
    4 STAMP    epoch u32, moment u64: the dev session that speaks serves the stage, and the moment it speaks at, in
               microseconds of its own; a stub that hears it may grant its next invocation to that session with INVOKE

`age` is how many milliseconds ago the message was first sent, as of this transmission.

In and out: bytes and values. A payload is read as a whole before any of it counts; reading raises `Malformed`. No I/O.
"""

from __future__ import annotations

import struct
from typing import List, NamedTuple, Union

from .codec import Malformed
from .limits import MOST_SEGMENTS

ACK = struct.Struct("!BIBQ")
SEGMENT = struct.Struct("!BIBBBIII")
NOTE = struct.Struct("!BI")
STAMP = struct.Struct("!BIQ")

PARTIAL, TAKEN, REFUSED = range(3)  # verdicts
COMPRESSED = 1


class Ack(NamedTuple):
    message: int
    verdict: int
    here: int


class Segment(NamedTuple):
    message: int
    part: int
    parts: int
    flags: int
    size: int
    age_ms: int
    data: bytes


class Note(NamedTuple):
    data: bytes


class Stamp(NamedTuple):
    epoch: int
    moment: int


Item = Union[Ack, Segment, Note, Stamp]


def pack(item: Item) -> bytes:
    if isinstance(item, Segment):
        message, part, parts, flags, size, age_ms, data = item
        return SEGMENT.pack(2, message, part, parts, flags, size, min(age_ms, 0xFFFFFFFF), len(data)) + data
    if isinstance(item, Ack):
        return ACK.pack(1, *item)
    if isinstance(item, Stamp):
        return STAMP.pack(4, item.epoch & 0xFFFFFFFF, item.moment)
    return NOTE.pack(3, len(item.data)) + item.data


def parse(payload: bytes) -> List[Item]:
    found: List[Item] = []
    position, end = 0, len(payload)
    try:
        while position < end:
            kind = payload[position]
            if kind == 1:
                _, message, verdict, here = ACK.unpack_from(payload, position)
                if verdict > REFUSED:
                    raise Malformed
                found.append(Ack(message, verdict, here))
                position += ACK.size
            elif kind == 2:
                _, message, part, parts, flags, size, age_ms, length = SEGMENT.unpack_from(payload, position)
                position += SEGMENT.size
                data = payload[position : position + length]
                if len(data) != length or not part < parts <= MOST_SEGMENTS or flags > COMPRESSED or length > size:
                    raise Malformed
                found.append(Segment(message, part, parts, flags, size, age_ms, data))
                position += length
            elif kind == 3:
                _, length = NOTE.unpack_from(payload, position)
                position += NOTE.size
                data = payload[position : position + length]
                if len(data) != length:
                    raise Malformed
                found.append(Note(data))
                position += length
            elif kind == 4:
                _, epoch, moment = STAMP.unpack_from(payload, position)
                found.append(Stamp(epoch, moment))
                position += STAMP.size
            else:
                raise Malformed
    except struct.error:
        raise Malformed from None
    return found
