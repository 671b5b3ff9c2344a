"""Names that AWS refuses for how they are spelled, which MiniStack takes. Pure.

The patterns are those of the services' API references. Names that CloudFormation would choose are never looked at.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from skykite_cloud.resources.rules import Properties, PropertyError


class _Spelling(NamedTuple):
    key: str
    pattern: str
    member: str
    """What the service's own API calls it."""


_FIFO = ".fifo"
_PATTERNS = {
    "AWS::DynamoDB::GlobalTable": _Spelling("TableName", "[a-zA-Z0-9_.-]{3,255}", "tableName"),
    "AWS::DynamoDB::Table": _Spelling("TableName", "[a-zA-Z0-9_.-]{3,255}", "tableName"),
    "AWS::Events::Archive": _Spelling("ArchiveName", "[.\\-_A-Za-z0-9]{1,48}", "archiveName"),
    "AWS::Events::EventBus": _Spelling("Name", "[/.\\-_A-Za-z0-9]{1,256}", "name"),
    "AWS::Events::Rule": _Spelling("Name", "[.\\-_A-Za-z0-9]{1,64}", "name"),
    "AWS::IAM::Role": _Spelling("RoleName", "[\\w+=,.@-]{1,64}", "roleName"),
    "AWS::Kinesis::Stream": _Spelling("Name", "[a-zA-Z0-9_.-]{1,128}", "streamName"),
    "AWS::Logs::LogGroup": _Spelling("LogGroupName", "[.\\-_/#A-Za-z0-9]{1,512}", "logGroupName"),
    "AWS::S3::Bucket": _Spelling("BucketName", "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "bucket"),
    "AWS::SSM::Parameter": _Spelling("Name", "[a-zA-Z0-9_.\\-/]{1,2048}", "name"),
    "AWS::Scheduler::Schedule": _Spelling("Name", "[0-9a-zA-Z-_.]{1,64}", "name"),
    "AWS::SecretsManager::Secret": _Spelling("Name", "[A-Za-z0-9/_+=.@-]{1,512}", "name"),
}
_WORD = re.compile("[A-Za-z0-9_-]+", re.ASCII)


def check_spelling(type_name: str, properties: Properties) -> None:
    """Raises `PropertyError` in the service's words."""
    if type_name == "AWS::SQS::Queue":
        _check_queue(properties)
    elif type_name == "AWS::SNS::Topic":
        _check_topic(properties)
    elif (spelling := _PATTERNS.get(type_name)) is not None:
        name = properties.get(spelling.key)
        if isinstance(name, str) and not re.fullmatch(spelling.pattern, name, re.ASCII):
            raise PropertyError(
                f"1 validation error detected: Value '{name}' at '{spelling.member}' failed to satisfy constraint: "
                f"Member must satisfy regular expression pattern: {spelling.pattern}"
            )


def _check_queue(properties: Properties) -> None:
    name, fifo = properties.get("QueueName"), _is_fifo(properties, "FifoQueue")
    if isinstance(name, str) and not _is_word(name, fifo, longest=80):
        raise PropertyError(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with "
            ".fifo suffix and be 1 to 80 in length."
            if fifo
            else "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )


def _check_topic(properties: Properties) -> None:
    """That a FIFO topic's ends in `.fifo` is a rule of topics."""
    name, fifo = properties.get("TopicName"), _is_fifo(properties, "FifoTopic")
    if isinstance(name, str) and not _is_word(name, fifo and name.endswith(_FIFO), longest=256):
        raise PropertyError("Invalid parameter: Topic Name")


def _is_fifo(properties: Properties, key: str) -> bool:
    return str(properties.get(key)).lower() == "true"


def _is_word(name: str, fifo: bool, *, longest: int) -> bool:
    stem = name.removesuffix(_FIFO) if fifo else name
    return len(name) <= longest and bool(_WORD.fullmatch(stem)) and (stem != name) == fifo
