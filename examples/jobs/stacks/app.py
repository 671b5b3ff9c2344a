from aws_cdk import Duration
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from aws_cdk.aws_sqs import Queue
from skykite import Api, App, Function, Stack


class JobsStack(Stack):
    def __init__(self, scope, id, **props):
        super().__init__(scope, id, **props)

        # A queue of the CDK's own: any CDK construct stands beside Skykite's ...
        queue = Queue(self, "Jobs", visibility_timeout=Duration.seconds(60))

        # ... can be linked: the function reads its URL as `resource.Jobs.url`, and may send to it ...
        api = Api(self, "Api", routes={"POST /jobs": {"handler": "functions/jobs.submit", "link": [queue]}})

        # ... and takes what Skykite's constructs hand out as `.cdk`.
        worker = Function(self, "Worker", "functions/jobs.work", timeout=30)
        worker.cdk.function.add_event_source(SqsEventSource(queue, batch_size=5))

        self.add_outputs(ApiEndpoint=api.url, QueueUrl=queue.queue_url)


def main(app: App) -> None:
    JobsStack(app, "JobsStack")
