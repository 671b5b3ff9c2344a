from skykite import Api, App, Cron, Stack, Table


class TicksStack(Stack):
    def __init__(self, scope, id, **props):
        super().__init__(scope, id, **props)

        ticks = Table(
            self,
            "Ticks",
            fields={"clock": "string", "time": "string"},
            primary_index={"partition_key": "clock", "sort_key": "time"},
            time_to_live="expires",
        )

        Cron(self, "EveryMinute", schedule="rate(1 minute)", job={"handler": "functions/ticks.tick", "link": [ticks]})

        api = Api(
            self,
            "Api",
            routes={"GET /": {"handler": "functions/ticks.browse", "link": [ticks]}},
        )

        self.add_outputs(ApiEndpoint=api.url)


def main(app: App) -> None:
    TicksStack(app, "TicksStack")
