def handler(event, context):
    time = event["requestContext"]["time"]
    return {
        "statusCode": 200,
        "headers": {"content-type": "text/plain"},
        "body": f"Hello, World! The time in Lambda is {time}.",
    }
