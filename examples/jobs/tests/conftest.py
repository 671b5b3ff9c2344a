import json
import os

os.environ["KITE_RESOURCE_Jobs"] = json.dumps({"type": "Queue", "url": "https://sqs.test/jobs"})
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
