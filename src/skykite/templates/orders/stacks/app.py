from skykite import Api, App, Queue, Stack, Table


class OrdersStack(Stack):
    def __init__(self, scope, id, **props):
        super().__init__(scope, id, **props)

        orders = Table(self, "Orders", fields={"id": "string"}, primary_index={"partition_key": "id"})
        defaults = {"function": {"link": [orders], "timeout": 5}}

        failed = Queue(self, "Failed", defaults=defaults, consumer="functions/work.give_up")
        work = Queue(
            self,
            "Work",
            defaults=defaults,
            consumer={"function": "functions/work.charge", "batch_size": 10},
            visibility_timeout=5,
            dead_letter_queue={"queue": failed, "max_receive_count": 2},
        )

        api = Api(
            self,
            "Api",
            defaults=defaults,
            routes={
                "POST /orders": {"handler": "functions/orders.place", "link": [work]},
                "GET /orders/{id}": "functions/orders.get",
            },
        )

        self.add_outputs(ApiEndpoint=api.url)


def main(app: App) -> None:
    OrdersStack(app, "OrdersStack")
