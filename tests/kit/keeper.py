"""A keeper for tests, on a thread with a loop of its own, and boto3 against its cloud."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from kit.embedded_cloud import ACCOUNT, REGION, RealClock, RealIds, Recorder, empty_zip, make_mighty
from skykite.cloud import CloudAddress
from skykite.dev.keeper import Keeper, KeptApi

Result = TypeVar("Result")


class RunningKeeper:
    """`client("lambda")` is boto3 against it; `recorder` hears what it says of itself, `invocations` of functions."""

    def __init__(self, directory: Path, *, max_workers: int = 16) -> None:
        self.directory = directory
        self.recorder = Recorder()
        self.invocations = Recorder()
        self.address: CloudAddress | None = None
        self._max_workers = max_workers
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.keeper = self.run(self._make())

    async def _make(self) -> Keeper:
        return Keeper(
            directory=self.directory,
            region=REGION,
            events=self.recorder,
            invocations=self.invocations,
            clock=RealClock(),
            ids=RealIds(),
            max_workers=self._max_workers,
        )

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def start(self) -> RunningKeeper:
        self.address = self.run(self.keeper.start())
        return self

    def stop(self) -> None:
        self.run(self.keeper.stop())
        self.keeper = self.run(self._make())

    def close(self) -> None:
        self.run(self.keeper.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def client(self, service: str, **options: Any) -> Any:
        assert self.address is not None
        given = {
            "endpoint_url": self.address.url,
            "aws_access_key_id": self.address.access_key_id,
            "aws_secret_access_key": self.address.secret_access_key,
            "region_name": REGION,
            "config": Config(
                retries={"max_attempts": 0},
                s3={"addressing_style": "path"},
                read_timeout=60,
                max_pool_connections=200,
            ),
        }
        return boto3.client(service, **{**given, **options})

    def role(self, name: str) -> str:
        """It may do everything."""
        make_mighty(self, name)
        return f"arn:aws:iam::{ACCOUNT}:role/{name}"

    def function(self, name: str, source: str, **options: Any) -> str:
        """A function whose code is `index.py`. Returns its ARN."""
        given = {
            "FunctionName": name,
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "Role": options.get("Role") or self.role("any"),
            "Code": {"ZipFile": empty_zip(index__py=source)},
            "Timeout": 20,
        }
        arn: str = self.client("lambda").create_function(**{**given, **options})["FunctionArn"]
        return arn

    def invoke(self, name: str, event: Any = None, **options: Any) -> Any:
        """What the function returned; an assertion if it failed."""
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), **options)
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def failure(self, name: str, event: Any = None) -> Any:
        """The function's error document."""
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        assert "FunctionError" in answer
        return json.loads(answer["Payload"].read())

    def apis(self) -> tuple[KeptApi, ...]:
        return self.run(self.keeper.apis())
