"""What runs beside a user's handler: in AWS Lambda, or in a worker process on the developer's machine.

Standard library only, Python 3.9 and later; never imports `skykite`.
"""
