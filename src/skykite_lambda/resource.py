"""The resources that a function is linked to: `resource.Notes.name` is the name of the table made as `Notes`.

    from skykite_lambda import resource

    table = boto3.resource("dynamodb").Table(resource.Notes.name)

The function's definition says `link=[notes]`; that grants the permissions and sets one variable per resource,
`KITE_RESOURCE_<construct id>`, whose value is a JSON object. A program that is no function gets the same variables from
`kite shell -- python …`. Every public name here is a resource: what is behind it is in `skykite_lambda.linked`.
"""

from typing import List as _List

from skykite_lambda import linked as _linked


def __getattr__(id: str) -> _linked.LinkedResource:
    return _linked.find(id)


def __dir__() -> _List[str]:
    return _linked.names()
