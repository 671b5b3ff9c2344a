"""Values of secrets and parameters: read from Parameter Store, and kept in memory for a bounded time.

In: what a link says of each (`parameter`, `fallback`, `default`). Out: its value, or an error that names the command to
set it. All that the function is linked to are read with one request, since Parameter Store takes 40 a second. A value
is good for `KITE_SECRETS_MAX_AGE` seconds, 300 if that is not set; where Parameter Store does not answer, for an hour.
Values are in this process's memory and nowhere else. I/O: `parameter_store`.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from skykite_lambda.linked import PREFIX

_AGE_S = 300.0
_STALE_S = 3600.0
_AGE_VARIABLE = "KITE_SECRETS_MAX_AGE"
STAMP_VARIABLE = "KITE_SECRETS_STAMP"
"""Names a file, while `kite dev` runs. Whoever sets a secret on the same machine writes it anew. The worker takes it
for one of those that code has read, so that no process stays which has kept an old value."""

Fetch = Callable[[List[str]], Mapping[str, str]]
"""From names of parameters to the values of those that exist. Raises Unavailable for what may pass."""


class SecretNotSet(LookupError):  # noqa: N818  (it reads as what it is)
    """A secret has no value on this stage."""


class Unavailable(Exception):  # noqa: N818
    """Parameter Store cannot be asked at the moment."""


class SecretValues:
    """What this process knows. Safe to use from several threads."""

    def __init__(self, fetch: Fetch, now: Callable[[], float] = time.time) -> None:
        # `time.time` goes on while a container is frozen, which `time.monotonic` does not do everywhere.
        self._fetch = fetch
        self._now = now
        self._lock = threading.Lock()
        self._known: Dict[str, Tuple[float, Optional[str]]] = {}  # by parameter: when it was read, and the value
        self.on_read: Optional[Callable[[], object]] = None  # told each time that code has asked for a value

    def get(self, id: str, attributes: Mapping[str, Any]) -> str:
        """The value of the secret that is linked as `id`. Raises SecretNotSet, and what `fetch` raises."""
        if self.on_read is not None:
            self.on_read()
        wanted = _parameters(attributes)
        with self._lock:
            if not self._fresh(wanted, _age()):
                self._refresh(wanted)
            values = [self._known[name][1] for name in wanted]
        found = next((value for value in values if value is not None), attributes.get("default"))
        if not isinstance(found, str):
            raise SecretNotSet(_not_set(id))
        return found

    def forget(self) -> None:
        """Read everything anew when it is asked for next."""
        with self._lock:
            self._known.clear()

    def _fresh(self, names: List[str], age: float) -> bool:
        """Whether the answer is known. One that is missing is asked for each time: it may be set any moment."""
        now, missing = self._now(), True
        for name in names:
            read = self._known.get(name)
            if read is None or not 0 <= now - read[0] < age:
                return False
            missing = missing and read[1] is None
        return not missing

    def _refresh(self, wanted: List[str]) -> None:
        names = list(dict.fromkeys([*wanted, *_linked_parameters()]))
        now = self._now()
        try:
            values = self._fetch(names)
        except Unavailable:
            if self._fresh(wanted, _STALE_S):
                return
            raise
        for name in names:
            self._known[name] = (now, values.get(name))


def _parameters(attributes: Mapping[str, Any]) -> List[str]:
    """What may hold the value, the first that does counts."""
    return [attributes[key] for key in ("parameter", "fallback") if isinstance(attributes.get(key), str)]


def _linked_parameters() -> List[str]:
    found: List[str] = []
    for name, text in sorted(os.environ.items()):
        if name.startswith(PREFIX):
            with contextlib.suppress(ValueError, AttributeError):
                found += _parameters(json.loads(text))
    return found


def _age() -> float:
    try:
        return max(0.0, float(os.environ.get(_AGE_VARIABLE, _AGE_S)))
    except ValueError:
        return _AGE_S


def _not_set(id: str) -> str:
    stage = os.environ.get("KITE_STAGE", "")
    command = f"kite secrets set {id}" + (f" --stage {stage}" if stage else "") + (" --local" if _is_local() else "")
    where = f"stage `{stage}`" if stage else "this stage"
    return f"secret `{id}` has no value on {where}: set it with `{command}`"


def _is_local() -> bool:
    from skykite_lambda.live.network import embedded_cloud

    return embedded_cloud(os.environ) is not None


def _fetch(names: List[str]) -> Mapping[str, str]:
    from skykite_lambda.parameter_store import read_parameters

    return read_parameters(names)


VALUES = SecretValues(_fetch)
