from __future__ import annotations

import pytest

from skykite.cloud import translate_urls

HOST = "https://abc123.execute-api.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HOST, "http://127.0.0.1:3000"),
        (f"{HOST}/", "http://127.0.0.1:3000/"),
        (f"{HOST}/notes/1?a=b", "http://127.0.0.1:3000/notes/1?a=b"),
        (f"see {HOST}/a and {HOST}/b", "see http://127.0.0.1:3000/a and http://127.0.0.1:3000/b"),
        ("wss://abc123.execute-api.cn-north-1.amazonaws.com.cn/x", "http://127.0.0.1:3000/x"),
        ("https://other.execute-api.eu-west-1.amazonaws.com/", "https://other.execute-api.eu-west-1.amazonaws.com/"),
        ("arn:aws:execute-api:eu-west-1:000000000000:abc123/*", "arn:aws:execute-api:eu-west-1:000000000000:abc123/*"),
        ("", ""),
    ],
)
def test_the_url_of_a_served_api_becomes_local_and_nothing_else_changes(text: str, expected: str) -> None:
    assert translate_urls(text, {"abc123": "http://127.0.0.1:3000/"}) == expected
