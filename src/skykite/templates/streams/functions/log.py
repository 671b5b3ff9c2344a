"""Another target of the same rule."""


def write(event, context):
    print(f"{event['time']} {event['detail-type']}: {event['detail']['name']}")
