from skykite import Api, App, Bucket, Stack, Table


class PicturesStack(Stack):
    def __init__(self, scope, id, **props):
        super().__init__(scope, id, **props)

        pictures = Table(self, "Pictures", fields={"id": "string"}, primary_index={"partition_key": "id"})

        files = Bucket(self, "Files")
        files.add_notifications(
            {
                "uploaded": {
                    "function": {
                        "handler": "functions/thumbnails.make",
                        "link": [files, pictures],
                        "memory_size": 1769,  # MB; a whole processor
                        "timeout": 30,
                    },
                    "events": ["object_created"],
                    "filters": [{"prefix": "uploads/"}],
                },
            }
        )

        api = Api(
            self,
            "Api",
            defaults={"function": {"link": [files, pictures]}},
            routes={
                "POST /pictures": "functions/pictures.begin",
                "GET /pictures/{id}": "functions/pictures.get",
            },
        )

        self.add_outputs(ApiEndpoint=api.url)


def main(app: App) -> None:
    PicturesStack(app, "PicturesStack")
