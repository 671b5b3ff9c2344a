from skykite import Api, App, EventBus, Queue, Stack, Table


class ClubStack(Stack):
    def __init__(self, scope, id, **props):
        super().__init__(scope, id, **props)

        members = Table(
            self,
            "Members",
            fields={"id": "string"},
            primary_index={"partition_key": "id"},
            stream="new-image",
        )

        welcome = Queue(self, "Welcome", consumer={"handler": "functions/welcome.send", "link": [members]})

        bus = EventBus(
            self,
            "Bus",
            rules={
                "joined": {
                    "pattern": {"source": ["club"], "detail_type": ["MemberJoined"]},
                    "targets": {"welcome": welcome, "log": "functions/log.write"},
                },
            },
        )

        members.add_consumers(
            {
                "joined": {
                    "function": {"handler": "functions/changes.publish", "link": [bus]},
                    "filters": [{"eventName": ["INSERT"]}],
                },
            }
        )

        api = Api(
            self,
            "Api",
            defaults={"function": {"link": [members]}},
            routes={
                "POST /members": "functions/members.join",
                "GET /members/{id}": "functions/members.get",
            },
        )

        self.add_outputs(ApiEndpoint=api.url)


def main(app: App) -> None:
    ClubStack(app, "ClubStack")
