"""The seams: everything of MiniStack's insides that we use is there, in the pinned version, and takes what we give it.

After a change of the version this says in a second what has moved; the rest of tests/contract/cloud says what behaves
otherwise.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kit.embedded_cloud import RealClock, Recorder
from kit.resource_schemas import TABLE, available
from kit.seams import Seam, seams
from skykite.cloud import ensure_environment
from skykite_cloud.resources.types import handlers_by_type

_LOOK = """
import importlib, inspect, json, pkgutil, sys
import ministack.services, ministack.services.cloudformation, ministack.core, ministack.app
asked = json.load(sys.stdin)
modules = {}
for package in (ministack.core, ministack.services.cloudformation, ministack.services):
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        modules[found.name.rpartition(".")[2]] = found.name
modules["cloudformation"] = "ministack.services.cloudformation"
wrong = []
for one in asked:
    module = importlib.import_module(one["module"])
    if not hasattr(module, one["name"]):
        wrong.append([one["module"], one["name"], "is gone", one["where"]])
    elif one["called"] and not one["stars"]:
        try:
            signature = inspect.signature(getattr(module, one["name"]))
            signature.bind(*range(one["arguments"]), **dict.fromkeys(one["keywords"]))
        except TypeError as error:
            wrong.append([one["module"], one["name"], str(error), one["where"]])
from ministack.services.cloudformation import provisioners
print(json.dumps({"modules": modules, "wrong": wrong, "types": sorted(provisioners._RESOURCE_HANDLERS)}))
"""


@pytest.fixture(scope="module")
def python() -> Path:
    return asyncio.run(ensure_environment(Recorder(), RealClock()))


def _look(python: Path, asked: list[Seam]) -> dict[str, Any]:
    given = json.dumps([{name: getattr(one, name) for name in Seam.__slots__} for one in asked])
    done = subprocess.run([python, "-c", _LOOK], input=given, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_everything_that_we_use_is_there_and_takes_what_we_give_it(python: Path) -> None:
    modules = _look(python, [])["modules"]
    used = list(seams(modules))

    assert len({(one.module, one.name) for one in used}) > 100
    assert _look(python, used)["wrong"] == []


def test_each_type_that_ministack_has_is_in_our_table_of_awss_names(python: Path) -> None:
    """Else what a new one drops would be dropped in silence: run `python -m kit.resource_schemas` with its name."""
    known = set(json.loads(TABLE.read_text(encoding="utf-8")))

    types = set(_look(python, [])["types"])
    assert {name for name in types | set(handlers_by_type()) if name.startswith("AWS::")} - known == set()
    assert known <= available()
