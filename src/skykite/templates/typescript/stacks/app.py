from skykite import Api, App, Stack


class HelloStack(Stack):
    def __init__(self, scope, id, **props):
        super().__init__(scope, id, **props)

        api = Api(self, "Api", routes={"GET /": "src/lambda.handler"})

        self.add_outputs(ApiEndpoint=api.url)


def main(app: App) -> None:
    HelloStack(app, "HelloStack")
