from functions.hello import handler


def test_hello_tells_the_time():
    response = handler({"requestContext": {"time": "12/Mar/2026:19:03:58 +0000"}}, None)

    assert response == {
        "statusCode": 200,
        "headers": {"content-type": "text/plain"},
        "body": "Hello, World! The time in Lambda is 12/Mar/2026:19:03:58 +0000.",
    }
