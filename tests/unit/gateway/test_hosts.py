"""Names this machine answers to, and names a stranger could point at it."""

from __future__ import annotations

import pytest

from skykite.gateway.hosts import is_allowed
from skykite.gateway.occupant import listening_inodes


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:3000",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:3000",
        "127.1.2.3",
        "[::1]",
        "[::1]:3000",
        "notes.localhost:3000",
        "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
        "A1B2C3D4E5.execute-api.eu-west-1.amazonaws.com:443",
        "a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com.cn",
    ],
)
def test_names_of_this_machine_are_answered(host: str) -> None:
    assert is_allowed(host, "a1b2c3d4e5")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example.com",
        "localhost.evil.example.com",
        "127.0.0.1.evil.example.com",
        "evillocalhost",
        "192.168.1.7",
        "0.0.0.0",
        "[::]",
        "other.execute-api.eu-west-1.amazonaws.com",
        "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com.evil.example.com",
        "a1b2c3d4e5.execute-api.amazonaws.com",
        "a1b2c3d4e5.execute-api.evil.example.com",
        "[::1",
        "127.0.0.1@evil.example.com",
    ],
)
def test_names_a_stranger_can_point_here_are_not(host: str) -> None:
    assert not is_allowed(host, "a1b2c3d4e5")


def test_only_listeners_on_that_very_port_are_found() -> None:
    rows = ("0100007F:0FA0 00000000:0000 0A", "0100007F:0FA0 0100007F:D431 01", "00000000:0FA1 00000000:0000 0A")
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    table = head + "".join(
        f"   {at}: {row} 00000000:00000000 00:00000000 00000000     0        0 {at}11 1 0 100 0 0 10 0\n"
        for at, row in enumerate(rows, 1)
    )
    assert listening_inodes(table, 4000) == {"111"}
