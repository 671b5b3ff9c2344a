"""The server's side of WebSockets, as little of it as the tests need. A client that does not mask is an error."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    subscriptions: dict[str, str] = field(default_factory=dict)
    silent: bool = False  # half-open: nothing is read, nothing is written, nothing is said about it

    def send(self, message: dict[str, Any]) -> None:
        if not self.silent:
            self.writer.write(server_frame(1, json.dumps(message).encode()))


def server_frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | opcode, size])
    elif size < 65536:
        head = bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big")
    return head + payload


async def read_message(connection: Connection) -> dict[str, Any] | None:
    """The next text; pings are answered, a close ends it. A silent connection hears nothing."""
    reader = connection.reader
    while True:
        first, second = await reader.readexactly(2)
        assert second & 0x80, "a client has to mask"
        size = second & 127
        if size > 125:
            size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
        mask = await reader.readexactly(4)
        data = await reader.readexactly(size)
        payload = (
            bytes(byte ^ mask[place % 4] for place, byte in enumerate(data)) if size < 4096 else unmask(data, mask)
        )
        if connection.silent:
            continue
        match first & 15:
            case 8:
                connection.writer.write(server_frame(8, payload[:2]))
                return None
            case 9:
                connection.writer.write(server_frame(10, payload))
            case 1:
                return dict(json.loads(payload))


def unmask(data: bytes, mask: bytes) -> bytes:
    repeated = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(data), "big")
