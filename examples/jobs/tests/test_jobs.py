import json

from functions import jobs


class MemoryQueue:
    """The part of SQS that `submit` uses."""

    def __init__(self):
        self.messages = []

    def send_message(self, *, QueueUrl, MessageBody):
        self.messages.append((QueueUrl, MessageBody))


def test_a_submitted_job_is_queued_and_can_be_done(monkeypatch, capsys):
    queue = MemoryQueue()
    monkeypatch.setattr(jobs, "queue", queue)

    response = jobs.submit({"body": "count these words"}, None)
    job = json.loads(response["body"])["id"]
    [(url, message)] = queue.messages
    assert url == "https://sqs.test/jobs"

    jobs.work({"Records": [{"body": message}]}, None)
    assert capsys.readouterr().out == f"queued {job}\ndid {job}: 3 words\n"
