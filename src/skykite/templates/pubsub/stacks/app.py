from skykite import Api, App, Stack, Table, Topic


class ShopStack(Stack):
    def __init__(self, scope, id, **props):
        super().__init__(scope, id, **props)

        orders = Table(self, "Orders", fields={"id": "string"}, primary_index={"partition_key": "id"})

        placed = Topic(
            self,
            "OrderPlaced",
            defaults={"function": {"link": [orders]}},
            subscribers={
                "receipt": "functions/receipt.send",
                "stock": "functions/stock.reserve",
                "shipping": "functions/shipping.plan",
            },
        )

        api = Api(
            self,
            "Api",
            defaults={"function": {"link": [orders]}},
            routes={
                "POST /orders": {"handler": "functions/orders.place", "link": [placed]},
                "GET /orders/{id}": "functions/orders.get",
            },
        )

        self.add_outputs(ApiEndpoint=api.url)


def main(app: App) -> None:
    ShopStack(app, "ShopStack")
