"""What a function prints and logs, on its way out.

Descriptors 1 and 2 are one pipe, so what was written first is read first, whoever wrote it: `print`, C code, a
subprocess. What Python writes to stderr is enclosed in marks that name the stream; the reader takes them out.
`logging` gets Lambda's handler and formats. I/O: writes to the two descriptors.
https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import time
import traceback
from typing import Any, Dict, Optional

MARK_BEGIN = b"("
MARK_END = b")"
MARK_PASSED = b"!"  # after each invocation, where the reader cannot know otherwise
_RECORD_FIELDS = (frozenset(vars(logging.makeLogRecord({}))) - {"taskName"}) | {
    "message",
    "asctime",
    "aws_request_id",
    "tenant_id",
}


class LogStream(io.RawIOBase):
    """Writes at once and whole: what was printed is out, even if the process dies next."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.before = b""
        self.after = b""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Any, /) -> int:
        view = bytes(data)
        whole = self.before + view + self.after if self.before else view
        sent = os.write(self._descriptor, whole)
        while sent < len(whole):
            sent += os.write(self._descriptor, whole[sent:])
        return len(view)


class Streams:
    """sys.stdout and sys.stderr, replaced."""

    def __init__(self) -> None:
        self._error = LogStream(2)
        self._passed = b""
        sys.stdout = sys.__stdout__ = _text(LogStream(1))  # type: ignore[misc]
        sys.stderr = sys.__stderr__ = _text(self._error)  # type: ignore[misc]

    def mark(self, nonce: str) -> None:
        """Enclose what goes to stderr in marks made of `nonce`."""
        self._error.before = b"\0" + nonce.encode() + MARK_BEGIN
        self._error.after = b"\0" + nonce.encode() + MARK_END
        self._passed = b"\0" + nonce.encode() + MARK_PASSED

    def pass_mark(self) -> None:
        """Tell the reader that what was printed until now has passed."""
        os.write(1, self._passed)


def _text(stream: LogStream) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        stream,  # type: ignore[arg-type]  # unbuffered text over a raw stream, as `python -u` does it
        encoding="utf-8",
        errors="backslashreplace",
        newline="\n",
        write_through=True,
    )


class LambdaHandler(logging.Handler):
    """The root handler of Lambda: every record goes to stdout under the id of the current request."""

    def __init__(self) -> None:
        super().__init__()
        self.request_id = ""

    def filter(self, record: logging.LogRecord) -> Any:
        record.aws_request_id = self.request_id
        record.tenant_id = None
        return super().filter(record)

    def emit(self, record: logging.LogRecord) -> None:
        self.write_line(self.format(record))

    def write_line(self, text: str) -> None:
        sys.stdout.write(text)


class JsonFormatter(logging.Formatter):
    """`LogFormat: JSON`."""

    def __init__(self) -> None:
        super().__init__(datefmt="%Y-%m-%dT%H:%M:%SZ")

    def format(self, record: logging.LogRecord) -> str:
        level = min(50, max(0, record.levelno)) // 10 * 10
        message: Any = record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage()
        fields: Dict[str, Any] = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": logging.getLevelName(level),
            "message": message,
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["stackTrace"] = traceback.format_tb(record.exc_info[2])
            fields["errorType"] = record.exc_info[0].__name__
            fields["errorMessage"] = str(record.exc_info[1])
            fields["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        fields["requestId"] = getattr(record, "aws_request_id", None)
        for name, value in vars(record).items():
            if name not in _RECORD_FIELDS and name not in fields:
                fields[name] = value
        present = {name: value for name, value in fields.items() if value is not None}
        return json.dumps(present, ensure_ascii=False, default=str) + "\n"


def install_logging(log_format: Optional[str], log_level: Optional[str]) -> LambdaHandler:
    """Give the root logger its handler. Arguments are AWS_LAMBDA_LOG_FORMAT and AWS_LAMBDA_LOG_LEVEL."""
    logging.Formatter.converter = time.gmtime
    handler = LambdaHandler()
    if (log_format or "").upper() == "JSON":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(
            logging.Formatter(
                "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n",
                "%Y-%m-%dT%H:%M:%S",
            )
        )
    root = logging.getLogger()
    level = {"TRACE": "DEBUG"}.get((log_level or "").upper(), (log_level or "").upper())
    if level in ("DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL", "FATAL"):
        root.setLevel(level)
    root.addHandler(handler)
    return handler
