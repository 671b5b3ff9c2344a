"""Whether whoever signed a request may do what it asks for: IAM, evaluated as AWS documents it.

`calls` finds out what a request asks for, `principals` who asks, `policies` and `decision` whether that is allowed,
`denials` answers if not. `authorizer` puts them together.
"""
