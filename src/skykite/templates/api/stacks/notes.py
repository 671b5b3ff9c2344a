from skykite import Api, Stack, Table


class NotesStack(Stack):
    def __init__(self, scope, id, **props):
        super().__init__(scope, id, **props)

        notes = Table(self, "Notes", fields={"id": "string"}, primary_index={"partition_key": "id"})

        api = Api(
            self,
            "Api",
            defaults={"function": {"link": [notes]}},
            routes={
                "GET /notes": "functions/notes.browse",
                "POST /notes": "functions/notes.create",
                "GET /notes/{id}": "functions/notes.get",
            },
        )

        self.add_outputs(ApiEndpoint=api.url)
